package cache

import (
	"errors"
	"io"
	"os"
	"testing"

	"github.com/modferry/modferry/artifact/goproxy"
)

func TestASmallFileThatIsAskedForAgainIsKeptInMemoryOnceItsDigestIsChecked(t *testing.T) {
	const goMod = "module example.com/lib\n"
	for name, test := range map[string]struct {
		asked  int // for its go.mod, before
		change func(t *testing.T, file string)
		want   error
	}{
		"asked for once, then removed":  {1, func(t *testing.T, file string) { check(t, os.Remove(file)) }, ErrUnverified},
		"asked for twice, then removed": {2, func(t *testing.T, file string) { check(t, os.Remove(file)) }, nil},
		"changed under its time and size before it is kept": {1, func(t *testing.T, file string) {
			fi, err := os.Stat(file)
			check(t, err)
			check(t, os.WriteFile(file, []byte("module example.com/bad\n"), 0o644))
			check(t, os.Chtimes(file, fi.ModTime(), fi.ModTime()))
		}, ErrUnverified},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := open(t, dir)
			_, err := c.Put(&Verdict{Confirmation: Confirmation{Module: lib, Store: store, Verifier: verifier}}, []byte("{}"), []byte(goMod))
			check(t, err)
			c.Close() // from now on they are in their files
			e := c.Get(lib)
			for range test.asked {
				_, _, err := c.Open(e, goproxy.Mod)
				check(t, err)
			}
			test.change(t, e.file+modExt)
			f, _, err := c.Open(e, goproxy.Mod)
			if !errors.Is(err, test.want) {
				t.Fatalf("%v, want %v", err, test.want)
			}
			if err == nil {
				if content, err := io.ReadAll(f); err != nil || string(content) != goMod {
					t.Errorf("%q, %v", content, err)
				}
			}
		})
	}
}
