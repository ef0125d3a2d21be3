package cache

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Files are written by way of a temporary file. The module github.com/google/renameio would not do: it has none for
// Windows, where a shim reads what another one writes, too; it always flushes, which takes longer than all the rest
// of fetching a small file; and what killed processes leave behind has to lie where it is swept up.
const (
	// tempDir holds files being written, below the cache directory. No module path begins with a dot.
	tempDir = ".tmp"
	// tempAge is the age at which a temporary file nobody writes to any more is taken for what a killed process left
	// behind.
	tempAge = time.Hour
	// maxJSON bounds what is read of a file, in bytes.
	maxJSON = 16 << 20
)

// stamp identifies a file that was checked: writing another in its place, whoever does it, changes the stamp.
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

// commit gives the temporary file f its name: name has the whole content or none, if it is flushed after a power
// failure, too. f is closed, and gone after an error.
func (c *Cache) commit(f *os.File, name string, flush bool) (s stamp, err error) {
	if flush {
		err = f.Sync()
	}
	fi, serr := f.Stat()
	if err = errors.Join(err, serr, f.Close(), c.checkPlace(name)); err == nil {
		err = rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return stamp{}, err
	}
	c.usage.wrote(fi.Size())
	return stampOf(fi), nil
}

// checkPlace checks that no directory on the way to a file is a link: nothing is written or removed outside of the
// cache directory. (A link in the place of a file is replaced, not followed.)
func (c *Cache) checkPlace(name string) error {
	below, err := filepath.Rel(c.dir, filepath.Dir(name))
	if err != nil || below == "." {
		return err
	}
	dir := c.dir
	for elem := range strings.SplitSeq(below, string(filepath.Separator)) {
		dir = filepath.Join(dir, elem)
		fi, err := os.Lstat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case fi.Mode().Type() == fs.ModeSymlink:
			return fmt.Errorf("%s in the cache directory is a link, which is not followed: remove it", dir)
		}
	}
	return nil
}

// rename renames a file into a directory that may be missing.
func rename(from, to string) error {
	err := os.Rename(from, to)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(to), 0o777); err == nil {
			err = os.Rename(from, to)
		}
	}
	return err
}

func (c *Cache) write(name string, data []byte, flush bool) (stamp, error) {
	f, err := c.temp()
	if err != nil {
		return stamp{}, err
	}
	if _, err := f.Write(data); err != nil {
		discard(f)
		return stamp{}, err
	}
	return c.commit(f, name, flush)
}

// WriteFile writes a file. One that has this content already stays, for others may rely on its stamp. One whose
// content is checked when it is read need not be flushed to disk: a torn one is noticed, and fetched again.
func (c *Cache) WriteFile(name string, data []byte, flush bool) error {
	_, err := c.writeFile(name, data, flush)
	return err
}

func (c *Cache) writeFile(name string, data []byte, flush bool) (stamp, error) {
	if fi, err := os.Stat(name); err == nil && fi.Size() == int64(len(data)) {
		if old, err := os.ReadFile(name); err == nil && bytes.Equal(old, data) {
			return stampOf(fi), nil
		}
	}
	return c.write(name, data, flush)
}

// WriteJSON writes v to a file. It is not flushed to disk: a torn one does not parse, and that only means that the
// store is asked again.
func (c *Cache) WriteJSON(name string, v any) error {
	data, err := json.Marshal(v)
	if err == nil {
		_, err = c.write(name, append(data, '\n'), false)
	}
	return err
}

// ReadJSON decodes a file and returns its modification time.
func ReadJSON(name string, v any) (time.Time, error) {
	fi, err := os.Stat(name)
	if err != nil {
		return time.Time{}, err
	}
	if fi.Size() > maxJSON {
		return time.Time{}, ErrUnverified
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return time.Time{}, err
	}
	return fi.ModTime(), json.Unmarshal(data, v)
}

// Remove removes a file that may be gone already.
func (c *Cache) Remove(name string) error {
	fi, err := os.Lstat(name)
	if err == nil {
		err = c.checkPlace(name)
	}
	if err == nil {
		err = os.Remove(name)
	}
	if err == nil {
		c.usage.removed(fi.Size())
	}
	return ignoreGone(err)
}

// Touch records that a file that may be evicted is being used, by its time, which is last.
func (c *Cache) Touch(name string, last time.Time) {
	if now := c.now(); now.Sub(last).Abs() > touchInterval {
		_ = os.Chtimes(name, time.Time{}, now)
	}
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
