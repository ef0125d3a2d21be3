package sumdb

import (
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/sumdb/tlog"
)

// A Snapshot is what a store keeps of a log at one head. It was checked when it
// was made, by [Build] or [Read], is immutable and safe for concurrent use.
type Snapshot struct {
	log      *Log
	head     Head
	spine    spine
	levels   [][]byte // above the spine: levels[i] has all hashes at tile level i+2
	edge     []byte
	earlier  []Head
	frontier frontier
	captured time.Time     // a day in UTC
	previous digest.Digest // "" if unknown
}

// newSnapshot returns a snapshot with these heads, and room for its edge and frontier. It is to be checked once that is
// filled, and there is a spine.
func newSnapshot(log *Log, head Head, earlier []Head) *Snapshot {
	indexes := frontierTiles(head.N, earlier)
	s := &Snapshot{log: log, head: head, earlier: earlier, frontier: frontier{indexes, make([]byte, len(indexes)*TileSize)}}
	s.spine.size = s.fullTiles() * tlog.HashSize
	s.levels = [][]byte{make([]byte, s.spine.size/TileSize*tlog.HashSize)}
	s.edge = make([]byte, head.N%TileWidth*tlog.HashSize)
	return s
}

// check derives the upper levels from the one above the spine, and checks everything that a snapshot promises, but for
// signatures.
func (s *Snapshot) check() error {
	for i, h := range s.earlier {
		if h.N < 1 || h.N >= s.head.N || i > 0 && h.N <= s.earlier[i-1].N {
			return corrupt("checksum snapshot of %s: its earlier heads do not ascend to its head", s.log.Name())
		}
	}
	s.levels = s.levels[:1]
	for top := s.levels[0]; len(top) >= TileSize; s.levels = append(s.levels, top) {
		top = hashTiles(top)
	}
	root, err := tlog.TreeHash(s.head.N, hashReader{s})
	if err != nil {
		return fmt.Errorf("checksum snapshot of %s: %w", s.log.Name(), err)
	}
	if root != s.head.Hash {
		return corrupt("checksum snapshot of %s: the tiles of the log do not hash to the signed root of %d records", s.log.Name(), s.head.N)
	}
	for _, n := range s.frontier.indexes {
		tile, _ := s.frontier.tile(n)
		if err := s.CheckTile(n, tile); err != nil {
			return err
		}
	}
	for _, h := range s.earlier {
		switch s.Compare(h) {
		case Older:
		case Forked:
			return &HistoryError{Log: s.log.Name(), Old: h, New: s.head, Err: ErrForked}
		default:
			return corrupt("checksum snapshot of %s: no tile for its earlier head of %d records", s.log.Name(), h.N)
		}
	}
	return nil
}

// Log returns the log this is a snapshot of.
func (s *Snapshot) Log() *Log { return s.log }

// Head returns the signed head that the snapshot pins.
func (s *Snapshot) Head() Head { return s.head }

// Earlier returns the heads of earlier snapshots, oldest first. A client that
// holds one of them can move on to this snapshot.
func (s *Snapshot) Earlier() []Head { return slices.Clone(s.earlier) }

// Captured returns the day, in UTC, on which the snapshot was made, as far as its
// maker said so; it is not signed by the log. The zero time is an unknown day.
func (s *Snapshot) Captured() time.Time { return s.captured }

// Previous returns the manifest digest of the snapshot that this one was built upon, or "".
func (s *Snapshot) Previous() digest.Digest { return s.previous }

// A Relation is the place of a head in the history of a snapshot.
type Relation int

const (
	// Unproven: the head is older, but was never published with a snapshot that
	// this one knows of. A client that holds it cannot check what lies between.
	Unproven Relation = iota

	// Older: the head describes a prefix of the snapshot's log.
	Older

	// Equal: it is the snapshot's head.
	Equal

	// Newer: the head has more records; the snapshot cannot say more about it.
	Newer

	// Forked: the head contradicts the snapshot's. Both cannot be of one log.
	Forked
)

// String returns the relation in lower case.
func (r Relation) String() string {
	return [...]string{"unproven", "older", "equal", "newer", "forked"}[r]
}

// Compare says what the head h, which must come from OpenHead of the same log, is to the snapshot. A reader that has
// seen h before must refuse a snapshot to which it is Newer (a rollback) or Forked.
func (s *Snapshot) Compare(h Head) Relation {
	if h.N > s.head.N {
		return Newer
	}
	hash, err := tlog.TreeHash(h.N, hashReader{s})
	switch {
	case err != nil:
		return Unproven // the tile that the head ends in is not held
	case hash != h.Hash:
		return Forked
	case h.N == s.head.N:
		return Equal
	}
	return Older
}

// A frontier holds full level-0 tiles.
type frontier struct {
	indexes []int64 // ascending
	tiles   []byte  // concatenated in that order
}

func (f frontier) tile(n int64) ([]byte, bool) {
	i, ok := slices.BinarySearch(f.indexes, n)
	if !ok {
		return nil, false
	}
	return f.tiles[i*TileSize:][:TileSize:TileSize], true
}

// frontierTiles returns the indexes of the tiles that belong into the frontier of
// a log of n records: those that an earlier head ends in and that are full now.
func frontierTiles(n int64, earlier []Head) []int64 {
	var indexes []int64
	for _, h := range earlier {
		if h.N%TileWidth != 0 && h.N>>TileHeight < n>>TileHeight {
			indexes = append(indexes, h.N>>TileHeight)
		}
	}
	slices.Sort(indexes)
	return slices.Compact(indexes)
}
