package proxyshim

import (
	"context"
	"sync"
	"time"

	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry/verify"
	"golang.org/x/mod/module"
)

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
