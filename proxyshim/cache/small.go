package cache

import (
	"bytes"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2"
)

const (
	// maxRecent is how many small files that are asked for again are kept in memory, and maxRecentSize the bytes of one: in
	// practice they take some 2 MB.
	maxRecent     = 1024
	maxRecentSize = 8 << 10
)

// Small is an open .info or .mod, which is in memory.
type Small struct {
	*bytes.Reader
	Content []byte // not to be modified
}

func newSmall(content []byte) Small { return Small{bytes.NewReader(content), content} }

// Close implements io.Closer.
func (Small) Close() error { return nil }

// A smallFile is what an entry knows of the use of its .info or .mod.
type smallFile struct{ used atomic.Bool }

// recent has the content of small files that were asked for more than once, by its SHA-256: to open, read and close a file
// takes longer than all the rest of answering. What is asked for once, as all of a module graph is, it does not keep.
type recent struct{ files *lru.Cache[string, []byte] }

func newRecent() recent {
	files, _ := lru.New[string, []byte](maxRecent) // fails for a size below 1
	return recent{files}
}

// get returns the content with that digest, if it is kept.
func (r recent) get(digest string) ([]byte, bool) { return r.files.Get(digest) }

// offer is told what was read from a file that should have that digest. It is false if it has another.
func (r recent) offer(f *smallFile, digest string, content []byte) bool {
	if !f.used.Swap(true) || len(content) > maxRecentSize {
		return true
	}
	if hexDigest(content) != digest {
		return false
	}
	r.files.Add(digest, content)
	return true
}
