package sumdb

import (
	"context"
	"math/rand/v2"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact/sumdb/sumdbtest"
)

// realSize is about the size of the public log.
const realSize = 72_000_000 + 200

// syntheticParts is a log of the real size, with random hashes at level 1, and
// earlier heads every day of a year.
func syntheticParts(b *testing.B) (parts, *testLog) {
	b.Helper()
	l := newTestLog(b, 0, "", 0)
	r := rand.NewChaCha8([32]byte{2})
	p := parts{
		log:   l.Log,
		spine: make([]byte, realSize>>TileHeight*tlog.HashSize),
		edge:  make([]byte, realSize%TileWidth*tlog.HashSize),
	}
	r.Read(p.spine)
	r.Read(p.edge)
	frontierTile := make([]byte, TileSize)
	r.Read(frontierTile)
	hash := hashTile(frontierTile)
	for day := range int64(365) {
		// Every tile of the frontier is the same one, at another place.
		index := (realSize >> TileHeight) - (365-day)*470
		copy(p.spine[index*tlog.HashSize:], hash[:])
		p.frontier = append(p.frontier, frontierTile...)
		p.earlier = append(p.earlier, Head{Tree: tlog.Tree{N: index<<TileHeight + 100}})
	}
	spine, err := NewSpine(p.spine)
	if err != nil {
		b.Fatal(err)
	}
	s := &Snapshot{log: l.Log, spine: spine, edge: p.edge, frontier: frontier{frontierTiles(realSize, p.earlier), p.frontier}}
	for i := range p.earlier {
		p.earlier[i] = syntheticHead(b, l, s, p.earlier[i].N)
	}
	p.head = syntheticHead(b, l, s, realSize)
	return p, l
}

func syntheticHead(b *testing.B, l *testLog, s *Snapshot, n int64) Head {
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
	p, _ := syntheticParts(b)
	p.earlier, p.frontier = nil, nil
	for b.Loop() {
		if _, err := newSnapshot(p); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSnapshot checks the heads of a year, too.
func BenchmarkSnapshot(b *testing.B) {
	p, _ := syntheticParts(b)
	for b.Loop() {
		if _, err := newSnapshot(p); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead is what a shim does once it has the blobs: digests, 365 signatures,
// spine, root, frontier.
func BenchmarkRead(b *testing.B) {
	p, l := syntheticParts(b)
	s, err := newSnapshot(p)
	if err != nil {
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
	p, l := syntheticParts(b)
	s, err := newSnapshot(p)
	if err != nil {
		b.Fatal(err)
	}
	tiles := 0
	o := BuildOptions{Progress: func(done, _ int) { tiles = done }}
	fetch := func(_ context.Context, t tlog.Tile) ([]byte, error) { return s.Tile(t) }
	for b.Loop() {
		if _, err := Build(b.Context(), l.Log, p.head.Note, fetch, o); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(tiles), "tiles")
}

func BenchmarkPack(b *testing.B) {
	p, _ := syntheticParts(b)
	s, err := newSnapshot(p)
	if err != nil {
		b.Fatal(err)
	}
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
	b.ReportMetric(float64(e.Size()), "bytes-kept")
}
