package proxyshim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"syscall"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/proxyshim/cache"
	"github.com/modferry/modferry/registry"
)

const (
	// attempts is how often a broken download is made in all.
	attempts = 3
	// patience bounds a re-check while there is a cached answer to fall back on.
	patience = 30 * time.Second
)

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
func (h *Handler) fresh(m module.Version) *cache.Entry {
	e := h.cache.Get(m)
	if e == nil || e.Withheld || h.due(e.Checked) || e.Verifier != h.verifier.Fingerprint() {
		return nil
	}
	return e
}

// version returns the verified entry of m, from the store if need be.
func (h *Handler) version(ctx context.Context, m module.Version) (*cache.Entry, error) {
	if e := h.fresh(m); e != nil {
		return e, nil
	}
	if err := h.knownAbsent(m); err != nil {
		return nil, err
	}
	return share(ctx, h, "version "+m.String(), func(ctx context.Context) (*cache.Entry, error) {
		return h.refresh(ctx, m, h.recheck)
	})
}

// refresh brings the entry of m up to date, if it was checked that long ago.
func (h *Handler) refresh(ctx context.Context, m module.Version, interval time.Duration) (*cache.Entry, error) {
	store, err := h.stores.For(m.Path)
	if err != nil {
		return nil, err
	}
	old := h.stored(m, store.String())
	usable := old != nil && !old.Withheld
	if usable && (h.age(old.Checked) < interval || h.outages.holds(store.String())) {
		return old, nil
	}
	if usable {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	e, err := h.fetch(ctx, store, m, old)
	switch h.judge(store, err) {
	case settled:
		h.extendListing(e)
		return e, nil
	case unreachable:
		if usable {
			return old, nil
		}
	case withheld:
		if err := h.cache.Withhold(m); err != nil {
			h.log.Error("recording that a version is withheld", "module", m.Path, "version", m.Version, "error", err)
		}
	case withdrawn:
		if err := h.cache.Drop(m); err != nil {
			h.log.Error("removing a withdrawn version from the cache", "module", m.Path, "version", m.Version, "error", err)
		}
	}
	return nil, h.explain(m, store, err)
}

// stored returns what memory or disk have of m, if it came from this store and
// was accepted by the verifier as it is now.
func (h *Handler) stored(m module.Version, store string) *cache.Entry {
	fingerprint := h.verifier.Fingerprint()
	if e := h.cache.Get(m); e != nil && e.Verifier == fingerprint {
		return e
	}
	return h.cache.Load(m, store, fingerprint)
}

// fetch reads, verifies and caches m. When the manifest is the one of old, its
// files stay.
func (h *Handler) fetch(ctx context.Context, store *registry.Store, m module.Version, old *cache.Entry) (*cache.Entry, error) {
	if _, err := artifact.Tag(m.Version); err != nil {
		return nil, fmt.Errorf("%w: %w", registry.ErrNotFound, err) // no store can have it
	}
	fingerprint := h.verifier.Fingerprint()
	mod, keys, err := store.Load(ctx, m, h.verifier)
	if err != nil {
		return nil, err
	}
	v := &cache.Verdict{
		Format: cache.VerdictFormat, Module: m, Store: store.String(), Repository: mod.Repository,
		Manifest: mod.Descriptor, Sum: mod.Sum, GoModSum: mod.GoModSum, ZipLayer: mod.Zip,
		Verifier: fingerprint, Keys: keys, Checked: h.now(),
	}
	w := witness{h: h, store: store, mod: mod}
	if old != nil && old.Manifest.Digest == mod.Descriptor.Digest {
		if v.Record, err = w.again(ctx, old.Record); err != nil {
			return nil, err
		}
		if e := h.cache.Renew(v); e != nil {
			return e, nil
		}
	}
	if v.Record, err = w.first(ctx); err != nil {
		return nil, err
	}
	return h.cache.Put(v, w.meta.Info, w.meta.GoMod)
}

// readMeta returns .info and go.mod of mod, checked.
func readMeta(ctx context.Context, store *registry.Store, mod *registry.Module) (*artifact.Meta, error) {
	var meta *artifact.Meta
	err := repeat(ctx, func() (err error) {
		meta, err = store.Meta(ctx, mod)
		return err
	})
	return meta, err
}

// repeat calls fn again when a download broke off or arrived damaged. (The store
// itself repeats what failed before the first byte.)
func repeat(ctx context.Context, fn func() error) error {
	var err error
	for range attempts {
		err = fn()
		broken := errors.Is(err, artifact.ErrCorrupt) || errors.Is(err, io.ErrUnexpectedEOF) ||
			errors.Is(err, syscall.ECONNRESET)
		if !broken || ctx.Err() != nil {
			break
		}
	}
	return err
}

// withZip returns e with its zip in the cache.
func (h *Handler) withZip(ctx context.Context, e *cache.Entry) (*cache.Entry, error) {
	if e.ZipLayer == nil {
		return nil, errModOnly
	}
	if e.HasZip() {
		return e, nil
	}
	return share(ctx, h, "zip "+e.Module.String(), func(ctx context.Context) (*cache.Entry, error) {
		store, err := h.stores.For(e.Module.Path)
		if err != nil {
			return nil, err
		}
		full, err := h.fetchZip(ctx, store, e)
		if h.judge(store, err) == withdrawn {
			err = errors.Join(err, h.cache.Drop(e.Module))
		}
		if err != nil {
			return nil, h.explain(e.Module, store, err)
		}
		return full, nil
	})
}

// fetchZip gets the zip of e: the one on disk if it has the right sum, else the
// one in the store.
func (h *Handler) fetchZip(ctx context.Context, store *registry.Store, e *cache.Entry) (*cache.Entry, error) {
	mod := &registry.Module{
		Manifest:   &artifact.Manifest{Module: e.Module, Sum: e.Sum, GoModSum: e.GoModSum, Zip: e.ZipLayer},
		Repository: e.Repository,
		Descriptor: e.Manifest,
	}
	return h.cache.AddZip(e, mod.CheckZipFile, func(f *os.File) error { return download(ctx, store, mod, f) })
}

// download streams the zip into f.
func download(ctx context.Context, store *registry.Store, mod *registry.Module, f *os.File) error {
	return repeat(ctx, func() error {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := f.Truncate(0); err != nil {
			return err
		}
		return store.Zip(ctx, mod, f)
	})
}
