package sumdb

import (
	"bytes"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Tile returns the hashes of a tile, at any width up to what the head covers.
// The result is not to be modified. Errors match [ErrBadTile], [ErrBeyondHead], or
// [ErrNoTile] for a level-0 tile that is neither in the edge nor in the frontier;
// [Snapshot.TileFrom] answers with one kept elsewhere.
func (s *Snapshot) Tile(t tlog.Tile) ([]byte, error) {
	if err := checkTile(t); err != nil {
		return nil, err
	}
	if t.L > 0 {
		return s.spine.Tile(t)
	}
	if err := s.covers(t); err != nil {
		return nil, err
	}
	tile, ok := s.level0(t.N)
	if !ok {
		return nil, tileError(t, ErrNoTile)
	}
	data, _ := prefix(tile, t.W) // covers
	return data, nil
}

// TileFrom returns the hashes of a level-0 tile, given the full tile as it was
// kept with some module version. Besides the errors of [Snapshot.Tile], but never
// ErrNoTile, there is [artifact.ErrCorrupt] when full is not the log's tile.
func (s *Snapshot) TileFrom(t tlog.Tile, full []byte) ([]byte, error) {
	if err := checkTile(t); err != nil {
		return nil, err
	}
	if t.L != 0 {
		return nil, tileError(t, ErrBadTile)
	}
	if err := s.covers(t); err != nil {
		return nil, err
	}
	if err := s.CheckTile(t.N, full); err != nil {
		return nil, err
	}
	data, _ := prefix(full, t.W) // full is
	return data, nil
}

// CheckTile checks that full is the log's full level-0 tile n: that it hashes to
// the spine's hash or, where the head is inside the tile, that it begins with the
// edge. (What follows the edge is newer than the head and not checked.) Errors
// match [ErrBeyondHead] or [artifact.ErrCorrupt].
func (s *Snapshot) CheckTile(n int64, full []byte) error {
	t := fullTile(n)
	switch {
	case len(full) != TileSize:
		return corrupt("%s of %s: %d bytes instead of %d", t.Path(), s.log.Name(), len(full), TileSize)
	case n < 0 || n > s.spine.Len() || n == s.spine.Len() && len(s.edge) == 0:
		return tileError(t, ErrBeyondHead)
	case n == s.spine.Len() && !bytes.HasPrefix(full, s.edge):
		return corrupt("%s of %s does not begin with the hashes of the signed log", t.Path(), s.log.Name())
	case n < s.spine.Len() && hashTile(full) != s.spine.Hash(n):
		return corrupt("%s of %s has not the hash it has in the signed log", t.Path(), s.log.Name())
	}
	return nil
}

// covers checks that the log has the level-0 tile t at the snapshot's head.
func (s *Snapshot) covers(t tlog.Tile) error {
	if t.N >= s.spine.Len() && (t.N > s.spine.Len() || t.W*tlog.HashSize > len(s.edge)) {
		return tileError(t, ErrBeyondHead)
	}
	return nil
}

// level0 returns the widest version of the level-0 tile n held by the snapshot.
func (s *Snapshot) level0(n int64) ([]byte, bool) {
	if n == s.spine.Len() {
		return s.edge, true
	}
	return s.frontier.tile(n)
}

// A hashReader is a tlog.HashReader over the tiles of a snapshot.
type hashReader struct{ s *Snapshot }

// ReadHashes implements tlog.HashReader.
func (r hashReader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		t := tlog.TileForIndex(TileHeight, x)
		data, err := r.s.Tile(t)
		if err != nil {
			return nil, err
		}
		if hashes[i], err = tlog.HashFromTile(t, data, x); err != nil {
			return nil, err
		}
	}
	return hashes, nil
}

func tileError(t tlog.Tile, err error) error {
	return fmt.Errorf("%s: %w", t.Path(), err)
}
