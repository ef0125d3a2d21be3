package proxyshim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/proxyshim/cache"
	"github.com/modferry/modferry/registry"
)

// attempts is how often a broken download is made in all.
const attempts = 3

// errModOnly: only .info and .mod of the version are in the store.
var errModOnly = errors.New("only go.mod is in the store")

// newVersions returns the source of verified versions.
func (h *Handler) newVersions() *source[*cache.Entry] {
	return &source[*cache.Entry]{kind: "version", verifier: h.verifier.Fingerprint, fetch: h.fetch, cache: h.cache}
}

// version returns the verified entry of m, from the store if need be.
func (h *Handler) version(ctx context.Context, m module.Version) (*cache.Entry, error) {
	return ask(ctx, h, h.versions, m, h.recheck, false)
}

// fetch reads, verifies and caches m. When the manifest is the one of old, its
// files stay.
func (h *Handler) fetch(ctx context.Context, store *registry.Store, m module.Version, old *cache.Entry) (*cache.Entry, error) {
	e, err := h.fetchVersion(ctx, store, m, old)
	if err == nil {
		h.extendListing(e)
	}
	return e, err
}

func (h *Handler) fetchVersion(ctx context.Context, store *registry.Store, m module.Version, old *cache.Entry) (*cache.Entry, error) {
	if _, err := artifact.Tag(m.Version); err != nil {
		return nil, fmt.Errorf("%w: %w", registry.ErrNotFound, err) // no store can have it
	}
	fingerprint := h.verifier.Fingerprint()
	mod, keys, err := store.Load(ctx, m, h.verifier)
	if err != nil {
		return nil, err
	}
	v := &cache.Verdict{
		Confirmation: h.confirmation(m, store, fingerprint), Keys: keys,
		Repository: mod.Repository, Manifest: mod.Descriptor, Sum: mod.Sum, GoModSum: mod.GoModSum, ZipLayer: mod.Zip,
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

// confirmation says that a store has just confirmed something.
func (h *Handler) confirmation(m module.Version, store *registry.Store, verifier string) cache.Confirmation {
	return cache.Confirmation{Module: m, Store: store.String(), Verifier: verifier, Checked: h.now()}
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
