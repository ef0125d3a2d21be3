package cache

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

func openLimited(t *testing.T, dir string, limit int64) *Cache {
	t.Helper()
	c, err := New(Options{Dir: dir, Max: limit, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	check(t, err)
	t.Cleanup(c.Close)
	return c
}

// fill puts the i-th version, with a go.mod of so many bytes.
func fill(t *testing.T, c *Cache, i, size int) *Entry {
	t.Helper()
	m := module.Version{Path: "example.com/lib", Version: fmt.Sprintf("v1.0.%d", i)}
	v := &Verdict{Confirmation: Confirmation{Module: m, Store: store, Verifier: verifier}, Sum: "h1:zip", ZipLayer: &ocispec.Descriptor{}}
	e, err := c.Put(v, []byte("{}"), make([]byte, size))
	check(t, err)
	return e
}

func sizeOf(t *testing.T, dir string) (total int64) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		total += fi.Size()
		return err
	}))
	return total
}

func TestProcessesThatShareADirectoryKeepToOneLimit(t *testing.T) {
	dir := t.TempDir()
	const limit = 1 << 20
	a, b := openLimited(t, dir, limit), openLimited(t, dir, limit)
	a.Close() // both have looked at the empty directory
	b.Close()
	for i := range 90 {
		c := a
		if i%2 == 1 {
			c = b
		}
		fill(t, c, i, limit/60)
		c.Close()
	}
	if size := sizeOf(t, dir); size > limit/100*(100+scanShare)+limit/60 {
		t.Errorf("%d bytes, and the limit is %d", size, limit)
	}
}

func TestAZipThatAKilledProcessLeftIsEvicted(t *testing.T) {
	dir := t.TempDir()
	left := openLimited(t, dir, 0).Path("example.com/gone/@v/v1.0.0.zip")
	check(t, os.MkdirAll(filepath.Dir(left), 0o755))
	check(t, os.WriteFile(left, make([]byte, 1<<20), 0o644))
	old := time.Now().Add(-2 * tempAge)
	check(t, os.Chtimes(left, old, old))
	openLimited(t, dir, 1<<19).Close()
	if exists(left) {
		t.Error("it is there for ever, and all else is evicted for it")
	}
}

// The pending write finds it gone; what is on disk then vouches for nothing that is not there.
func TestWhatIsEvictedBeforeItIsWrittenIsGone(t *testing.T) {
	dir := t.TempDir()
	c := openLimited(t, dir, 0)
	fill(t, c, 0, 100)
	c.Close()
	release := hold(c)
	e := fill(t, c, 0, 200) // the next manifest of the same version
	check(t, c.evictOne(evictable{file: e.file, module: e.Module}))
	release()
	for _, again := range []*Cache{c, open(t, dir)} {
		if found := again.Find(e.Module, store, verifier); found != nil {
			t.Errorf("found %+v", found)
		}
	}
	e = fill(t, c, 0, 300)
	c.Close()
	f, _, err := c.Open(c.Get(e.Module), goproxy.Mod)
	check(t, err)
	check(t, f.Close())
}

func TestWhatIsBeingServedIsNotEvicted(t *testing.T) {
	c := open(t, t.TempDir())
	e := fill(t, c, 0, 100)
	c.Close()
	release := c.Hold(e.Module)
	check(t, c.evictOne(evictable{file: e.file, module: e.Module}))
	if c.Get(e.Module) == nil || !exists(e.file+verdictExt) {
		t.Error("it was evicted while it was held")
	}
	release()
	check(t, c.evictOne(evictable{file: e.file, module: e.Module}))
	if c.Get(e.Module) != nil || exists(e.file+verdictExt) {
		t.Error("it was not evicted")
	}
}

func TestWhatIsWrittenWhileTheDirectoryIsLookedThroughCounts(t *testing.T) {
	var u usage
	u.wrote(10)
	_, before := u.now()
	u.wrote(5) // in the directory or not when its turn comes
	if u.counted(10, before) {
		t.Error("it counts as exact")
	}
	if size, written := u.now(); size != 15 || written != 5 {
		t.Errorf("%d bytes, %d of them new", size, written)
	}
	_, before = u.now()
	if !u.counted(15, before) {
		t.Error("nothing was written, and it is not exact")
	}
	u.removed(5)
	if size, written := u.now(); size != 10 || written != 0 {
		t.Errorf("%d bytes, %d of them new", size, written)
	}
}
