package project

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// place is a directory: absolute, and as a person would have it.
type place struct{ abs, shown string }

// at returns the directory that a path in a go.mod or go.work file in pl means.
func (pl place) at(path string) place {
	path = filepath.FromSlash(path)
	if filepath.IsAbs(path) {
		path = filepath.Clean(path)
		return place{path, path}
	}
	return place{filepath.Join(pl.abs, path), filepath.Join(pl.shown, path)}
}

// file returns the name to show of a file in pl.
func (pl place) file(name string) string { return filepath.Join(pl.shown, name) }

// slashed returns a name as seen from dir, as it is written in go.mod and go.work files.
// It stays absolute if there is no way from dir to it.
func slashed(dir, name string) string {
	if rel, err := filepath.Rel(dir, name); err == nil {
		name = rel
	}
	return filepath.ToSlash(name)
}

// dotted makes a slashed directory name look like one, not like a module path.
func dotted(name string) string {
	if name == "." || name == ".." || strings.HasPrefix(name, "../") || filepath.IsAbs(filepath.FromSlash(name)) {
		return name
	}
	return "./" + name
}

// isFile reports whether there is such a file. One about which nothing can be
// found out is there: reading it tells why.
func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && !info.IsDir() || err != nil && !missing(err)
}

// missing reports whether an error says that there is no such file, not even a directory that it could be in.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// ReadFile reads a file of at most limit bytes. What is no regular file is refused: reading a
// pipe might never end. Only errors of the system name the file.
func ReadFile(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadAll(f, limit)
}

// ReadAll reads at most limit bytes, and fails if there are more.
func ReadAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("more than %d MiB", limit>>20)
	}
	return data, err
}

// withoutName leaves out the name of a file, which is told otherwise.
func withoutName(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}
