package cache

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"golang.org/x/mod/module"
)

var lib = module.Version{Path: "example.com/lib", Version: "v1.2.3"}

const (
	store    = "registry.example/golang"
	verifier = "sha256:key"
)

func open(t *testing.T, dir string) *Cache {
	t.Helper()
	c, err := New(Options{Dir: dir, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	check(t, err)
	t.Cleanup(c.Close)
	return c
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsPutIsFoundByOthersUnlessItIsNotWhatWasChecked(t *testing.T) {
	for name, test := range map[string]struct {
		store, verifier string
		change          func(t *testing.T, file string) // file is the path of the version's files, without extension
		want            bool
	}{
		"as it was":        {store, verifier, func(*testing.T, string) {}, true},
		"another store":    {"other.example/golang", verifier, func(*testing.T, string) {}, false},
		"another verifier": {store, "sha256:other", func(*testing.T, string) {}, false},
		"a torn go.mod":    {store, verifier, func(t *testing.T, file string) { check(t, os.Truncate(file+modExt, 0)) }, false},
		"a torn verdict":   {store, verifier, func(t *testing.T, file string) { check(t, os.Truncate(file+verdictExt, 20)) }, false},
		"no .info":         {store, verifier, func(t *testing.T, file string) { check(t, os.Remove(file+infoExt)) }, false},
		"go.mod with the same time and size": {store, verifier, func(t *testing.T, file string) {
			fi, err := os.Stat(file + modExt)
			check(t, err)
			check(t, os.WriteFile(file+modExt, []byte("module example.com/bad\n"), 0o644))
			check(t, os.Chtimes(file+modExt, fi.ModTime(), fi.ModTime()))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := open(t, dir)
			e, err := c.Put(&Verdict{Confirmation: Confirmation{Module: lib, Store: store, Verifier: verifier}},
				[]byte("{}"), []byte("module example.com/lib\n"))
			check(t, err)
			c.Close()
			test.change(t, e.file)
			if got := open(t, dir).Find(lib, test.store, test.verifier); (got != nil) != test.want {
				t.Errorf("found %+v, want something: %v", got, test.want)
			}
		})
	}
}
