// Package cache keeps verified module versions in a directory, which several processes may share, and answers of stores
// about modules beside them.
package cache

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"
)

// The cache directory has the layout of GOMODCACHE/cache/download, so that
// GOPROXY=file://DIR works on what is there. Beside the .info, .mod and .zip of a
// version lies its verdict: which manifest they came from, who vouched for it,
// when that was last looked at, and its checksum database record. It is written last. Files without a verdict,
// or with another stamp than the verdict says, are never served. Small files are
// served from memory until they are written, which happens behind the answer.
const (
	InfoExt    = ".info"
	ModExt     = ".mod"
	ZipExt     = ".zip"
	verdictExt = ".verdict"
)

// verdictFormat is raised when verdicts written earlier must not be believed.
const VerdictFormat = 1

// verdict is what was found out about a version.
type Verdict struct {
	Format     int                 `json:"format"`
	Module     module.Version      `json:"module"`
	Store      string              `json:"store"`
	Repository string              `json:"repository"`
	Manifest   ocispec.Descriptor  `json:"manifest"`
	Sum        string              `json:"sum,omitempty"`
	GoModSum   string              `json:"gomodSum"`
	ZipLayer   *ocispec.Descriptor `json:"zipLayer,omitempty"` // nil: mod-only
	Verifier   string              `json:"verifier"`           // fingerprint of what accepted the manifest
	Keys       []string            `json:"keys,omitempty"`
	Checked    time.Time           `json:"checked"`            // when the store last confirmed all this
	Withheld   bool                `json:"withheld,omitempty"` // when last asked it did not: not to be served until it does
	Record     []byte              `json:"record,omitempty"`   // of the checksum database; nil: none is known
	Info       stamp               `json:"info"`
	InfoDigest string              `json:"infoDigest"` // sha256, hex
	Mod        stamp               `json:"mod"`
	ModDigest  string              `json:"modDigest"`
	Zip        stamp               `json:"zip,omitzero"` // zero: not fetched yet
}

// stampOf returns the stamp the file with that extension must have.
func (v *Verdict) stampOf(ext string) stamp {
	switch ext {
	case InfoExt:
		return v.Info
	case ModExt:
		return v.Mod
	default:
		return v.Zip
	}
}

// entry is a verdict in memory. The verdict never changes; a new one is a new entry.
type Entry struct {
	Verdict
	unsaved *small       // what of it is not on disk yet, the verdict neither; nil = all is
	file    string       // path of the files, without extension
	used    atomic.Int64 // when last served, in nanoseconds since 1970
	touched atomic.Int64 // the use last recorded on disk
}

// hasZip reports whether the zip is in the directory.
func (v *Verdict) HasZip() bool { return v.Zip != (stamp{}) }

// small has the small files of a version.
type small struct{ info, gomod []byte }

// touchInterval is how exactly the disk knows when a version was last served.
const touchInterval = time.Minute

// cache is the cache directory and what is known of it.
type Cache struct {
	dir string
	max int64 // bytes; 0 = unlimited
	now func() time.Time
	log *slog.Logger

	mu      sync.RWMutex
	entries map[module.Version]*Entry
	pins    map[module.Version]int // being served right now: not to be evicted

	writing  sync.Mutex   // held while a verdict is written or removed
	evicting sync.Mutex   // held while the directory is looked through
	size     atomic.Int64 // bytes, an estimate
	saver    *saver
	closing  sync.Once
	working  sync.WaitGroup // for what runs in the background
}

// cacheOptions configures a cache. Dir, Now and Log are required.
type Options struct {
	Dir string           // created when missing
	Max int64            // bytes to keep; 0 = unlimited
	Now func() time.Time // the time
	Log *slog.Logger     // told of what fails in the background
}

// errUnverified means that a file is missing or not the one that was checked.
var ErrUnverified = errors.New("cached file is not the one that was verified")

