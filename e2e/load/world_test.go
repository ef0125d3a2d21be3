package load

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/dirhash"

	"github.com/modferry/modferry/artifact/sumdb"
)

func newWorld(t *testing.T) *World {
	t.Helper()
	w, err := NewWorld(300, 7, 1<<16)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestTheLogOfAWorldProvesItsVersions(t *testing.T) {
	w := newWorld(t)
	snapshot, tiles, err := w.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 1, 6, 7, 150, 299} {
		a, layer, err := w.Artifact(i)
		if err != nil {
			t.Fatal(err)
		}
		meta, ok, err := a.Manifest.InlineMeta()
		if err != nil || !ok {
			t.Fatalf("%d: %v, %v", i, ok, err)
		}
		files, err := a.Manifest.ReadMeta(bytes.NewReader(meta))
		if err != nil {
			t.Fatal(err)
		}
		e, err := sumdb.ParseEvidence(w.Log, files.SumDB, files.Tiles)
		if err == nil {
			err = snapshot.Verify(w.Version(i), a.Manifest.Sum, a.Manifest.GoModSum, e)
		}
		if err != nil {
			t.Errorf("%s: %v", w.Version(i), err)
		}
		if (layer == nil) != ModOnly(i) || tiles[e.TileIndex()].Path == "" {
			t.Errorf("%s: layer of %d bytes, tile of %v", w.Version(i), len(layer), tiles[e.TileIndex()])
		}
	}
}

func TestSumsAreThoseOfTheZip(t *testing.T) {
	w := newWorld(t)
	data, err := w.zip(42)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "z.zip")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	sum, err := dirhash.HashZip(name, dirhash.Hash1)
	if err != nil || sum != w.records[42].zip {
		t.Errorf("%s, %v; recorded: %s", sum, err, w.records[42].zip)
	}
}

func TestPathsOfModules(t *testing.T) {
	w := newWorld(t)
	for m := range w.Modules() {
		if got, ok := w.parsePath(w.Path(m)); !ok || got != m {
			t.Errorf("%s: %d, %v", w.Path(m), got, ok)
		}
	}
	for _, path := range []string{"", "example.com/team0/lib", "example.com/team0/lib43", "example.com/team1/lib0", "example.com/team0/lib-1", "example.com/team0/lib007"} {
		if m, ok := w.parsePath(path); ok {
			t.Errorf("%q: %d", path, m)
		}
	}
}
