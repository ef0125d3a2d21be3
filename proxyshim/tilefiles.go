package proxyshim

import (
	"context"
	"os"
	"sync"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry/verify"
)

// tileFile returns where the full level-0 tile n is kept.
func (f *snapshotFiles) tileFile(n int64) string { return f.cache.Path(f.log.TileEntry(n)) }

// tile returns the full level-0 tile n, unverified, or nil if it is not here.
func (f *snapshotFiles) tile(n int64) []byte {
	name := f.tileFile(n)
	fi, err := os.Stat(name)
	if err != nil || fi.Size() != sumdb.TileSize {
		return nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	f.cache.Touch(name, fi.ModTime()) // by which it is evicted
	return data
}

// keepTile keeps the tile of e, which s has verified. An incomplete one is in s, and a
// complete one that s knows only the beginning of may be wrong in its end.
func (f *snapshotFiles) keepTile(s *sumdb.Snapshot, e sumdb.Evidence) error {
	n := e.TileIndex()
	if e.Tile == nil || n >= s.Head().N>>sumdb.TileHeight {
		return nil
	}
	name := f.tileFile(n)
	if err := f.cache.WriteFile(name, e.Tile, false); err != nil {
		return err
	}
	f.cache.Touch(name, time.Time{})
	return nil
}

// dropTile removes a tile that is not the log's.
func (f *snapshotFiles) dropTile(n int64) { _ = f.cache.Remove(f.tileFile(n)) }

// tileIndexes are those of all stores, as they were read last. They are read when a tile is asked for that nobody here knows.
type tileIndexes struct {
	mu      sync.Mutex
	list    []sumdb.TileIndex
	checked time.Time
}

func (x *tileIndexes) find(n int64) (m module.Version, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, index := range x.list {
		if m, ok = index.Find(n); ok {
			return m, true
		}
	}
	return m, false
}

// tileOwner returns a version in a store that has the level-0 tile n, as the stores' tile indexes say: so that every one of
// several shims answers for every tile, whichever of them answered the lookup. They are asked again, but not often, for a
// tile that is in none.
func (h *Handler) tileOwner(ctx context.Context, n int64) (m module.Version, ok bool, err error) {
	x := &h.sums.indexes
	if m, ok := x.find(n); ok {
		return m, true, nil
	}
	x.mu.Lock()
	due := h.age(x.checked) >= snapshotRetry
	x.mu.Unlock()
	if due {
		_, err := share(ctx, h, "tile index", func(ctx context.Context) (struct{}, error) {
			return struct{}{}, h.readTileIndexes(ctx)
		})
		if err != nil {
			return m, false, err
		}
	}
	m, ok = x.find(n)
	return m, ok, nil
}

// readTileIndexes reads those of all stores. The error is that of one that does not answer.
func (h *Handler) readTileIndexes(ctx context.Context) error {
	var list []sumdb.TileIndex
	for _, store := range h.stores.Stores() {
		found, err := store.TileIndexes(ctx, h.sums.log, h.policy())
		switch h.classify(store, err) {
		case verify.Accepted, verify.Absent:
		case verify.Unavailable:
			return err
		default:
			h.log.Warn("a tile index cannot be read", "log", h.sums.log.Name(), "store", store.String(), "error", err)
		}
		list = append(list, found...)
	}
	x := &h.sums.indexes
	x.mu.Lock()
	defer x.mu.Unlock()
	x.checked = h.now()
	if len(list) > 0 { // what no store gives now is none the worse
		x.list = list
	}
	return nil
}
