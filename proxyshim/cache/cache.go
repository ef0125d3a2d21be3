// Package cache keeps verified module versions in a directory, and beside them what else stores answered about modules.
// Several processes may share a directory.
//
// It has the layout of GOMODCACHE/cache/download, so that GOPROXY=file://DIR works on what is there. Beside the .info,
// .mod and .zip of a version lies its [Verdict], which is written last. Files without one, or other files than it was
// about, are never served.
package cache

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/mod/module"
)

// Why a version that was in the cache a moment ago is not.
var (
	// ErrUnverified: a file is missing or not the one that was checked.
	ErrUnverified = errors.New("cached file is not the one that was verified")
	// ErrReplaced: a version changed, or was removed, while its files were being written.
	ErrReplaced = errors.New("the version changed in the store while it was being read")
)

// Options configures a Cache. All but Max are required.
type Options struct {
	Dir string           // created when missing
	Max int64            // bytes to keep; 0 = unlimited
	Now func() time.Time // the time
	Log *slog.Logger     // told of what fails in the background
}

// Cache is a cache directory and what is known of it. It is safe for concurrent use.
type Cache struct {
	dir string
	max int64 // bytes; 0 = unlimited
	now func() time.Time
	log *slog.Logger

	mu       sync.RWMutex
	entries  map[module.Version]*Entry
	held     map[module.Version]int // being served right now: not to be evicted
	dropping map[module.Version]int // being removed: what is on disk does not count any more

	recent   recent
	writer   *writer
	sweeping sync.WaitGroup
	evicting sync.Mutex // held while the directory is looked through
	usage    usage
}

// New opens a cache directory. What killed processes left in it, and what is too much, is removed in the background.
func New(o Options) (*Cache, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, tempDir), 0o777); err != nil {
		return nil, err
	}
	c := &Cache{
		dir: dir, max: o.Max, now: o.Now, log: o.Log, recent: newRecent(), writer: newWriter(o.Log),
		entries: make(map[module.Version]*Entry), held: make(map[module.Version]int), dropping: make(map[module.Version]int),
	}
	c.sweeping.Go(func() {
		c.sweep()
		c.tidy(true)
	})
	return c, nil
}

// Close waits until everything is written. The cache can still be used afterwards.
func (c *Cache) Close() {
	c.sweeping.Wait()
	c.writer.wait()
}

// Ready returns why the directory takes no files, or nil.
func (c *Cache) Ready() error {
	f, err := c.temp()
	if err == nil {
		discard(f)
	}
	return err
}

// Size returns about how many bytes are in the directory.
func (c *Cache) Size() int64 {
	size, _ := c.usage.now()
	return size
}

// Empty reports whether no version is in the directory.
func (c *Cache) Empty() bool {
	c.mu.RLock()
	known := len(c.entries)
	c.mu.RUnlock()
	if known > 0 {
		return false
	}
	found := false
	_ = filepath.WalkDir(c.dir, func(file string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(file) == verdictExt {
			found = true
			return fs.SkipAll
		}
		return nil
	})
	return !found
}

// Path returns the file path of a slash-separated name below the directory.
func (c *Cache) Path(name string) string { return filepath.Join(c.dir, filepath.FromSlash(name)) }
