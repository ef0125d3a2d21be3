// Package userfile reads, replaces and locks files that a user named.
package userfile

import (
	"context"
	"crypto/rand"
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

// checkRegular is an error if name is, in the end, no regular file.
func checkRegular(name string) error {
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is %w", name, ErrNotRegular)
	}
	return err
}

// ErrTooLarge: a file has more than is read.
var ErrTooLarge = errors.New("more than is read")

// Read reads a file of at most limit bytes. The error is ErrNotRegular for what is no regular file, and ErrTooLarge
// for one that is larger.
func Read(name string, limit int64) ([]byte, error) {
	if err := checkRegular(name); err != nil { // before it is opened: a FIFO would wait for somebody to write
		return nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes: %w", name, limit, ErrTooLarge)
	}
	return data, err
}

// Replace writes a file so that a reader, or a crash, sees the old contents or the new, nothing between. It
// has the permissions that it had, a new one those that the umask leaves. Who may write to a file, but neither
// beside nor over it, as to one that is mounted into a container by itself, writes to the file as it is. The error
// is ErrNotRegular for what is no regular file.
func Replace(name string, data []byte) error {
	name = resolve(name)
	old, err := os.Stat(name)
	if err == nil && !old.Mode().IsRegular() {
		return fmt.Errorf("%s is %w", name, ErrNotRegular)
	}
	err = writeOver(name, data, old)
	if isFixed(err) && checkRegular(name) == nil {
		return writeTo(name, data)
	}
	return err
}

// resolve returns what a symbolic link leads to, be it there or not: a link stays one.
func resolve(name string) string {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		return target
	}
	if target, err := os.Readlink(name); err == nil {
		if filepath.IsAbs(target) {
			return target
		}
		return filepath.Join(filepath.Dir(name), target)
	}
	return name
}

// writeOver writes a file beside name, and renames it. Old is what is there, nil if nothing is.
func writeOver(name string, data []byte, old fs.FileInfo) error {
	f, err := createBeside(name, old)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails, as it should, after the rename
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// createBeside makes a file that nobody else uses, with the permissions of old.
func createBeside(name string, old fs.FileInfo) (*os.File, error) {
	if old == nil { // what os.CreateTemp makes is for its owner alone
		return os.OpenFile(filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"."+rand.Text()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(old.Mode().Perm()); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return f, nil
}

// isFixed reports whether the error is that a directory does not take another file, or not in the place of the one there.
func isFixed(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EBUSY)
}

func writeTo(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
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

// Lock keeps other processes that ask for the same from a file: by a lock file, which is left behind, or by the file
// itself where there is none and none can be made. One that is there but cannot be opened is an error: others hold it
// while they put another file in the place of the one that would be locked instead.
func Lock(name string) (unlock func(), err error) {
	name = resolve(name)
	lock := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".lock")
	if err := makeLock(lock, name); isFixed(err) && checkRegular(name) == nil {
		lock = name
	} else if err != nil {
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), lockTime)
	defer cancel()
	// Not to be created: in a sticky directory, Linux would refuse to open the file of somebody else.
	f := flock.New(lock, flock.SetFlag(os.O_RDONLY))
	if _, err := f.TryLockContext(ctx, lockRetry); err != nil {
		return nil, fmt.Errorf("locking %s, by way of %s: %w", name, lock, err)
	}
	return func() { _ = f.Unlock() }, nil
}

// makeLock makes a lock file, if it is not there, for all that the file is for: whatever the umask of the first of them.
func makeLock(lock, name string) error {
	if _, err := os.Lstat(lock); err == nil {
		return nil
	}
	f, err := os.OpenFile(lock, os.O_RDONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return nil // by now
	}
	if err != nil {
		return err
	}
	if info, err := os.Stat(name); err == nil {
		_ = f.Chmod(info.Mode().Perm() & 0o666) // else it is for some of them, and the others are told
	}
	return f.Close()
}
