package proxyshim

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/proxyshim/cache"
	"github.com/modferry/modferry/proxyshim/events"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/verify"
)

// errModOnly: only .info and .mod of the version are in the store.
var errModOnly = errors.New("only go.mod is in the store")

// newVersions returns the source of verified versions.
func (h *Handler) newVersions() *source[*cache.Entry] {
	return &source[*cache.Entry]{kind: "version", lacks: h.lacksRecord, fetch: h.fetch, cache: h.cache}
}

// version returns the verified entry of m, from the store if need be.
func (h *Handler) version(ctx context.Context, m module.Version) (*cache.Entry, error) {
	return ask(ctx, h, h.versions, m, h.recheck, false)
}

// fetch reads, verifies and caches m. When the manifest is the one of old, its files stay.
func (h *Handler) fetch(ctx context.Context, policy sign.Verifier, store *registry.Store, m module.Version, old *cache.Entry) (*cache.Entry, error) {
	e, err := h.fetchVersion(ctx, policy, store, m, old)
	if err == nil {
		h.extendListing(e)
	}
	return e, err
}

func (h *Handler) fetchVersion(ctx context.Context, policy sign.Verifier, store *registry.Store, m module.Version, old *cache.Entry) (*cache.Entry, error) {
	if _, err := artifact.Tag(m.Version); err != nil {
		return nil, fmt.Errorf("%w: %w", registry.ErrNotFound, err) // no store can have it
	}
	fingerprint := policy.Rule(m.Path).Fingerprint
	find := store.FindGoMod
	if old != nil && old.ZipLayer != nil { // which stays unless it is known to be gone
		find = store.Find
	}
	mod, err := find(ctx, m)
	if err != nil {
		return nil, err
	}
	known := h.sums.known(old)
	found, err := h.checker(policy).Check(ctx, store, mod, known)
	if err != nil {
		refused := &events.VersionError{Module: m, Manifest: mod.Descriptor.Digest, Err: err}
		if found != nil {
			refused.Keys = found.Keys
		}
		return nil, refused
	}
	v := &cache.Verdict{
		Confirmation: h.confirmation(m, store, fingerprint), Keys: found.Keys,
		Repository: mod.Repository, Manifest: mod.Descriptor, Sum: mod.Sum, GoModSum: mod.GoModSum, ZipLayer: mod.Zip,
	}
	if e := found.Evidence; e != nil {
		if v.Record, err = e.Record.Format(); err != nil {
			return nil, err
		}
		v.Log = h.sums.log.Key()
		if e != known.Evidence {
			h.keepTile(m, found)
		}
	}
	if found.Evidence == nil && found.Snapshot != nil {
		h.log.Info("accepted without the word of the checksum database", "module", m.Path, "version", m.Version, "sumdb", found.Logged)
	}
	if known.Manifest == mod.Descriptor.Digest {
		if e := h.cache.Renew(v); e != nil {
			return e, nil
		}
	}
	if found.Meta == nil {
		if found.Meta, err = verify.Meta(ctx, store, mod); err != nil {
			return nil, err
		}
	}
	return h.cache.Put(v, found.Meta.Info, found.Meta.GoMod)
}

// keepTile keeps the tile that came with the evidence of m.
func (h *Handler) keepTile(m module.Version, found *verify.Result) {
	if err := h.sums.files.KeepTile(found.Snapshot, *found.Evidence); err != nil {
		h.log.Warn("keeping a checksum database tile in the cache", "module", m.Path, "version", m.Version, "error", err)
	}
}

// confirmation says that a store has just confirmed something.
func (h *Handler) confirmation(m module.Version, store *registry.Store, verifier string) cache.Confirmation {
	return cache.Confirmation{Module: m, Store: store.String(), Verifier: verifier, Checked: h.now()}
}

// withZip returns e with its zip in the cache.
func (h *Handler) withZip(ctx context.Context, e *cache.Entry) (*cache.Entry, error) {
	if e.HasZip() {
		return e, nil
	}
	return share(ctx, h, "zip "+e.Module.String()+" "+e.Verifier, func(ctx context.Context) (*cache.Entry, error) {
		store, err := h.stores.For(e.Module.Path)
		if err == nil && e.ZipLayer == nil {
			e, err = h.full(ctx, store, e.Module)
		}
		if err != nil {
			return nil, err
		}
		full, err := h.fetchZip(ctx, store, e)
		if h.classify(store, err) == verify.Refused {
			err = errors.Join(err, h.cache.Drop(e.Module))
		}
		if err != nil {
			return nil, h.explain(e.Module, store, err)
		}
		return full, nil
	})
}

// full returns the verified entry of the full form of m, of which the mod-only one is known: it may have been published
// since, or the store could not tell at that time.
func (h *Handler) full(ctx context.Context, store *registry.Store, m module.Version) (*cache.Entry, error) {
	zip := module.Version{Path: m.Path, Version: m.Version + " zip"} // which nobody asks for: for what is absent
	if h.knownAbsent(zip) != nil {
		return nil, errModOnly
	}
	_, err := store.FindKind(ctx, m, false)
	switch h.classify(store, err) {
	case verify.Absent:
		h.remember(zip, &absence{text: errModOnly.Error()})
		return nil, errModOnly
	case verify.Unavailable:
		return nil, err
	}
	e, err := ask(ctx, h, h.versions, m, 0, true) // which says what else may be wrong with it
	if err == nil && e.ZipLayer == nil {
		err = fmt.Errorf("%w: %s had the zip of %s a moment ago", registry.ErrUnavailable, store, m)
	}
	return e, err
}

// fetchZip gets the zip of e: the one on disk if it has the right sum, else the one in the store.
func (h *Handler) fetchZip(ctx context.Context, store *registry.Store, e *cache.Entry) (*cache.Entry, error) {
	mod := &registry.Module{
		Manifest:   &artifact.Manifest{Module: e.Module, Sum: e.Sum, GoModSum: e.GoModSum, Zip: e.ZipLayer},
		Repository: e.Repository,
		Descriptor: e.Manifest,
	}
	check := func(file string) error {
		h.checking <- struct{}{}
		defer func() { <-h.checking }()
		return verify.CheckZip(mod, file)
	}
	return h.cache.AddZip(e, check, func(f *os.File) error {
		if err := verify.ReadZip(ctx, store, mod, f); err != nil {
			return err
		}
		return check(f.Name())
	})
}
