package mirror

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry/upstream"
)

// prove checks that a head that is older than the run's, but was never published, is of the same log: then it is an
// old answer out of some cache. Otherwise the log has shrunk, for all one can tell.
func (p *treeHead) prove(ctx context.Context, older sumdb.Head) error {
	tiles := &provenTiles{ctx: ctx, snapshot: p.snapshot, fetch: p.sums.Tile}
	hash, err := tlog.TreeHash(older.N, tlog.TileHashReader(p.head.Tree, tiles))
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, upstream.ErrUpstream):
		return fmt.Errorf("comparing two tree heads of the checksum database %s: %w", p.sums.Name(), err)
	case err != nil:
		return &sumdb.HistoryError{Log: p.sums.Name(), Old: p.head, New: older, Err: sumdb.ErrShrunk}
	case hash != older.Hash:
		return &sumdb.HistoryError{Log: p.sums.Name(), Old: p.head, New: older, Err: sumdb.ErrForked}
	}
	return nil
}

// provenTiles lets tlog read the tiles of a snapshot, and from the database
// those at level 0 that the snapshot does not hold.
type provenTiles struct {
	ctx      context.Context // tlog has none to give
	snapshot *sumdb.Snapshot
	fetch    sumdb.TileFunc
}

// Height implements tlog.TileReader.
func (r *provenTiles) Height() int { return sumdb.TileHeight }

// ReadTiles implements tlog.TileReader.
func (r *provenTiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, t := range tiles {
		var err error
		data[i], err = r.snapshot.Tile(t)
		if errors.Is(err, sumdb.ErrNoTile) {
			full := t
			full.W = sumdb.TileWidth
			if data[i], err = r.fetch(r.ctx, full); err == nil {
				data[i], err = r.snapshot.TileFrom(t, data[i])
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return data, nil
}

// SaveTiles implements tlog.TileReader; there is nowhere to save them.
func (r *provenTiles) SaveTiles([]tlog.Tile, [][]byte) {}
