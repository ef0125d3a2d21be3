package proxyshim

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
)

// witness has the checksum database confirm a module version that a store gave:
// where there is evidence and a snapshot that covers it, the record, its tile, the
// snapshot and both sums must agree. Without, a version is served nevertheless;
// the go command, which asks for the record, then has the last word.
type witness struct {
	h     *Handler
	store *registry.Store
	mod   *registry.Module
	meta  *artifact.Meta // nil: not read yet
}

// first returns the record for a manifest that was not seen before, nil if there
// is none, and reads meta.
func (w *witness) first(ctx context.Context) ([]byte, error) {
	if err := w.readMeta(ctx); err != nil {
		return nil, err
	}
	if w.h.sums.isPrivate(w.mod.Module.Path) {
		return nil, nil
	}
	p, err := w.h.pinned(ctx, false)
	if err == nil {
		err = p.missing(w.store)
	}
	if err != nil {
		return nil, fmt.Errorf("%v: checking it with the checksum database: %w", w.mod.Module, &evidenceError{err})
	}
	return w.search(ctx, p)
}

// again returns the record for a manifest that was accepted before, with that
// record. That there is no snapshot right now does not matter then.
func (w *witness) again(ctx context.Context, record []byte) ([]byte, error) {
	if w.h.sums.isPrivate(w.mod.Module.Path) {
		return nil, nil
	}
	p, err := w.h.pinned(ctx, false)
	if err != nil {
		return nil, err
	}
	if p.Snapshot == nil {
		return record, nil
	}
	if record != nil {
		err := w.h.sums.attest(p.Snapshot, w.mod.Manifest, record)
		if err == nil || errors.Is(err, sumdb.ErrBeyondHead) {
			return record, nil
		}
		if !errors.Is(err, sumdb.ErrNoTile) {
			return nil, err
		}
	}
	if err := w.readMeta(ctx); err != nil {
		return nil, err
	}
	return w.search(ctx, p)
}

func (w *witness) readMeta(ctx context.Context) (err error) {
	if w.meta == nil {
		w.meta, err = readMeta(ctx, w.store, w.mod)
	}
	return err
}

// missing returns the fault to stop at when store has a version that no snapshot
// can confirm. It is none if the store has no snapshot. Registries that answer to
// an account without a right to list what exists say that it may not read what
// does not exist; that only counts once there was a snapshot.
func (p *pinned) missing(store *registry.Store) error {
	err := p.faults[store.String()]
	switch {
	case p.Snapshot != nil:
		return nil
	case !p.seen && (errors.Is(err, registry.ErrDenied) || errors.Is(err, registry.ErrUnauthorized)):
		return nil
	}
	return err
}

// search looks for evidence in the store and checks it.
func (w *witness) search(ctx context.Context, p *pinned) ([]byte, error) {
	if w.meta.SumDB == nil && p.Snapshot == nil {
		return nil, nil
	}
	record, tiles, err := w.evidence(ctx)
	if errors.Is(err, registry.ErrNotFound) {
		w.log("no evidence is stored with it")
		return nil, nil
	}
	if err != nil {
		return nil, &evidenceError{err}
	}
	e, err := sumdb.ParseEvidence(w.h.sums.log, record, tiles)
	if err == nil {
		err = e.Record.Check(w.mod.Module, w.mod.Sum, w.mod.GoModSum)
	}
	if err != nil {
		return nil, fmt.Errorf("%v: checksum database evidence: %w", w.mod.Module, err)
	}
	return record, w.verify(ctx, p, e)
}

func (w *witness) evidence(ctx context.Context) (record []byte, tiles map[string][]byte, err error) {
	err = repeat(ctx, func() error {
		record, tiles, err = w.store.Evidence(ctx, w.mod, w.meta, w.h.verifier)
		return err
	})
	return record, tiles, err
}

// verify checks e, and keeps its tile.
func (w *witness) verify(ctx context.Context, p *pinned, e sumdb.Evidence) error {
	err := w.try(p, e)
	if errors.Is(err, sumdb.ErrBeyondHead) {
		if p, err = w.h.pinned(ctx, true); err != nil { // mirror stores the snapshot first
			return err
		}
		err = w.try(p, e)
	}
	switch {
	case errors.Is(err, sumdb.ErrBeyondHead), errors.Is(err, sumdb.ErrNoTile):
		w.log(err.Error())
		return nil
	case err != nil || p.Snapshot == nil:
		return err
	}
	if err := w.h.sums.files.keepTile(p.Snapshot, e); err != nil {
		w.h.log.Warn("keeping a checksum database tile in the cache", "module", w.mod.Module.Path, "version", w.mod.Module.Version, "error", err)
	}
	return nil
}

func (w *witness) try(p *pinned, e sumdb.Evidence) error {
	if p.Snapshot == nil {
		return nil
	}
	return p.Verify(w.mod.Module, w.mod.Sum, w.mod.GoModSum, e)
}

// log says why a version was not checked.
func (w *witness) log(why string) {
	w.h.log.Info("served without the word of the checksum database", "module", w.mod.Module.Path, "version", w.mod.Module.Version, "reason", why)
}

// attest verifies a record that is in the cache, with the tile in the snapshot
// or in the cache. It is sumdb.ErrNoTile if neither has a tile that is good.
func (s *checksums) attest(snap *sumdb.Snapshot, m *artifact.Manifest, record []byte) error {
	_, err := s.recall(snap, m.Module, m.Sum, m.GoModSum, record)
	return err
}

// recall is attest, and returns the evidence.
func (s *checksums) recall(snap *sumdb.Snapshot, m module.Version, zipSum, modSum string, record []byte) (sumdb.Evidence, error) {
	e, err := sumdb.ParseEvidence(s.log, record, nil)
	if err == nil {
		err = snap.Verify(m, zipSum, modSum, e)
	}
	if !errors.Is(err, sumdb.ErrNoTile) {
		return e, err
	}
	if e.Tile = s.files.tile(e.TileIndex()); e.Tile == nil {
		return e, err
	}
	verified := snap.Verify(m, zipSum, modSum, e)
	if errors.Is(verified, artifact.ErrCorrupt) && snap.CheckTile(e.TileIndex(), e.Tile) != nil {
		s.files.dropTile(e.TileIndex()) // changed on disk
		return e, err
	}
	return e, verified
}