// newCache opens a cache directory. What killed processes left in it, and what is too much,
// is removed in the background.
func New(o Options) (*Cache, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, tempDir), 0o777); err != nil {
		return nil, err
	}
	c := &Cache{
		dir: dir, max: o.Max, now: o.Now, log: o.Log,
		entries: make(map[module.Version]*Entry),
		pins:    make(map[module.Version]int),
		saver:   newSaver(),
	}
	c.working.Go(c.saveQueued)
	c.working.Go(func() {
		c.sweep()
		c.tidy(true)
	})
	return c, nil
}

// flush waits until everything that was put is on disk.
func (c *Cache) Flush() { c.saver.waiting.Wait() }

// close ends the work in the background, once everything that was put is on disk. What is
// cached can still be opened afterwards, but nothing must be put.
func (c *Cache) Close() {
	c.closing.Do(func() { close(c.saver.queue) })
	c.working.Wait()
}

// ready returns why the directory takes no files.
func (c *Cache) Ready() error {
	f, err := c.temp()
	if err == nil {
		discard(f)
	}
	return err
}

// path returns the file path of a slash-separated name below the directory.
func (c *Cache) Path(name string) string {
	return filepath.Join(c.dir, filepath.FromSlash(name))
}

// get returns the entry of m in memory, or nil.
func (c *Cache) Get(m module.Version) *Entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.entries[m]
}

// any returns one of the entries in memory that match, or nil.
func (c *Cache) Any(match func(*Entry) bool) *Entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, e := range c.entries {
		if match(e) {
			return e
		}
	}
	return nil
}

// touch records that a file is being used, about which that is known from its time, to the minute.
func (c *Cache) Touch(file string, last time.Time) {
	if now := c.now(); now.Sub(last).Abs() > touchInterval {
		_ = os.Chtimes(file, time.Time{}, now)
	}
}

// use records that e is being served.
func (c *Cache) use(e *Entry) {
	now := c.now()
	t := now.UnixNano()
	e.used.Store(t)
	if last := e.touched.Load(); t-last > int64(touchInterval) && e.touched.CompareAndSwap(last, t) {
		_ = os.Chtimes(e.file+verdictExt, now, now)
	}
}

// open opens a file of e to serve it, if it is still the one that was checked, and returns
// when it was written. Else it is errUnverified.
func (c *Cache) Open(e *Entry, ext string) (io.ReadSeekCloser, time.Time, error) {
	f, written, err := c.openFile(e, ext)
	if err == nil {
		c.use(e)
	}
	return f, written, err
}

func (c *Cache) openFile(e *Entry, ext string) (io.ReadSeekCloser, time.Time, error) {
	if e.unsaved != nil && ext != ZipExt {
		data := e.unsaved.info
		if ext == ModExt {
			data = e.unsaved.gomod
		}
		return memoryFile{bytes.NewReader(data)}, e.Checked, nil
	}
	want := e.stampOf(ext)
	if want == (stamp{}) {
		return nil, time.Time{}, ErrUnverified
	}
	f, err := os.Open(e.file + ext)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, time.Time{}, ErrUnverified
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	fi, err := f.Stat()
	if err == nil && stampOf(fi) != want {
		err = ErrUnverified
	}
	if err != nil {
		_ = f.Close()
		return nil, time.Time{}, err
	}
	return f, fi.ModTime(), nil
}

// memoryFile is a file that is not on disk yet.
type memoryFile struct{ *bytes.Reader }

// Close does nothing: there is nothing to close.
func (memoryFile) Close() error { return nil }

// remember makes e the entry in memory.
func (c *Cache) remember(e *Entry, used time.Time) *Entry {
	e.used.Store(used.UnixNano())
	e.touched.Store(used.UnixNano())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries[e.Module] = e
	return e
}

// forget drops e from memory, so that the next request looks at the disk again.
func (c *Cache) Forget(e *Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[e.Module] == e {
		delete(c.entries, e.Module)
	}
}
