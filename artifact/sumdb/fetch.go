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

// defaultJobs is the number of fetches at the same time.
const defaultJobs = 8

// jobsOr returns the number of fetches at the same time that an option stands for.
func jobsOr(jobs int) int {
	if jobs <= 0 {
		return defaultJobs
	}
	return jobs
}

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

// A fetcher fetches each tile once, several at a time.
type fetcher struct {
	fetch    TileFunc
	jobs     int
	progress func(done, total int)

	mu          sync.Mutex
	tiles       map[tlog.Tile][]byte
	done, total int
}

func newFetcher(fetch TileFunc, o BuildOptions) *fetcher {
	return &fetcher{fetch: fetch, jobs: jobsOr(o.Jobs), progress: o.Progress, tiles: make(map[tlog.Tile][]byte)}
}

// run does the jobs.
func (f *fetcher) run(ctx context.Context, jobs []job) error {
	f.expect(jobs)
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(f.jobs)
	for _, j := range jobs {
		if groupCtx.Err() != nil {
			break // a job failed: do not start the others
		}
		g.Go(func() error {
			data, err := f.get(groupCtx, j.tile)
			copy(j.dst, data)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// expect adds to the total the jobs that are not done yet.
func (f *fetcher) expect(jobs []job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range jobs {
		if _, ok := f.tiles[j.tile]; !ok {
			f.total++
		}
	}
}

// get returns a tile that was expected.
func (f *fetcher) get(ctx context.Context, t tlog.Tile) ([]byte, error) {
	f.mu.Lock()
	data, ok := f.tiles[t]
	f.mu.Unlock()
	if ok {
		return data, nil
	}
	data, err := fetchTile(ctx, f.fetch, t)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tiles[t] = data
	f.done++
	if f.progress != nil {
		f.progress(f.done, f.total)
	}
	return data, nil
}

// A tileReader lets tlog read tiles through a fetcher. It remembers the error of
// fetching, to tell it from tlog's own, which are about content.
type tileReader struct {
	ctx     context.Context
	fetcher *fetcher
	err     error
}

// Height is the height of the log's tiles.
func (r *tileReader) Height() int { return TileHeight }

// ReadTiles fetches tiles in parallel, within the bounds of the build.
func (r *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	jobs := make([]job, len(tiles))
	data := make([][]byte, len(tiles))
	for i, t := range tiles {
		data[i] = make([]byte, t.W*tlog.HashSize)
		jobs[i] = job{tile: t, dst: data[i]}
	}
	r.err = r.fetcher.run(r.ctx, jobs)
	return data, r.err
}

// SaveTiles does nothing: tiles are kept only as long as a build takes.
func (r *tileReader) SaveTiles([]tlog.Tile, [][]byte) {}
