// Package reload keeps values that are read from files up to date.
package reload

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// interval is how often files are looked at, at most.
const interval = time.Second

// Value is what is in some files. It is read again when one of them has changed, which is found out when somebody asks for
// it. Files that cannot be read, or have something wrong in them, leave the value as it was. It is safe for concurrent use.
type Value[T any] struct {
	files []string
	read  func() (T, error)
	log   *slog.Logger
	now   func() time.Time

	mu     sync.Mutex
	value  T
	stamps []string  // of the files, as they were read last
	looked time.Time // at them
	err    error
}

// New reads a value for the first time; what is wrong then is its error.
func New[T any](log *slog.Logger, read func() (T, error), files ...string) (*Value[T], error) {
	v := &Value[T]{files: files, read: read, log: log, now: time.Now}
	v.stamps, v.looked = v.stat(), v.now()
	var err error
	v.value, err = read()
	return v, err
}

// Get returns the value.
func (v *Value[T]) Get() T {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.now().Sub(v.looked).Abs() < interval {
		return v.value
	}
	v.looked = v.now()
	stamps := v.stat()
	if slices.Equal(stamps, v.stamps) {
		return v.value
	}
	v.stamps = stamps
	value, err := v.read()
	names := strings.Join(v.files, ", ")
	if err != nil {
		v.err = fmt.Errorf("%s changed, and what was read before stays in force: %w", names, err)
		v.log.Error("a file cannot be read again; what was read before stays in force", "file", names, "error", err)
		return v.value
	}
	v.value, v.err = value, nil
	v.log.Info("read again", "file", names)
	return v.value
}

// Err returns why the value is not what is in the files by now, or nil.
func (v *Value[T]) Err() error {
	v.Get()
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.err
}

// stat returns what tells whether files have changed: their content, for neither their sizes, which with hashes of
// passwords stay the same, nor their times do, which tools that copy files keep, and clocks of file systems are coarse.
func (v *Value[T]) stat() []string {
	stamps := make([]string, len(v.files))
	for i, name := range v.files {
		sum, err := sumOf(name)
		if stamps[i] = sum; err != nil {
			stamps[i] = err.Error()
		}
	}
	return stamps
}

// maxFile is how much of a file is looked at, in bytes.
const maxFile = 16 << 20

// sumOf returns the size of a file and the digest of its content.
func sumOf(name string) (string, error) {
	fi, err := os.Stat(name)
	if err != nil || !fi.Mode().IsRegular() { // opening a pipe would wait for a writer
		return "", errors.Join(err, fs.ErrInvalid)
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, io.LimitReader(f, maxFile))
	return fmt.Sprintf("%d %x", fi.Size(), h.Sum(nil)), err
}
