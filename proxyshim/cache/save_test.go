package cache

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"runtime"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact/goproxy"
)

// hold makes what c writes wait until the function it returns is called.
func hold(c *Cache) (release func()) {
	held := make(chan struct{})
	_ = c.writer.add(func() error { <-held; return nil }, false)
	return func() { close(held); c.Close() }
}

func put(t *testing.T, c *Cache) *Entry {
	t.Helper()
	e, err := c.Put(&Verdict{
		Confirmation: Confirmation{Module: lib, Store: store, Verifier: verifier},
		Sum:          "h1:zip", ZipLayer: &ocispec.Descriptor{},
	}, []byte("{}"), []byte("module example.com/lib\n"))
	check(t, err)
	return e
}

// addZip adds a zip and returns whether it had to be fetched.
func addZip(t *testing.T, c *Cache, e *Entry) (fetched bool) {
	t.Helper()
	sound := func(file string) error {
		data, err := os.ReadFile(file)
		if err == nil && string(data) != "zip" {
			err = errors.New("another sum")
		}
		return err
	}
	_, err := c.AddZip(e, sound, func(f *os.File) error {
		fetched = true
		_, err := f.WriteString("zip")
		return err
	})
	check(t, err)
	return fetched
}

func read(t *testing.T, c *Cache, kind goproxy.Kind) string {
	t.Helper()
	f, _, err := c.Open(c.Get(lib), kind)
	check(t, err)
	defer f.Close()
	data, err := io.ReadAll(f)
	check(t, err)
	return string(data)
}

func TestWhatIsNotWrittenYetIsServed(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	release := hold(c)
	e := put(t, c)
	addZip(t, c, e)
	if _, err := os.Stat(e.file + modExt); err == nil {
		t.Error("the go.mod was written in the way of the answer")
	}
	for _, state := range []string{"before", "after"} {
		for kind, want := range map[goproxy.Kind]string{
			goproxy.Info: "{}", goproxy.Mod: "module example.com/lib\n", goproxy.Zip: "zip",
		} {
			if got := read(t, c, kind); got != want {
				t.Errorf("%s it is written: %s is %q, want %q", state, kind, got, want)
			}
		}
		if state == "before" {
			release()
		}
	}
	if e := open(t, dir).Find(lib, store, verifier); e == nil || !e.HasZip() {
		t.Errorf("another process finds %+v", e)
	}
}

func TestAZipThatNoVerdictVouchesForIsCheckedInsteadOfFetched(t *testing.T) {
	for name, test := range map[string]struct {
		content string
		fetched bool
	}{"sound": {"zip", false}, "torn": {"zi", true}} {
		dir := t.TempDir()
		c := open(t, dir)
		e := put(t, c)
		c.Close()
		check(t, os.WriteFile(e.file+zipExt, []byte(test.content), 0o644)) // as a process leaves it that is killed now

		c = open(t, dir)
		e = c.Find(lib, store, verifier)
		if e == nil || e.HasZip() {
			t.Fatalf("%s: found %+v, want it without its zip", name, e)
		}
		if fetched := addZip(t, c, e); fetched != test.fetched {
			t.Errorf("%s: fetched %v, want %v", name, fetched, test.fetched)
		}
	}
}

func TestWhatIsDroppedBeforeItIsWrittenStaysAway(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	release := hold(c)
	e := put(t, c)
	dropped := make(chan error)
	go func() { dropped <- c.Drop(lib) }()
	release()
	check(t, <-dropped)
	if _, err := os.Stat(e.file + verdictExt); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the verdict is there: %v", err)
	}
	if c.Get(lib) != nil || open(t, dir).Find(lib, store, verifier) != nil {
		t.Error("it is still known")
	}
}

func TestAWriterThatFailsTellsWhoComesNext(t *testing.T) {
	boom := errors.New("disk full")
	w := newWriter(slog.New(slog.DiscardHandler))
	fail, succeed := func() error { return boom }, func() error { return nil }
	check(t, w.add(fail, false))
	w.wait()
	if err := w.add(fail, false); !errors.Is(err, boom) {
		t.Errorf("after a failure: %v, want %v", err, boom)
	}
	check(t, w.add(succeed, false))
	check(t, w.add(fail, false)) // behind the answer again
	w.wait()
}

func TestFewWritesWait(t *testing.T) {
	w := newWriter(slog.New(slog.DiscardHandler))
	held, done := make(chan struct{}), 0
	for range maxWrites {
		check(t, w.add(func() error { <-held; done++; return nil }, false))
	}
	go close(held)
	check(t, w.add(func() error { return nil }, false)) // waits until there is room: all others are done
	if done != maxWrites {
		t.Errorf("%d of %d writes were done", done, maxWrites)
	}
}

func TestWithheldVersionStaysWithheldWhenTheDiskFails(t *testing.T) {
	c := open(t, t.TempDir())
	put(t, c)
	c.Close()
	temp := c.Path(tempDir)
	check(t, os.RemoveAll(temp))
	check(t, os.WriteFile(temp, nil, 0o666)) // nothing can be written any more
	if err := c.Withhold(lib); err == nil {
		t.Error("the disk's error is lost")
	}
	if e := c.Find(lib, store, verifier); e != nil && !e.Withheld {
		t.Error("the verdict on disk, from before, is believed again")
	}
}

func TestVersionThatIsBeingDroppedIsNotReadBackFromDisk(t *testing.T) {
	c := open(t, t.TempDir())
	put(t, c)
	c.Close()
	held := make(chan struct{})
	_ = c.writer.add(func() error { <-held; return nil }, false)
	dropped := make(chan error)
	go func() { dropped <- c.Drop(lib) }()
	for c.Get(lib) != nil { // until Drop has begun
		runtime.Gosched()
	}
	if e := c.Find(lib, store, verifier); e != nil {
		t.Error("what is about to be removed was found")
	}
	close(held)
	check(t, <-dropped)
	if e := c.Find(lib, store, verifier); e != nil {
		t.Error("what was removed was found")
	}
}
