package sumdb

import (
	"errors"
	"maps"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
)

func TestATileIndexFindsWhoHasATile(t *testing.T) {
	tiles := map[int64]module.Version{
		0: {Path: "example.com/a", Version: "v1.0.0"}, 7: {Path: "example.com/B", Version: "v2.0.0+incompatible"}, 10: {Path: "example.com/c/v2", Version: "v2.1.0"},
	}
	image, err := NewTileIndex(tiles).Image()
	if err != nil {
		t.Fatal(err)
	}
	list, err := ParseTileIndex(image.Raw)
	if err != nil {
		t.Fatal(err)
	}
	x, err := ReadTileIndex(list.Data)
	if err != nil || !maps.Equal(x.Tiles(), tiles) {
		t.Fatalf("%v, %v", x.Tiles(), err)
	}
	for n := range int64(12) {
		m, ok := x.Find(n)
		if want, there := tiles[n]; ok != there || ok && m != want {
			t.Errorf("tile %d: %v, %v", n, m, ok)
		}
	}
	if _, ok := (TileIndex{}).Find(0); ok {
		t.Error("an empty index has something")
	}
}

func TestTileIndexesThatAreRefused(t *testing.T) {
	for name, list := range map[string]string{
		"no line feed": "1 example.com/a v1.0.0", "no version": "1 example.com/a\n", "no canonical one": "1 example.com/a latest\n",
		"no tile": "x example.com/a v1.0.0\n", "a negative tile": "-1 example.com/a v1.0.0\n", "another form of a number": "01 example.com/a v1.0.0\n",
		"no path": "1 ../a v1.0.0\n", "out of order": "2 example.com/a v1.0.0\n1 example.com/a v1.0.0\n", "twice": "1 example.com/a v1.0.0\n1 example.com/b v1.0.0\n",
		"an empty line": "\n",
	} {
		if _, err := ReadTileIndex([]byte(list)); !errors.Is(err, artifact.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseTileIndex([]byte(`{"schemaVersion":2}`)); !errors.Is(err, artifact.ErrCorrupt) {
		t.Errorf("no tile index: %v", err)
	}
}

func FuzzReadTileIndex(f *testing.F) {
	f.Add([]byte("1 example.com/a v1.0.0\n2 example.com/b v1.0.0\n"), int64(2))
	f.Fuzz(func(t *testing.T, list []byte, n int64) {
		x, err := ReadTileIndex(list)
		if err != nil {
			return
		}
		m, ok := x.Find(n)
		if want, there := x.Tiles()[n]; ok != there || ok && m != want {
			t.Errorf("tile %d: %v, %v, want %v, %v", n, m, ok, want, there)
		}
	})
}
