package snapshots

import (
	"os"
	"time"

	"github.com/modferry/modferry/artifact/sumdb"
)

// tileFile returns where the full level-0 tile n is kept.
func (f *Files) tileFile(n int64) string { return f.cache.Path(f.log.TileEntry(n)) }

// Tile returns the full level-0 tile n, unverified, or nil if it is not here.
func (f *Files) Tile(n int64) []byte {
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

// KeepTile keeps the tile of e, which s has verified. An incomplete one is in s, and a
// complete one that s knows only the beginning of may be wrong in its end.
func (f *Files) KeepTile(s *sumdb.Snapshot, e sumdb.Evidence) error {
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

// DropTile removes a tile that is not the log's.
func (f *Files) DropTile(n int64) { _ = f.cache.Remove(f.tileFile(n)) }
