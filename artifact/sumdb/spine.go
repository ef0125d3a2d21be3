package sumdb

import (
	"crypto/sha256"

	"golang.org/x/mod/sumdb/tlog"
)

// A Spine holds every hash of a log at tile level 1 and above. It is immutable.
//
// It is made from the hashes at tile level 1, one for each full level-0 tile,
// and says nothing about whether they are right: a root hash does.
type Spine struct {
	levels [][]byte // levels[i] has the hashes at tile level i+1, concatenated
}

// NewSpine computes the spine above the given hashes at tile level 1. It keeps
// the slice, which must not be modified afterwards. The error matches
// [artifact.ErrCorrupt].
func NewSpine(hashes []byte) (*Spine, error) {
	if len(hashes)%tlog.HashSize != 0 {
		return nil, corrupt("spine: %d bytes are no whole number of hashes", len(hashes))
	}
	s := &Spine{levels: [][]byte{hashes}}
	for len(hashes) >= TileSize {
		hashes = hashTiles(hashes)
		s.levels = append(s.levels, hashes)
	}
	return s, nil
}

// Len returns the number of hashes at tile level 1.
func (s *Spine) Len() int64 { return int64(len(s.levels[0]) / tlog.HashSize) }

// Bytes returns the hashes at tile level 1, not to be modified.
func (s *Spine) Bytes() []byte { return s.levels[0] }

// Hash returns the hash of the full level-0 tile n. The spine must have it.
func (s *Spine) Hash(n int64) tlog.Hash {
	return tlog.Hash(s.levels[0][n*tlog.HashSize:][:tlog.HashSize])
}

// Tile returns the hashes of a tile of level 1 or above, not to be modified.
// Errors match [ErrBadTile], or [ErrBeyondHead] if the spine ends before the tile does.
func (s *Spine) Tile(t tlog.Tile) ([]byte, error) {
	if err := checkTile(t); err != nil {
		return nil, err
	}
	if t.L == 0 {
		return nil, tileError(t, ErrNoTile)
	}
	if t.L > len(s.levels) {
		return nil, tileError(t, ErrBeyondHead)
	}
	level := s.levels[t.L-1]
	if t.N > int64(len(level)/TileSize) {
		return nil, tileError(t, ErrBeyondHead)
	}
	data, ok := prefix(level[t.N*TileSize:], t.W)
	if !ok {
		return nil, tileError(t, ErrBeyondHead)
	}
	return data, nil
}

// checkTile checks that t is a hash tile of the height served.
func checkTile(t tlog.Tile) error {
	if t.H != TileHeight || t.L < 0 || t.N < 0 || t.W < 1 || t.W > TileWidth {
		return tileError(t, ErrBadTile)
	}
	return nil
}

// prefix returns the first w hashes of a tile, if it has that many.
func prefix(tile []byte, w int) ([]byte, bool) {
	n := w * tlog.HashSize
	if len(tile) < n {
		return nil, false
	}
	return tile[:n:n], true
}

// hashTiles returns the hashes of the full tiles in a level, leaving out the
// partial tile at its end.
func hashTiles(level []byte) []byte {
	n := len(level) / TileSize
	hashes := make([]byte, 0, n*tlog.HashSize)
	for i := range n {
		h := hashTile(level[i*TileSize:][:TileSize])
		hashes = append(hashes, h[:]...)
	}
	return hashes
}

// hashTile returns the hash of the subtree above a full tile, as tlog does it,
// with one SHA-256 and no allocation per node.
func hashTile(tile []byte) tlog.Hash {
	const pair = 2 * tlog.HashSize
	var nodes [TileSize / 2]byte // the level being computed
	var buf [1 + pair]byte
	buf[0] = 0x01 // RFC 6962: an interior node
	below := tile
	for len(below) > tlog.HashSize {
		n := len(below) / pair
		for i := range n {
			copy(buf[1:], below[i*pair:][:pair])
			h := sha256.Sum256(buf[:])
			copy(nodes[i*tlog.HashSize:], h[:])
		}
		below = nodes[:n*tlog.HashSize]
	}
	return tlog.Hash(below)
}
