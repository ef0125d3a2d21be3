package proxyshim

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/proxyshim/cache"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/verify"
)

// patience bounds asking a store while there is a cached answer to fall back on.
const patience = 30 * time.Second

// confirmed is what the cache keeps: a version, or another answer about a module.
type confirmed interface {
	comparable // with nil
	Confirmed() *cache.Confirmation
	Subject() sign.Subject
}

// source is where answers of one kind come from: from the cache, and from a store when they are not there or old.
// They are good for as long as the store does not answer.
type source[T confirmed] struct {
	kind   string                               // in flights and log records
	anyone bool                                 // nobody has to accept them, for what they lead to is verified
	lacks  func(policy sign.Verifier, v T) bool // whether a policy would not accept it as it is now; nil: never
	fetch  func(ctx context.Context, policy sign.Verifier, store *registry.Store, m module.Version, old T) (T, error)
	cache  interface {
		Get(m module.Version) T
		Find(m module.Version, store, verifier string) T
		Withhold(m module.Version) error
		Drop(m module.Version) error
	}
}

// fingerprint returns the fingerprint of what has to accept the answer about a module.
func (s *source[T]) fingerprint(policy sign.Verifier, path string) string {
	if s.anyone {
		return ""
	}
	return policy.Rule(path).Fingerprint
}

// fresh returns the answer about m that is in memory, if it can be used without asking, or nil.
func fresh[T confirmed](h *Handler, s *source[T], policy sign.Verifier, m module.Version, maxAge time.Duration) (none T) {
	v := s.cache.Get(m)
	if s.usable(policy, v) && h.age(v.Confirmed().Checked) < maxAge &&
		v.Confirmed().Verifier == s.fingerprint(policy, m.Path) && policy.Deny(v.Subject()) == nil {
		return v
	}
	return none
}

// usable reports whether v can be used if its store does not answer. The policy says only whether it lacks a record.
func (s *source[T]) usable(policy sign.Verifier, v T) bool {
	var none T
	return v != none && !v.Confirmed().Withheld && (s.lacks == nil || !s.lacks(policy, v))
}

// ask returns the answer about m, which a store confirmed less than maxAge ago, unless that does not answer. If anew
// is set something was not found by what is kept: then no answer is an error.
func ask[T confirmed](ctx context.Context, h *Handler, s *source[T], m module.Version, maxAge time.Duration, anew bool) (T, error) {
	var none T
	policy := h.policy()
	if v := fresh(h, s, policy, m, maxAge); v != none {
		return v, nil
	}
	if err := policy.Deny(sign.Subject{Module: m}); err != nil {
		return none, forbid(h, s, m, err)
	}
	if err := h.knownAbsent(m); err != nil {
		return none, err
	}
	flight := s.kind + " " + m.String() + " " + s.fingerprint(policy, m.Path) // what another policy accepts is no answer
	if anew {
		flight = "new " + flight
	}
	v, err := share(ctx, h, flight, func(ctx context.Context) (T, error) {
		return refresh(ctx, h, s, policy, m, maxAge, anew)
	})
	if err != nil {
		return none, err
	}
	if err := policy.Deny(v.Subject()); err != nil {
		return none, forbid(h, s, m, err)
	}
	return v, nil
}

// forbid removes what is kept about m, which the policy refuses because of err: no store needs to be asked. It
// returns err.
func forbid[T confirmed](h *Handler, s *source[T], m module.Version, err error) error {
	if kept := s.cache.Drop(m); kept != nil {
		h.log.Error("removing from the cache what the policy forbids",
			"kind", s.kind, "module", m.Path, "version", m.Version, "error", kept)
	}
	return fmt.Errorf("%s: %w", subject(m), err)
}

// refresh is ask, in a flight of its own.
func refresh[T confirmed](
	ctx context.Context, h *Handler, s *source[T], policy sign.Verifier, m module.Version, maxAge time.Duration, anew bool,
) (T, error) {
	var none T
	store, err := h.stores.For(m.Path)
	if err != nil {
		return none, err
	}
	old := s.cache.Find(m, store.String(), s.fingerprint(policy, m.Path))
	usable := s.usable(policy, old)
	if usable {
		if h.age(old.Confirmed().Checked) < maxAge || !anew && h.outages.holds(store.String()) {
			return old, nil
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	v, err := s.fetch(ctx, policy, store, m, old)
	var kept error
	switch h.classify(store, err) {
	case verify.Accepted:
		return v, nil
	case verify.Unavailable:
		if usable && !anew {
			return old, nil
		}
		if _, refusal := policy.Verify(ctx, sign.Subject{Module: m}, nil); errors.Is(refusal, sign.ErrForbidden) && !s.anyone {
			return none, forbid(h, s, m, refusal) // no rule covers it: that needs no store
		}
	case verify.Absent, verify.Denied, verify.Unconfirmed:
		kept = s.cache.Withhold(m)
	case verify.Refused:
		kept = s.cache.Drop(m)
	}
	if kept != nil {
		h.log.Error("recording in the cache that the store gives it no more", "kind", s.kind, "module", m.Path, "version", m.Version, "error", kept)
	}
	return none, h.explain(m, store, err)
}

// age returns how long ago that was. A time in the future is infinitely old: a clock that is set back must not
// prolong anything.
func (h *Handler) age(checked time.Time) time.Duration {
	if age := h.now().Sub(checked); age >= 0 {
		return age
	}
	return math.MaxInt64
}

// share runs fn once for all who ask for key at the same time. A caller that goes away leaves the others, and fn,
// alone.
func share[T any](ctx context.Context, h *Handler, key string, fn func(context.Context) (T, error)) (T, error) {
	done := h.flights.DoChan(key, func() (any, error) {
		if !h.begin() {
			return nil, errClosed
		}
		defer h.working.Done()
		h.fetching.Add(1)
		defer h.fetching.Add(-1)
		return fn(h.ctx)
	})
	var none T
	select {
	case <-ctx.Done():
		return none, ctx.Err()
	case result := <-done:
		if result.Err != nil && h.ctx.Err() != nil {
			return none, errClosed
		}
		if result.Err != nil {
			return none, result.Err
		}
		return result.Val.(T), nil
	}
}
