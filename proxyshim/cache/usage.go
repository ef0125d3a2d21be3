package cache

import "sync"

// usage is what a directory holds, in bytes, as far as is known. It is safe for concurrent use.
type usage struct {
	mu      sync.Mutex
	size    int64 // an estimate: other processes may share the directory
	written int64 // since the directory was last looked through
}

// wrote adds a file.
func (u *usage) wrote(n int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.size += n
	u.written += n
}

// removed takes a file away.
func (u *usage) removed(n int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.size -= n
}

// now returns the estimate, and how much was written since the directory was looked through.
func (u *usage) now() (size, written int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.size, u.written
}

// counted takes over what looking through the directory came to, which began when before bytes had been written. What was
// written meanwhile may have been counted: then all is more than there is, and it is not exact.
func (u *usage) counted(total, before int64) (exact bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.written -= before
	u.size = total + u.written
	return u.written == 0
}
