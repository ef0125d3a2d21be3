package ocilayout

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// staleAfter is the age at which a temporary file, which grows as long as someone writes
// it, belongs to nobody any more.
const staleAfter = 24 * time.Hour

// writeFile replaces a file of the layout's directory, durably.
func (l *layout) writeFile(name string, write func(io.Writer) error) error {
	if err := l.replaceFile(l.path(name), 0o666, write); err != nil {
		return err
	}
	return syncDir(l.dir)
}

// replaceFile writes target by way of a temporary file of the layout, so that target is there whole or not at all. The
// name is durable once its directory is synced. (renameio does the same, but has no build for Windows.)
func (l *layout) replaceFile(target string, perm fs.FileMode, write func(io.Writer) error) error {
	f, err := os.OpenFile(filepath.Join(l.dir, tmpDir, rand.Text()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // it has another name if all goes well
	defer f.Close()
	if err := write(f); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), target)
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

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
