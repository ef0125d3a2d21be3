package cache

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

const (
	// keepShare is how much of the limit an eviction leaves, in percent, so that the next file does not cause another
	// one at once.
	keepShare = 90
	// scanShare is after how much that was written, in percent of the limit, the directory is looked through again: other
	// processes may share it.
	scanShare = 10
	// touchInterval is how exactly the directory knows when something was last used.
	touchInterval = time.Minute
)

// Hold keeps m from being evicted until the function it returns is called.
func (c *Cache) Hold(m module.Version) (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[m]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.held[m]--; c.held[m] == 0 {
			delete(c.held, m)
		}
	}
}

// tidy evicts if it is time to, or always.
func (c *Cache) tidy(always bool) {
	size, written := c.usage.now()
	if c.max <= 0 || !always && size <= c.max && written <= c.max/100*scanShare {
		return
	}
	if err := c.evict(); err != nil {
		c.log.Warn("removing the least recently used from the cache directory", "error", err)
	}
}

// scans bounds how often the directory is looked through to learn exactly what is in it, while others write.
const scans = 3

// evict removes versions and tiles, the least recently used first, until the directory is clearly below its limit, if it is
// above it. The checksum snapshot stays. Other processes may do the same at the same time.
func (c *Cache) evict() error {
	c.evicting.Lock()
	defer c.evicting.Unlock()
	var found []evictable
	for exact, n := false, 0; !exact && n < scans; n++ {
		var total int64
		var err error
		_, before := c.usage.now()
		if found, total, err = c.scan(); err != nil {
			return err
		}
		exact = c.usage.counted(total, before)
	}
	if size, _ := c.usage.now(); size <= c.max {
		return nil
	}
	slices.SortFunc(found, func(a, b evictable) int { return cmp.Compare(a.used, b.used) })
	var errs []error // one file that cannot be removed must not keep the others
	for _, v := range found {
		if size, _ := c.usage.now(); size <= c.max/100*keepShare {
			break
		}
		errs = append(errs, c.evictOne(v))
	}
	return errors.Join(errs...)
}

// evictable is a version, or a tile of a checksum database, as found in the directory.
type evictable struct {
	file   string         // path, of a version without extension
	module module.Version // zero for a tile
	used   int64          // nanoseconds since 1970
}

// evictOne removes v, unless it is being served.
func (c *Cache) evictOne(v evictable) error {
	if v.module.Path == "" {
		return c.Remove(v.file)
	}
	c.mu.Lock()
	held := c.held[v.module] > 0
	if !held {
		delete(c.entries, v.module)
	}
	c.mu.Unlock()
	if held {
		return nil
	}
	return c.removeVersion(v.file)
}

// scan finds the versions that have a verdict, or a zip without one that a killed process left behind, the tiles, and the
// size of all files. What disappears meanwhile does not matter.
func (c *Cache) scan() (found []evictable, total int64, err error) {
	err = filepath.WalkDir(c.dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return ignoreGone(err)
		}
		fi, err := d.Info()
		if err != nil {
			return ignoreGone(err)
		}
		total += fi.Size()
		v := evictable{file: strings.TrimSuffix(file, verdictExt), used: fi.ModTime().UnixNano()}
		if base, isZip := strings.CutSuffix(file, zipExt); isZip && c.now().Sub(fi.ModTime()) > tempAge && !exists(base+verdictExt) {
			v.file = base
		}
		name, err := filepath.Rel(c.dir, v.file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if v.file != file {
			f, err := goproxy.Parse(name + infoExt)
			if err != nil {
				return nil //nolint:nilerr // it is none of ours
			}
			v.module = f.Version
		} else if !strings.HasPrefix(name, "sumdb/") {
			return nil
		}
		found = append(found, v)
		return nil
	})
	return found, total, err
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
