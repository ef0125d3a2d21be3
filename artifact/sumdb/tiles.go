package sumdb

import (
	"bytes"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Tile returns the hashes of a tile, at any width up to what the head covers. The result is not to be modified.
// Errors match [ErrBadTile], [ErrBeyondHead], or [ErrNoTile] for a level-0 tile that is neither in the edge nor in
// the frontier; [Snapshot.TileFrom] answers with one kept elsewhere.
func (s *Snapshot) Tile(t tlog.Tile) ([]byte, error) {
	if err := s.covers(t); err != nil {
		return nil, err
	}
	switch t.L {
	case 0:
		tile, ok := s.level0(t.N)
		if !ok {
			return nil, tileError(t, ErrNoTile)
		}
		return prefix(tile, t), nil
	case 1:
		tile, err := s.spine.tile(t.N)
		if err != nil {
			return nil, tileError(t, err)
		}
		return prefix(tile, t), nil
	default:
		return prefix(s.levels[t.L-2][t.N*TileSize:], t), nil
	}
}

// TileFrom returns the hashes of a level-0 tile, given the full tile as it was kept with some module version. Besides
// the errors of [Snapshot.Tile], but never ErrNoTile, there is [artifact.ErrCorrupt] when full is not the log's tile.
func (s *Snapshot) TileFrom(t tlog.Tile, full []byte) ([]byte, error) {
	if err := s.covers(t); err != nil {
		return nil, err
	}
	if t.L != 0 {
		return nil, tileError(t, ErrBadTile)
	}
	if err := s.CheckTile(t.N, full); err != nil {
		return nil, err
	}
	return prefix(full, t), nil
}

// prefix returns the hashes of a tile that begins with a wider one of its kind.
func prefix(wide []byte, t tlog.Tile) []byte {
	n := t.W * tlog.HashSize
	return wide[:n:n]
}

// CheckTile checks that full is the log's full level-0 tile n: that it hashes to the spine's hash or, where the head
// is inside the tile, that it begins with the edge. (What follows the edge is newer than the head and not checked.)
// Errors match [ErrBeyondHead] or [artifact.ErrCorrupt].
func (s *Snapshot) CheckTile(n int64, full []byte) error {
	if len(full) != TileSize {
		return corrupt("%s of %s: %d bytes instead of %d", fullTile(n).Path(), s.log.Name(), len(full), TileSize)
	}
	if err := s.covers(tlog.Tile{H: TileHeight, N: n, W: 1}); err != nil {
		return err
	}
	if n == s.fullTiles() {
		if !bytes.HasPrefix(full, s.edge) {
			return corrupt("%s of %s does not begin with the hashes of the signed log", fullTile(n).Path(), s.log.Name())
		}
		return nil
	}
	above, err := s.spine.tile(n / TileWidth)
	if err != nil {
		return err
	}
	if hash := hashTile(full); !bytes.Equal(hash[:], above[n%TileWidth*tlog.HashSize:][:tlog.HashSize]) {
		return corrupt("%s of %s has not the hash it has in the signed log", fullTile(n).Path(), s.log.Name())
	}
	return nil
}

// covers checks that t is a hash tile of the height served and that the log has it at the snapshot's head.
func (s *Snapshot) covers(t tlog.Tile) error {
	if t.H != TileHeight || t.L < 0 || t.N < 0 || t.W < 1 || t.W > TileWidth {
		return tileError(t, ErrBadTile)
	}
	hashes := s.head.N >> (TileHeight * min(t.L, 7)) // at that level: none at 5, with MaxRecords
	if t.N > hashes>>TileHeight || t.N<<TileHeight+int64(t.W) > hashes {
		return tileError(t, ErrBeyondHead)
	}
	return nil
}

// fullTiles returns the number of full level-0 tiles, which is that of the hashes at level 1.
func (s *Snapshot) fullTiles() int64 { return s.head.N >> TileHeight }

// level0 returns the widest version of the level-0 tile n held by the snapshot.
func (s *Snapshot) level0(n int64) ([]byte, bool) {
	if n == s.fullTiles() {
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

// hashTiles returns the hashes of the full tiles in a level, leaving out the partial tile at its end.
func hashTiles(level []byte) []byte {
	hashes := make([]byte, 0, len(level)/TileWidth)
	for ; len(level) >= TileSize; level = level[TileSize:] {
		h := hashTile(level[:TileSize])
		hashes = append(hashes, h[:]...)
	}
	return hashes
}

// hashTile returns the hash of the subtree above a full tile, or a half of one, and so on.
func hashTile(tile []byte) tlog.Hash {
	if len(tile) == tlog.HashSize {
		return tlog.Hash(tile)
	}
	half := len(tile) / 2
	return tlog.NodeHash(hashTile(tile[:half]), hashTile(tile[half:]))
}

func tileError(t tlog.Tile, err error) error {
	return fmt.Errorf("%s: %w", t.Path(), err)
}
