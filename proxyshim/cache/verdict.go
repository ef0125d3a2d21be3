package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/sign"
)

const (
	infoExt    = ".info"
	modExt     = ".mod"
	zipExt     = ".zip"
	verdictExt = ".verdict"
)

// format is raised when what was written earlier must not be believed.
const format = 4

// Confirmation says who confirmed something, and when.
type Confirmation struct {
	Format   int            `json:"format"` // of the file
	Module   module.Version `json:"module"` // what it is about; a revision may be in the place of the version
	Store    string         `json:"store"`
	Verifier string         `json:"verifier,omitempty"` // fingerprint of what accepted it; "" if nothing has to
	Checked  time.Time      `json:"checked"`            // when the store last confirmed it
	Withheld bool           `json:"withheld,omitempty"` // when last asked it did not: not to be used until it does
}

// Confirmed returns c: with nothing but an Entry or an Answer at hand, it is what they have in common.
func (c *Confirmation) Confirmed() *Confirmation { return c }

// Subject returns what a policy has to accept.
func (v *Verdict) Subject() sign.Subject {
	return sign.Subject{Module: v.Module, Digest: v.Manifest.Digest}
}

// believed reports whether c, as it was read from a file, is about m, and from this store and verifier.
func (c *Confirmation) believed(m module.Version, store, verifier string) bool {
	return c.Format == format && c.Module == m && c.Store == store && c.Verifier == verifier
}

// Verdict is what was found out about a version.
type Verdict struct {
	Confirmation
	Repository string              `json:"repository"`
	Manifest   ocispec.Descriptor  `json:"manifest"`
	Sum        string              `json:"sum,omitempty"`
	GoModSum   string              `json:"gomodSum"`
	ZipLayer   *ocispec.Descriptor `json:"zipLayer,omitempty"` // nil: mod-only
	Keys       []string            `json:"keys,omitempty"`     // who vouched for it
	Record     []byte              `json:"record,omitempty"`   // of the checksum database; nil: none is known
	Log        string              `json:"log,omitempty"`      // verifier key of the database that Record is of

	files
}

// files are the files that a verdict is about.
type files struct {
	Info       stamp  `json:"info"`
	InfoDigest string `json:"infoDigest"` // sha256, hex
	Mod        stamp  `json:"mod"`
	ModDigest  string `json:"modDigest"`
	Zip        stamp  `json:"zip,omitzero"` // zero: not fetched yet
}

// HasZip reports whether the zip is in the directory.
func (f *files) HasZip() bool { return f.Zip != stamp{} }

// Entry is a verdict in memory. It never changes; a new verdict is a new entry.
type Entry struct {
	Verdict
	file    string       // path of the files, without extension
	touched atomic.Int64 // the last use recorded on disk, in nanoseconds since 1970
	unsaved unsaved

	info, mod smallFile
}

// Get returns the entry of m in memory, or nil.
func (c *Cache) Get(m module.Version) *Entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.entries[m]
}

// Find returns the entry of m in memory or on disk, or nil when there is nothing that can be believed: it has to be
// accepted by the same verifier and, from an earlier process or another one, to come from the same store.
func (c *Cache) Find(m module.Version, store, verifier string) *Entry {
	if e := c.Get(m); e != nil && e.Verifier == verifier {
		return e
	}
	name, err := goproxy.Base(m)
	if err != nil {
		return nil
	}
	file := c.Path(name)
	var v Verdict
	used, err := ReadJSON(file+verdictExt, &v)
	if err != nil || !v.believed(m, store, verifier) {
		return nil
	}
	if !intact(file+infoExt, v.Info, v.InfoDigest) || !intact(file+modExt, v.Mod, v.ModDigest) {
		return nil
	}
	if fi, err := os.Stat(file + zipExt); err != nil || stampOf(fi) != v.Zip {
		v.Zip = stamp{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropping[m] > 0 {
		return nil
	}
	return c.remember(&Entry{Verdict: v, file: file}, used)
}

// intact reports whether a small file is the one that was checked.
func intact(name string, want stamp, digest string) bool {
	fi, err := os.Stat(name)
	if err != nil || stampOf(fi) != want {
		return false
	}
	data, err := os.ReadFile(name)
	return err == nil && hexDigest(data) == digest
}

func hexDigest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Any returns one of the entries in memory that match, or nil.
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

// remember makes e, which was last used then, the entry in memory. Call it with c.mu held.
func (c *Cache) remember(e *Entry, used time.Time) *Entry {
	e.touched.Store(used.UnixNano())
	c.entries[e.Module] = e
	return e
}

// Forget drops e from memory, so that the next request looks at the disk again.
func (c *Cache) Forget(e *Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[e.Module] == e {
		delete(c.entries, e.Module)
	}
}

// Open opens the .info, .mod or .zip of e to serve it, the first two as a [Small], and returns when it was written, of a
// [Small] perhaps when it was confirmed. It is [ErrUnverified] if that is not the file that was checked.
func (c *Cache) Open(e *Entry, kind goproxy.Kind) (io.ReadSeekCloser, time.Time, error) {
	defer c.touch(e)
	switch kind {
	case goproxy.Info:
		return c.openSmall(e, &e.info, infoExt, e.Info, e.InfoDigest)
	case goproxy.Mod:
		return c.openSmall(e, &e.mod, modExt, e.Mod, e.ModDigest)
	}
	return openIntact(e.file+zipExt, e.Zip)
}

// openSmall opens the .info or .mod of e.
func (c *Cache) openSmall(e *Entry, file *smallFile, ext string, want stamp, digest string) (io.ReadSeekCloser, time.Time, error) {
	if s := e.unsaved.small; s != nil {
		return newSmall(s.content(ext)), e.Checked, nil
	}
	if content, ok := c.recent.get(digest); ok {
		return newSmall(content), e.Checked, nil
	}
	f, written, err := openIntact(e.file+ext, want)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer f.Close()
	content := make([]byte, want.Size) // one read and one write are cheaper than what a server does with a file
	if _, err := io.ReadFull(f, content); err != nil || !c.recent.offer(file, digest, content) {
		return nil, time.Time{}, ErrUnverified
	}
	return newSmall(content), written, nil
}

// touch records that e is being used, on disk now and then.
func (c *Cache) touch(e *Entry) {
	now, last := c.now(), e.touched.Load()
	if now.UnixNano()-last > int64(touchInterval) && e.touched.CompareAndSwap(last, now.UnixNano()) {
		_ = os.Chtimes(e.file+verdictExt, now, now)
	}
}

// openIntact opens a file that has that stamp.
func openIntact(name string, want stamp) (*os.File, time.Time, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrUnverified
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
