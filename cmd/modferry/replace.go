package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// errNoFile: a name is that of a directory, a device or the like.
var errNoFile = errors.New("not a regular file")

// isFile is an error if name is, in the end, no regular file.
func isFile(name string) error {
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is %w", name, errNoFile)
	}
	return err
}

// replaceFile writes a file so that a reader, or a crash, sees the old contents or the new, nothing between. It
// has the permissions that it had. Who may write to a file, but neither beside nor over it, as to one that is mounted into
// a container by itself, writes to the file as it is. The error is errNoFile for what is no regular file.
func replaceFile(name string, data []byte) error {
	name = resolve(name)
	mode := fs.FileMode(0o644)
	switch info, err := os.Stat(name); {
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%s is %w", name, errNoFile)
	case err == nil:
		mode = info.Mode().Perm()
	}
	err := writeOver(name, data, mode)
	if isFixed(err) && isFile(name) == nil {
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

func writeOver(name string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails, as it should, after the rename
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
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

// canReplace finds out early whether replaceFile can write a file.
func canReplace(name string) error {
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

// lockBeside keeps other processes that ask for the same from a file: by a lock file, which is left behind, or by the file
// itself where none can be made.
func lockBeside(name string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(context.Background(), lockTime)
	defer cancel()
	name = resolve(name)
	for _, locked := range [...]string{filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".lock"), name} {
		f := flock.New(locked, flock.SetPermissions(0o666))
		if _, err = f.TryLockContext(ctx, lockRetry); err == nil {
			return func() { _ = f.Unlock() }, nil
		}
		if !isFixed(err) {
			break
		}
	}
	return nil, fmt.Errorf("locking %s: %w", name, err)
}
