package cache

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/module"
)

// keepShare is how much of the limit an eviction leaves, in percent, so that the
// next file does not cause another one at once.
const keepShare = 90

// pin keeps m from being evicted until the function it returns is called.
func (c *Cache) Pin(m module.Version) (unpin func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pins[m]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.pins[m]--; c.pins[m] == 0 {
			delete(c.pins, m)
		}
	}
}

// full reports whether it is time to evict.
func (c *Cache) full() bool { return c.max > 0 && c.size.Load() > c.max }

// tidy keeps the directory within its bounds, if it may be out of them or always.
func (c *Cache) tidy(always bool) {
	if !always && !c.full() {
		return
	}
	if err := c.evict(); err != nil {
		c.log.Warn("removing the least recently used from the cache directory", "error", err)
	}
}

// cached is a version, or a tile of a checksum database, as found in the directory.
type cached struct {
	file string // path, of a version without extension
	used int64  // nanoseconds since 1970, by the modification time of the verdict or tile
	tile bool
}

// evict removes versions and tiles, the least recently served first, until the
// directory is clearly below its limit, if it has one and is above it. The
// checksum snapshot stays. Other processes may do the same at the same time.
func (c *Cache) evict() error {
	if c.max <= 0 {
		return nil
	}
	c.evicting.Lock()
	defer c.evicting.Unlock()
	versions, total, err := c.scan()
	if err != nil {
		return err
	}
	c.size.Store(total)
	if !c.full() {
		return nil
	}
	inMemory := c.byFile()
	for i := range versions {
		if e := inMemory[versions[i].file]; e != nil {
			versions[i].used = max(versions[i].used, e.used.Load())
		}
	}
	slices.SortFunc(versions, func(a, b cached) int { return cmp.Compare(a.used, b.used) })
	var failed []error // one file that cannot be removed must not keep the others
	for _, v := range versions {
		if c.size.Load() <= c.max/100*keepShare {
			break
		}
		if e := inMemory[v.file]; e != nil && !c.release(e) {
			continue
		}
		if err := c.removeCached(v); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

func (c *Cache) removeCached(v cached) error {
	if v.tile {
		return c.Remove(v.file)
	}
	return c.removeFiles(v.file)
}

// release forgets e, unless it is pinned.
func (c *Cache) release(e *Entry) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pins[e.Module] > 0 {
		return false
	}
	if c.entries[e.Module] == e {
		delete(c.entries, e.Module)
	}
	return true
}

func (c *Cache) byFile() map[string]*Entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	files := make(map[string]*Entry, len(c.entries))
	for _, e := range c.entries {
		files[e.file] = e
	}
	return files
}

// scan finds the versions that have a verdict, the tiles, and the size of all
// files. What disappears meanwhile does not matter.
func (c *Cache) scan() ([]cached, int64, error) {
	var total int64
	var versions []cached
	tiles := c.Path("sumdb") + string(filepath.Separator)
	err := filepath.WalkDir(c.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return ignoreGone(err)
		}
		fi, err := d.Info()
		if err != nil {
			return ignoreGone(err)
		}
		total += fi.Size()
		used := fi.ModTime().UnixNano()
		if file, ok := strings.CutSuffix(name, verdictExt); ok {
			versions = append(versions, cached{file: file, used: used})
		} else if strings.HasPrefix(name, tiles) {
			versions = append(versions, cached{file: name, used: used, tile: true})
		}
		return nil
	})
	return versions, total, err
}

func ignoreGone(err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
