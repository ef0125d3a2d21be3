package project

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/modferry/modferry/artifact/userfile"
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

// withoutName leaves out the name of a file that userfile.Read could not read, which is told otherwise.
func withoutName(err error) error {
	for _, what := range []error{userfile.ErrNotRegular, userfile.ErrTooLarge} {
		if errors.Is(err, what) {
			return what
		}
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}
