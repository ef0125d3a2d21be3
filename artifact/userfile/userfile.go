// Package userfile reads, follows, replaces and locks files that a user named: links to files, files that others may write,
// too, and files that are mounted into a container one by one.
package userfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// ErrNotRegular: a name is that of a directory, a device or the like.
var ErrNotRegular = errors.New("not a regular file")

// ErrTooLarge: a file has more than is read.
var ErrTooLarge = errors.New("too large")

// checkRegular is an error if name is, in the end, no regular file.
func checkRegular(name string) error {
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is %w", name, ErrNotRegular)
	}
	return err
}

// Read reads a file of at most limit bytes. The error is ErrNotRegular for what is no regular file, and ErrTooLarge for
// one that is larger.
func Read(name string, limit int64) ([]byte, error) {
	if err := checkRegular(name); err != nil { // before it is opened: a FIFO would wait for somebody to write
		return nil, err
	}
	return ReadAny(name, limit)
}

// ReadAny is [Read] for a file of any kind, as a shell makes a pipe of <(command).
func ReadAny(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is %w, over %d bytes", name, ErrTooLarge, limit)
	}
	return data, err
}

// Replace writes a file so that a reader, or a crash, sees the old contents or the new, nothing between. It has the
// permissions that it had, a new one those that the umask leaves; a link stays one. Who may write to a file, but neither
// beside nor over it, as to one that is mounted into a container by itself, writes to the file as it is; so does everybody
// on Windows. The error is ErrNotRegular for what is no regular file.
func Replace(name string, data []byte) error {
	name = resolve(name)
	there := checkRegular(name)
	if errors.Is(there, ErrNotRegular) {
		return there
	}
	err := writeOver(name, data)
	if isFixed(err) && there == nil {
		return writeTo(name, data)
	}
	return err
}

// writeTo writes to a file that is there, and may be somebody else's: see [Lock] for why it is not opened with O_CREATE.
func writeTo(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// resolve returns what a symbolic link leads to, be it there or not.
func resolve(name string) string {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		return target
	}
	target, err := os.Readlink(name)
	switch {
	case err != nil:
		return name
	case filepath.IsAbs(target):
		return target
	}
	return filepath.Join(filepath.Dir(name), target)
}

// isFixed reports whether the error is that a directory does not take another file, or not in the place of the one there.
func isFixed(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EBUSY)
}

// CheckWritable finds out early whether Replace can write a file.
func CheckWritable(name string) error {
	name = resolve(name)
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if f, err = os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*"); err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

const (
	lockTime  = 10 * time.Second // nobody holds the lock for longer than it takes to write a file
	lockRetry = 10 * time.Millisecond
)

// Lock keeps other processes that ask for the same from a file: by a lock file beside it, .NAME.lock, which is left
// behind for all that the file is for, or by the file itself where there is none and none can be made. One that is
// there but cannot be opened is an error: others hold it while they put another file in the place of the one that
// would be locked instead.
func Lock(name string) (unlock func(), err error) {
	name = resolve(name)
	lock := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".lock")
	flag := os.O_RDONLY
	if _, err := os.Lstat(lock); errors.Is(err, fs.ErrNotExist) {
		flag |= os.O_CREATE // not without need: in a sticky directory, Linux would refuse to open the file of somebody else
	}
	unlock, err = acquire(lock, flag)
	if info, e := os.Stat(name); e == nil && err == nil && flag != os.O_RDONLY {
		_ = os.Chmod(lock, info.Mode().Perm()&0o666) // whatever the umask; else it is for some, and the others are told
	}
	if flag != os.O_RDONLY && isFixed(err) && checkRegular(name) == nil {
		lock = name
		unlock, err = acquire(lock, os.O_RDONLY)
	}
	if err != nil {
		return nil, fmt.Errorf("locking %s, by way of %s: %w", name, lock, err)
	}
	return unlock, nil
}

// acquire locks a file, which is opened with flag.
func acquire(name string, flag int) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(context.Background(), lockTime)
	defer cancel()
	f := flock.New(name, flock.SetFlag(flag), flock.SetPermissions(0o666))
	_, err = f.TryLockContext(ctx, lockRetry)
	return func() { _ = f.Unlock() }, err
}
