package ocilayout

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// staleAfter is the age at which a temporary file, which grows as long as someone writes
// it, belongs to nobody any more.
const staleAfter = 24 * time.Hour

// writeFile replaces a file of the layout's directory, durably.
func (l *layout) writeFile(name string, write func(io.Writer) error) error {
	if err := l.replaceFile(l.path(name), 0o666, true, write); err != nil {
		return err
	}
	return l.sync(l.dir)
}

// syncsLater is whether a file can be made durable by who has not opened it to write.
const syncsLater = runtime.GOOS != "windows"

// replaceFile writes target by way of a temporary file of the layout, so that target is there whole or not at all. What
// is durable has its name once its directory is synced. (renameio does the same, but has no build for Windows.)
func (l *layout) replaceFile(target string, perm fs.FileMode, durable bool, write func(io.Writer) error) error {
	f, err := l.createTemp(perm)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil && (durable || !syncsLater) {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), target)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

func (l *layout) createTemp(perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(filepath.Join(l.dir, tmpDir, rand.Text()), os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
}

// sweep removes temporary files that killed processes left. Errors do not matter.
func sweep(tmp string) {
	entries, _ := os.ReadDir(tmp)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > staleAfter {
			os.Remove(filepath.Join(tmp, e.Name()))
		}
	}
}

// syncFile makes the content of a file durable, or the names in a directory.
func syncFile(name string) error {
	if !syncsLater {
		return nil
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
