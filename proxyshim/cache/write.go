package cache

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// tempDir holds files being written, below the cache directory. No module path
// begins with a dot.
const tempDir = ".tmp"

// tempAge is the age at which a temporary file nobody writes to any more is
// taken for what a killed process left behind.
const tempAge = time.Hour

// stamp identifies a file that was checked: writing another in its place,
// whoever does it, changes the stamp.
type stamp struct {
	Size    int64 `json:"size"`
	ModTime int64 `json:"modTime"` // nanoseconds since 1970
}

func stampOf(fi fs.FileInfo) stamp {
	return stamp{Size: fi.Size(), ModTime: fi.ModTime().UnixNano()}
}

// temp creates an empty temporary file.
func (c *Cache) temp() (*os.File, error) {
	const flags = os.O_RDWR | os.O_CREATE | os.O_EXCL
	name := filepath.Join(c.dir, tempDir, rand.Text())
	f, err := os.OpenFile(name, flags, 0o666)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return nil, err
	}
	return os.OpenFile(name, flags, 0o666)
}

// discard closes and removes a temporary file.
func discard(f *os.File) {
	_ = f.Close()
	_ = os.Remove(f.Name())
}

// commit gives the temporary file f its name: name has the whole content or none,
// after a power failure too. f is closed, and gone after an error.
func (c *Cache) commit(f *os.File, name string) (stamp, error) {
	if err := f.Sync(); err != nil {
		discard(f)
		return stamp{}, err
	}
	return c.rename(f, name)
}

// rename is commit without the power failure.
func (c *Cache) rename(f *os.File, name string) (stamp, error) {
	fi, err := f.Stat()
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(name), 0o777); err == nil {
			err = os.Rename(f.Name(), name)
		}
	}
	if err != nil {
		discard(f)
		return stamp{}, err
	}
	c.size.Add(fi.Size())
	return stampOf(fi), nil
}

// writeFile writes data to name, by way of a temporary file. A file that has this
// content already stays, for others may rely on its stamp.
func (c *Cache) WriteFile(name string, data []byte) (stamp, error) {
	if fi, err := os.Stat(name); err == nil && fi.Size() == int64(len(data)) {
		if old, err := os.ReadFile(name); err == nil && bytes.Equal(old, data) {
			return stampOf(fi), nil
		}
	}
	f, err := c.temp()
	if err != nil {
		return stamp{}, err
	}
	if _, err := f.Write(data); err != nil {
		discard(f)
		return stamp{}, err
	}
	return c.commit(f, name)
}

// sweep removes temporary files left behind.
func (c *Cache) sweep() {
	dir := filepath.Join(c.dir, tempDir)
	files, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, file := range files {
		fi, err := file.Info()
		if err == nil && time.Since(fi.ModTime()) > tempAge {
			_ = os.Remove(filepath.Join(dir, file.Name()))
		}
	}
}
