package cache

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/module"
)

var example = module.Version{Path: "example.com/lib", Version: "v1.2.3"}

func TestWhatIsTooMuchIsNotQueued(t *testing.T) {
	e := &Entry{unsaved: &smallFiles{info: []byte("{}")}}
	c := &Cache{queue: make(chan module.Version, maxUnsaved)} // and nobody saves
	for range maxUnsaved {
		if !c.enqueue(e) {
			t.Fatal("refused")
		}
	}
	if c.enqueue(e) {
		t.Error("took more than the queue holds")
	}
	c = &Cache{queue: make(chan module.Version, maxUnsaved)}
	if c.enqueue(&Entry{unsaved: &smallFiles{gomod: make([]byte, maxUnsavedSize+1)}}) {
		t.Error("took something large")
	}
}

func testCache(t *testing.T) *Cache {
	t.Helper()
	c, err := New(Options{Dir: t.TempDir(), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestSavingWhatWasEvictedMeanwhileIsNoVersion(t *testing.T) {
	if e, err := testCache(t).save(example); e != nil || !errors.Is(err, ErrReplaced) {
		t.Errorf("got %v, %v", e, err)
	}
}

func TestAfterSavingFailedTheNextPutFailsUntilOneSucceeds(t *testing.T) {
	c := testCache(t)
	put := func() error {
		_, err := c.Put(&Verdict{Confirmation: Confirmation{Module: example}}, []byte("{}"), []byte("module example.com/lib\n"))
		return err
	}
	obstacle := filepath.Join(c.dir, "example.com") // a file where a directory has to be
	if err := os.WriteFile(obstacle, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := put(); err != nil {
		t.Errorf("before it is known: %v", err)
	}
	c.Flush()
	if err := put(); err == nil {
		t.Error("no error although it is not saved")
	}
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	if err := put(); err != nil || c.failing.Load() {
		t.Errorf("still counts as failing: %v", err)
	}
}
