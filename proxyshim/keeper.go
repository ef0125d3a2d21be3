package proxyshim

import (
	"context"
	"sync"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/verify"
)

// keeper keeps one kind of small answers that stores give about modules, in memory and
// in the cache directory. An answer is asked for again when it gets old, and is good
// for as long as the store does not answer. What is kept never changes.
type keeper[T any] struct {
	kind     string                                                                         // in flights and log records
	fetch    func(ctx context.Context, store *registry.Store, m module.Version) (*T, error) // asks, and saves
	load     func(m module.Version, store string) *T                                        // what is saved, or nil
	withhold func(T) error                                                                  // saves that it is not to be trusted until it is fetched anew
	drop     func(m module.Version) error                                                   // removes what is saved
	checked  func(*T) time.Time                                                             // when the store last said so
	trusted  func(*T) bool                                                                  // whether today's policy accepts it, and it is not withheld

	mu     sync.RWMutex
	memory map[module.Version]*T
}

// get returns what is in memory and trusted, or nil.
func (k *keeper[T]) get(m module.Version) *T {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if v := k.memory[m]; v != nil && k.trusted(v) {
		return v
	}
	return nil
}

// set changes what is in memory; nil is nothing.
func (k *keeper[T]) set(m module.Version, v *T) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case v == nil:
		delete(k.memory, m)
	case k.memory == nil:
		k.memory = map[module.Version]*T{m: v}
	default:
		k.memory[m] = v
	}
}

// ask returns the answer about m, from its store if need be. If anew is set something
// was not found by what is kept: then an answer as old as absence is believed is
// too old, and no answer is an error.
func ask[T any](ctx context.Context, h *Handler, k *keeper[T], m module.Version, anew bool) (*T, error) {
	interval, flight := h.recheck, k.kind+" "+m.String()
	if anew {
		interval, flight = h.absent, "new "+flight
	}
	if v := k.get(m); v != nil && h.age(k.checked(v)) < interval {
		return v, nil
	}
	if err := h.knownAbsent(m); err != nil {
		return nil, err
	}
	return share(ctx, h, flight, func(ctx context.Context) (*T, error) {
		return refreshKept(ctx, h, k, m, interval, anew)
	})
}

// refreshKept brings what is kept about m up to date, if it is that old.
func refreshKept[T any](ctx context.Context, h *Handler, k *keeper[T], m module.Version, interval time.Duration, anew bool) (*T, error) {
	store, err := h.stores.For(m.Path)
	if err != nil {
		return nil, err
	}
	old := k.get(m)
	if old == nil {
		if old = k.load(m, store.String()); old != nil && !k.trusted(old) {
			old = nil
		}
	}
	if old != nil && (h.age(k.checked(old)) < interval || !anew && h.outages.holds(store.String())) {
		k.set(m, old)
		return old, nil
	}
	if old != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	v, err := k.fetch(ctx, store, m)
	switch h.classify(store, err) {
	case verify.Accepted:
		k.set(m, v)
		return v, nil
	case verify.Unavailable:
		if old != nil && !anew {
			k.set(m, old)
			return old, nil
		}
	case verify.Absent, verify.Denied, verify.Unconfirmed:
		k.set(m, nil)
		if old != nil {
			if err := k.withhold(*old); err != nil {
				h.log.Error("recording what is withheld", "kind", k.kind, "module", m.Path, "version", m.Version, "error", err)
			}
		}
	case verify.Refused:
		k.set(m, nil)
		if err := k.drop(m); err != nil {
			h.log.Error("removing what was withdrawn from the cache", "kind", k.kind, "module", m.Path, "version", m.Version, "error", err)
		}
	}
	return nil, h.explain(m, store, err)
}
