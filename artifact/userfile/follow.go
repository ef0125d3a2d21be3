package userfile

import (
	"crypto/sha256"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// FollowOptions configures [Follow]. What, File, Limit and Load are required.
type FollowOptions[T any] struct {
	What  string // what the value is in the log, as "trust policy"
	File  string // the file that people know it by
	Limit int64  // of each file, in bytes

	// Load makes the value of files that it reads with read. Those are followed, in which it may read others by what it
	// has found in the first ones.
	Load func(read func(name string) ([]byte, error)) (T, error)

	Changed func(T)      // told of each value but the first one, and must not ask for it; nil = nobody
	Log     *slog.Logger // told of every change; nil = discard
}

// A Value is what is in some files, and follows them: it is loaded anew when one of them has another content, whether it
// was written in place, replaced, or is behind a link that was moved, as in a volume of Kubernetes. Files that cannot be
// read, or have something wrong in them, leave the value as it was. It is safe for concurrent use.
type Value[T any] struct {
	FollowOptions[T]
	now func() time.Time

	mu    sync.Mutex
	value T
	fault error      // why the files as they are now are not in force
	files []followed // as they were when they were last read
	read  time.Time  // when that was
}

// followed is a file as it was when it was read.
type followed struct {
	name string
	info fs.FileInfo // of what the name led to; nil = nothing
	sum  [sha256.Size]byte
	err  string // why it could not be read
}

const (
	// settled is the age at which a file that was read can be relied on to have another time when it is written
	// again: clocks of file systems have ticks, of two seconds at the most.
	settled = 2 * time.Second

	// reread is how often files are read although they seem to be the same, as after a copy that keeps times.
	reread = time.Second

	// attempts bounds how often files are read that change meanwhile.
	attempts = 3
)

// Follow loads a value for the first time. What is wrong then is the error.
func Follow[T any](o FollowOptions[T]) (*Value[T], error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	v := &Value[T]{FollowOptions: o, now: time.Now}
	var err error
	v.value, err = v.load()
	return v, err
}

// Get returns the value that counts now. The files are looked at each time, which takes as long as asking for the state of
// a few files, and once a second they are read.
func (v *Value[T]) Get() T {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.seemsTheSame() || v.isTheSame() {
		return v.value
	}
	value, err := v.load()
	if v.fault = err; err != nil {
		v.Log.Error("the "+v.What+" was changed and is not in force: the one before still is", "file", v.File, "error", err)
		return v.value
	}
	v.value = value
	v.Log.Info("the "+v.What+" was changed and is in force", "file", v.File)
	if v.Changed != nil {
		v.Changed(value)
	}
	return value
}

// Fault returns why the files as they are now are not in force, nil if they are.
func (v *Value[T]) Fault() error {
	v.Get()
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.fault
}

// seemsTheSame reports whether the files are those that were read, as far as that can be told without reading them.
func (v *Value[T]) seemsTheSame() bool {
	return v.now().Sub(v.read).Abs() < reread && v.stayed() && !slices.ContainsFunc(v.files, func(f followed) bool {
		return f.err != "" || v.read.Sub(f.info.ModTime()) < settled
	})
}

// isTheSame reads the files again, and reports whether each has the content that it had.
func (v *Value[T]) isTheSame() bool {
	before := v.files
	v.files, v.read = nil, v.now()
	for _, f := range before {
		_, _ = v.readFile(f.name) // the error is compared, too
	}
	return slices.EqualFunc(before, v.files, func(a, b followed) bool { return a.sum == b.sum && a.err == b.err })
}

// load loads a value of files that are all of one state: of some that are replaced at this moment none may be old.
func (v *Value[T]) load() (value T, err error) {
	for range attempts {
		v.files, v.read = nil, v.now()
		if value, err = v.Load(v.readFile); v.stayed() {
			break
		}
	}
	return value, err
}

// readFile reads a file, and records what it is like.
func (v *Value[T]) readFile(name string) ([]byte, error) {
	f := followed{name: name}
	info, err := os.Stat(name) // what links lead to, before it is read: what is there afterwards may be newer
	var data []byte
	if err == nil {
		data, err = Read(name, v.Limit)
	}
	f.info, f.sum = info, sha256.Sum256(data)
	if err != nil {
		f.err = err.Error()
	}
	v.files = append(v.files, f)
	return data, err
}

// stayed reports whether the files that were read are still there.
func (v *Value[T]) stayed() bool {
	return !slices.ContainsFunc(v.files, func(f followed) bool {
		info, err := os.Stat(f.name)
		if err != nil || f.info == nil {
			return (err == nil) != (f.info != nil)
		}
		return !os.SameFile(info, f.info) || info.Size() != f.info.Size() || !info.ModTime().Equal(f.info.ModTime())
	})
}
