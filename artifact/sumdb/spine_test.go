package sumdb

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"runtime"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact"
)

// opened are the blobs of a snapshot that was opened, and what happens to them.
type opened struct {
	*stored
	parts, reads int
	damage       func(p []byte) error // nil: none
}

func (o *opened) readBlob(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
	o.reads++
	return o.read(ctx, d)
}

func (o *opened) part(d ocispec.Descriptor, p []byte, off int64) error {
	o.parts++
	copy(p, o.blobs[d.Digest.String()][off:])
	if o.damage != nil {
		return o.damage(p)
	}
	return nil
}

// The public log has 17 whole chunks, and a rest, in its spine.
func openSynthetic(t *testing.T) (whole, s *Snapshot, o *opened) {
	t.Helper()
	whole, l := synthetic(t, 0)
	o = &opened{stored: store(t, whole)}
	read := func(ctx context.Context, d ocispec.Descriptor) ([]byte, error) { return o.read(ctx, d) }
	s, err := Open(t.Context(), l.Log, o.manifest, read, o.part)
	if err != nil {
		t.Fatal(err)
	}
	s.spine.read = o.readBlob
	return whole, s, o
}

func TestOpenedSnapshotHasTheSameTiles(t *testing.T) {
	whole, s, o := openSynthetic(t)
	tiles := []tlog.Tile{{L: 0, N: realSize / TileWidth, W: 200}, {L: 2, N: 3, W: 256}, {L: 3, N: 0, W: 4}}
	for n := range whole.spine.size / TileSize {
		tiles = append(tiles, tlog.Tile{L: 1, N: n, W: int(n%TileWidth) + 1})
	}
	tiles = append(tiles, tlog.Tile{L: 1, N: whole.spine.size / TileSize, W: int(whole.spine.size%TileSize) / tlog.HashSize})
	for _, tile := range tiles {
		tile.H = TileHeight
		want, err1 := whole.Tile(tile)
		got, err2 := s.Tile(tile)
		if err1 != nil || err2 != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s: %d bytes, errors %v and %v", tile.Path(), len(got), err1, err2)
		}
	}
	if o.parts == 0 || o.reads > 0 {
		t.Errorf("%d parts and %d blobs were read, want no blob", o.parts, o.reads)
	}
	if _, err := s.Pack(); !errors.Is(err, errApart) {
		t.Errorf("Pack: %v, want %v", err, errApart)
	}
}

func TestOpenedSnapshotReadsABlobAgainThatChanged(t *testing.T) {
	whole, s, o := openSynthetic(t)
	tile := tlog.Tile{H: TileHeight, L: 1, N: 100, W: 256}
	want, err := whole.Tile(tile)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func([]byte) error{
		"changed": func(p []byte) error { p[5000]++; return nil },
		"gone":    func([]byte) error { return fs.ErrNotExist },
	} {
		o.damage, o.reads = damage, 0
		if got, err := s.Tile(tile); err != nil || !bytes.Equal(got, want) || o.reads != 1 {
			t.Errorf("%s: error %v, %d blobs read, want the tile out of one", name, err, o.reads)
		}
		d := s.spine.apart[tile.N*TileSize/ChunkSize]
		kept := o.blobs[d.Digest.String()]
		o.blobs[d.Digest.String()] = make([]byte, len(kept))
		full := make([]byte, TileSize)
		if got, err := s.Tile(tile); err == nil {
			t.Errorf("%s, and so is the blob: a tile of %d bytes all the same", name, len(got))
		}
		if err := s.CheckTile(tile.N*TileWidth, full); err == nil || errors.Is(err, artifact.ErrCorrupt) {
			t.Errorf("%s, and so is the blob: %v, want an error that does not say that the level-0 tile is wrong", name, err)
		}
		o.blobs[d.Digest.String()] = kept
	}
}

func TestOpenedSnapshotIsSmall(t *testing.T) {
	whole, l := synthetic(t, 0)
	o := &opened{stored: store(t, whole)}
	before := heapInUse()
	s, err := Open(t.Context(), l.Log, o.manifest, o.read, o.part)
	if err != nil {
		t.Fatal(err)
	}
	if got := heapInUse() - before; got > 1<<20 {
		t.Errorf("%d bytes are in memory, want at most 1 MiB; the spine has %d", got, whole.spine.size)
	}
	runtime.KeepAlive(s)
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
