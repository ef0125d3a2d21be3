package mirror

import (
	"context"
	"errors"
	"fmt"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
)

// lacksEvidence reports whether a version has to be completed.
func (r *runner) lacksEvidence(ctx context.Context, j *job, have *registry.Module) (bool, error) {
	if _, err := artifact.EvidenceTag(j.Module.Version); err != nil || !j.public || r.DryRun {
		return false, nil // a version that long cannot be
	}
	meta, err := j.store.Meta(ctx, have)
	if err != nil || meta.SumDB != nil {
		if err == nil {
			j.tile = r.tileOf(meta.SumDB, meta.Tiles)
		}
		return false, err
	}
	var v sign.Verifier = sign.SkipVerify{}
	if r.Signer != nil {
		v = r.Signer.Verifier()
	}
	record, tiles, err := j.store.Evidence(ctx, have, meta, v)
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, sign.ErrUnsigned) || errors.Is(err, sign.ErrUntrusted) {
		return true, nil
	}
	if err == nil {
		j.tile = r.tileOf(record, tiles)
	}
	return false, err
}

// tileOf returns the complete level-0 tile among evidence, negative if there is none.
func (r *runner) tileOf(record []byte, tiles map[string][]byte) int64 {
	e, err := sumdb.ParseEvidence(r.Checksums.Log, record, tiles)
	if err != nil || e.Tile == nil {
		return -1
	}
	return e.TileIndex()
}

// evidence captures what the database says about a version: nil if it must not be asked.
func (r *runner) evidence(ctx context.Context, j *job) (*artifact.Evidence, error) {
	switch {
	case !j.public:
		return nil, nil
	case j.lookupFail != nil:
		return nil, j.lookupFail
	case r.headErr != nil:
		return nil, fmt.Errorf("checking %s: %w", j.Module, r.headErr)
	}
	captured, err := r.head.capture(ctx, j.Module, j.lookup)
	if err != nil {
		return nil, err
	}
	e := &artifact.Evidence{Module: j.Module}
	if e.Record, err = captured.Record.Format(); err != nil {
		return nil, err
	}
	if captured.Tile != nil {
		e.Tiles = map[string][]byte{r.Checksums.Log.TileEntry(captured.TileIndex()): captured.Tile}
	}
	return e, nil
}
