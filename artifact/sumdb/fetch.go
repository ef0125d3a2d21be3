package sumdb

import (
	"context"
	"sync"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"
)

// A TileFunc fetches a tile of a log: exactly t.W hashes, which need not be right.
// It may be called concurrently. Retries are its business.
type TileFunc func(ctx context.Context, t tlog.Tile) ([]byte, error)

// maxJobs is the number of fetches at the same time.
const maxJobs = 8

// fetchTile fetches a tile and checks its size. As the go command does, it takes
// the beginning of the full tile where a partial one is no longer to be had.
func fetchTile(ctx context.Context, fetch TileFunc, t tlog.Tile) ([]byte, error) {
	data, err := fetch(ctx, t)
	if err != nil && t.W < TileWidth && ctx.Err() == nil {
		full := t
		full.W = TileWidth
		if wide, fullErr := fetch(ctx, full); fullErr == nil && len(wide) == TileSize {
			data, err = wide[:t.W*tlog.HashSize], nil
		}
	}
	if err != nil {
		return nil, tileError(t, err)
	}
	if len(data) != t.W*tlog.HashSize {
		return nil, corrupt("%s: %d bytes instead of %d", t.Path(), len(data), t.W*tlog.HashSize)
	}
	return data, nil
}

// A job is a tile to fetch, and where to put it.
type job struct {
	tile tlog.Tile
	dst  []byte
}

func newJob(level int, n int64, dst []byte) job {
	return job{tile: tlog.Tile{H: TileHeight, L: level, N: n, W: len(dst) / tlog.HashSize}, dst: dst}
}

// each calls do for each index below n, maxJobs at the same time, until one fails. It
// reports progress (nil = none) after each, one at a time.
func each(ctx context.Context, n int, progress func(done, total int), do func(ctx context.Context, i int) error) error {
	var mu sync.Mutex
	done := 0
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(maxJobs)
	for i := range n {
		if groupCtx.Err() != nil {
			break
		}
		g.Go(func() error {
			if err := do(groupCtx, i); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			if progress != nil {
				progress(done, n)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// A tileReader lets tlog read tiles of a log.
type tileReader struct {
	ctx   context.Context
	fetch TileFunc
}

// Height implements tlog.TileReader.
func (r tileReader) Height() int { return TileHeight }

// ReadTiles implements tlog.TileReader.
func (r tileReader) ReadTiles(tiles []tlog.Tile) (data [][]byte, err error) {
	data = make([][]byte, len(tiles))
	for i, t := range tiles {
		if data[i], err = fetchTile(r.ctx, r.fetch, t); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// SaveTiles implements tlog.TileReader. It keeps nothing.
func (r tileReader) SaveTiles([]tlog.Tile, [][]byte) {}
