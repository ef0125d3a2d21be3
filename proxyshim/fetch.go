package proxyshim

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/verify"
)

// patience bounds a re-check while there is a cached answer to fall back on.
const patience = 30 * time.Second

// errModOnly: only .info and .mod of the version are in the store.
var errModOnly = errors.New("only go.mod is in the store")

// share runs fn once for all who ask for key at the same time. A caller that goes
// away leaves the others, and fn, alone.
func share[T any](ctx context.Context, h *Handler, key string, fn func(context.Context) (T, error)) (T, error) {
	done := h.flights.DoChan(key, func() (any, error) {
		if !h.begin() {
			return nil, errClosed
		}
		defer h.working.Done()
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

// due reports whether what was checked at that time has to be checked again.
func (h *Handler) due(checked time.Time) bool { return h.age(checked) >= h.recheck }

// age returns how long ago that was. A time in the future is infinitely old: a
// clock that is set back must not prolong anything.
func (h *Handler) age(checked time.Time) time.Duration {
	if age := h.now().Sub(checked); age >= 0 {
		return age
	}
	return math.MaxInt64
}

// fresh returns the entry of m in memory if it can be served without asking.
func (h *Handler) fresh(m module.Version) *entry {
	e := h.cache.get(m)
	if e == nil || e.Withheld || h.due(e.Checked) || e.Verifier != h.verifier.Fingerprint() || h.lacksRecord(e) {
		return nil
	}
	return e
}

// version returns the verified entry of m, from the store if need be.
func (h *Handler) version(ctx context.Context, m module.Version) (*entry, error) {
	if e := h.fresh(m); e != nil {
		return e, nil
	}
	if err := h.knownAbsent(m); err != nil {
		return nil, err
	}
	return share(ctx, h, "version "+m.String(), func(ctx context.Context) (*entry, error) {
		return h.refresh(ctx, m, h.recheck)
	})
}

// refresh brings the entry of m up to date, if it was checked that long ago.
func (h *Handler) refresh(ctx context.Context, m module.Version, interval time.Duration) (*entry, error) {
	store, err := h.stores.For(m.Path)
	if err != nil {
		return nil, err
	}
	old := h.stored(m, store.String())
	usable := old != nil && !old.Withheld && !h.lacksRecord(old)
	if usable && (h.age(old.Checked) < interval || h.outages.holds(store.String())) {
		return old, nil
	}
	if usable {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	e, err := h.fetch(ctx, store, m, old)
	switch h.classify(store, err) {
	case verify.Accepted:
		h.extendListing(e)
		h.tidy()
		return e, nil
	case verify.Unavailable:
		if usable {
			return old, nil
		}
	case verify.Absent, verify.Denied, verify.Unconfirmed:
		if err := h.cache.withhold(m); err != nil {
			h.log.Error("recording that a version is withheld", "module", m.Path, "version", m.Version, "error", err)
		}
	case verify.Refused:
		if err := h.cache.drop(m); err != nil {
			h.log.Error("removing a withdrawn version from the cache", "module", m.Path, "version", m.Version, "error", err)
		}
	}
	return nil, h.explain(m, store, err)
}

// stored returns what memory or disk have of m, if it came from this store and
// was accepted by the verifier as it is now.
func (h *Handler) stored(m module.Version, store string) *entry {
	fingerprint := h.verifier.Fingerprint()
	if e := h.cache.get(m); e != nil && e.Verifier == fingerprint {
		return e
	}
	return h.cache.load(m, store, fingerprint)
}

// fetch reads, verifies and caches m. When the manifest is the one of old, its
// files stay.
func (h *Handler) fetch(ctx context.Context, store *registry.Store, m module.Version, old *entry) (*entry, error) {
	if _, err := artifact.Tag(m.Version); err != nil {
		return nil, fmt.Errorf("%w: %w", registry.ErrNotFound, err) // no store can have it
	}
	fingerprint := h.verifier.Fingerprint()
	mod, err := store.Find(ctx, m)
	if err != nil {
		return nil, err
	}
	known := h.sums.known(old)
	found, err := h.checker.Check(ctx, store, mod, known)
	if err != nil {
		return nil, err
	}
	v := &verdict{
		Format: verdictFormat, Module: m, Store: store.String(), Repository: mod.Repository,
		Manifest: mod.Descriptor, Sum: mod.Sum, GoModSum: mod.GoModSum, ZipLayer: mod.Zip,
		Verifier: fingerprint, Keys: found.Keys, Checked: h.now(),
	}
	if e := found.Evidence; e != nil {
		if v.Record, err = e.Record.Format(); err != nil {
			return nil, err
		}
		if e != known.Evidence {
			h.keepTile(m, found)
		}
	}
	if found.Evidence == nil && found.Snapshot != nil {
		h.log.Info("accepted without the word of the checksum database", "module", m.Path, "version", m.Version, "sumdb", found.Logged)
	}
	if known.Manifest == mod.Descriptor.Digest {
		if e := h.cache.renew(v); e != nil {
			return e, nil
		}
	}
	if found.Meta == nil {
		if found.Meta, err = verify.Meta(ctx, store, mod); err != nil {
			return nil, err
		}
	}
	return h.cache.put(v, found.Meta.Info, found.Meta.GoMod)
}

// keepTile keeps the tile that came with the evidence of m.
func (h *Handler) keepTile(m module.Version, found *verify.Result) {
	if err := h.sums.files.keepTile(found.Snapshot, *found.Evidence); err != nil {
		h.log.Warn("keeping a checksum database tile in the cache", "module", m.Path, "version", m.Version, "error", err)
	}
}

// withZip returns e with its zip in the cache.
func (h *Handler) withZip(ctx context.Context, e *entry) (*entry, error) {
	if e.ZipLayer == nil {
		return nil, errModOnly
	}
	if e.Zip != (stamp{}) {
		return e, nil
	}
	return share(ctx, h, "zip "+e.Module.String(), func(ctx context.Context) (*entry, error) {
		if now := h.cache.get(e.Module); now != nil && now.Sum == e.Sum && now.Zip != (stamp{}) {
			return now, nil
		}
		store, err := h.stores.For(e.Module.Path)
		if err != nil {
			return nil, err
		}
		full, err := h.fetchZip(ctx, store, e)
		if h.classify(store, err) == verify.Refused {
			err = errors.Join(err, h.cache.drop(e.Module))
		}
		h.tidy()
		if err != nil {
			return nil, h.explain(e.Module, store, err)
		}
		return full, nil
	})
}

// fetchZip gets the zip of e: the one on disk if it has the right sum, else the
// one in the store.
func (h *Handler) fetchZip(ctx context.Context, store *registry.Store, e *entry) (*entry, error) {
	mod := &registry.Module{
		Manifest:   &artifact.Manifest{Module: e.Module, Sum: e.Sum, GoModSum: e.GoModSum, Zip: e.ZipLayer},
		Repository: e.Repository,
		Descriptor: e.Manifest,
	}
	if fi, err := os.Stat(e.file + zipExt); err == nil && mod.CheckZipFile(e.file+zipExt) == nil {
		return h.cache.addZip(e, stampOf(fi))
	}
	f, err := h.cache.temp()
	if err != nil {
		return nil, err
	}
	if err := verify.Zip(ctx, store, mod, f); err != nil {
		discard(f)
		return nil, err
	}
	s, err := h.cache.commit(f, e.file+zipExt)
	if err != nil {
		return nil, err
	}
	return h.cache.addZip(e, s)
}

// tidy keeps the cache within its bounds.
func (h *Handler) tidy() {
	if !h.cache.full() {
		return
	}
	if err := h.cache.evict(); err != nil {
		h.log.Warn("evicting from the cache", "error", err)
	}
}
