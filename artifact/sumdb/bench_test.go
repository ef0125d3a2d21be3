package sumdb

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sumdb/sumdbtest"
)

// realSize is about the size of the public log.
const realSize = 72_000_000 + 200

// synthetic is a log of the real size, with random hashes at level 1, and earlier heads every day of a year if
// years is 1. It is not checked.
func synthetic(b testing.TB, years int) (*Snapshot, *testLog) {
	b.Helper()
	l := newTestLog(b, 0, "", 0)
	r := rand.NewChaCha8([32]byte{2})
	frontierTile := make([]byte, TileSize)
	r.Read(frontierTile)
	hash := hashTile(frontierTile)
	days := int64(365 * years)
	earlier := make([]Head, days)
	for day := range days {
		earlier[day].N = (realSize>>TileHeight-(days-day)*470)<<TileHeight + 100
	}
	s := newSnapshot(l.Log, Head{Tree: tlog.Tree{N: realSize}}, earlier)
	s.spine.held = make([]byte, s.spine.size)
	r.Read(s.spine.held)
	r.Read(s.edge)
	for _, index := range s.frontier.indexes {
		// Every tile of the frontier is the same one, at another place.
		copy(s.spine.held[index*tlog.HashSize:], hash[:])
		tile, _ := s.frontier.tile(index)
		copy(tile, frontierTile)
	}
	s.levels[0] = hashTiles(s.spine.held)
	if err := s.check(); !errors.Is(err, artifact.ErrCorrupt) { // the root is still to come
		b.Fatal(err)
	}
	for i := range earlier {
		earlier[i] = syntheticHead(b, l, s, earlier[i].N)
	}
	s.head = syntheticHead(b, l, s, realSize)
	return s, l
}

func syntheticHead(b testing.TB, l *testLog, s *Snapshot, n int64) Head {
	b.Helper()
	hash, err := tlog.TreeHash(n, hashReader{s})
	if err != nil {
		b.Fatal(err)
	}
	h, err := l.OpenHead(sumdbtest.Sign(b, string(tlog.FormatTree(tlog.Tree{N: n, Hash: hash}))))
	if err != nil {
		b.Fatal(err)
	}
	return h
}

// BenchmarkSpineAndRoot is to stay under 100 ms for a log of 72 million records.
func BenchmarkSpineAndRoot(b *testing.B) {
	s, _ := synthetic(b, 0)
	for b.Loop() {
		s.levels[0] = hashTiles(s.spine.held)
		if err := s.check(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSnapshot checks the heads of a year, too.
func BenchmarkSnapshot(b *testing.B) {
	s, _ := synthetic(b, 1)
	for b.Loop() {
		if err := s.check(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead is what a shim does once it has the blobs: digests, 365 signatures, spine, root, frontier.
func BenchmarkRead(b *testing.B) {
	s, l := synthetic(b, 1)
	if err := s.check(); err != nil {
		b.Fatal(err)
	}
	st := store(b, s)
	for b.Loop() {
		if _, err := Read(b.Context(), l.Log, st.manifest, st.read); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(st.layers)), "blobs")
}

// BenchmarkBuildFromNothing leaves out the network.
func BenchmarkBuildFromNothing(b *testing.B) {
	s, l := synthetic(b, 1)
	tiles := 0
	o := BuildOptions{Progress: func(done, _ int) { tiles = done }}
	fetch := func(_ context.Context, t tlog.Tile) ([]byte, error) { return s.Tile(t) }
	for b.Loop() {
		if _, err := Build(b.Context(), l.Log, s.head.Note, fetch, o); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(tiles), "tiles")
}

func BenchmarkPack(b *testing.B) {
	s, _ := synthetic(b, 1)
	for b.Loop() {
		if _, err := s.Pack(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTile(b *testing.B) {
	s := bigLog().build(b, 132000, BuildOptions{})
	t, err := tlog.ParseTilePath("tile/8/1/002.p/3")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Tile(t); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	l := bigLog()
	s := l.build(b, 132000, BuildOptions{})
	e := l.capture(b, s, 5000)[l.module(5000)]
	for b.Loop() {
		if _, err := s.Lookup(e); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerify is what the shim does for each module version.
func BenchmarkVerify(b *testing.B) {
	l := bigLog()
	s := l.build(b, 132000, BuildOptions{})
	m := l.module(5000)
	zip, mod := l.sums(5000)
	e := l.capture(b, s, 5000)[m]
	for b.Loop() {
		if err := s.Verify(m, zip, mod, e); err != nil {
			b.Fatal(err)
		}
	}
}
