package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modferry/modferry/artifact/goproxy"
)

// localTree is a directory that modules can be had from, in one of these layouts, or in several:
//
//	<path>/@v/<version>.info, .mod, .zip   GOPROXY; what github.com/goproxy/goproxy
//	<path>/@v/list, <path>/@latest         caches; GOMODCACHE/cache/download
//	cache/download/…                       GOMODCACHE: the same, and nothing else counts
//	<path>/<version>/<version>.info        the disk storage of Athens, where paths
//	<path>/<version>/go.mod, source.zip    and versions are not escaped
//
// Caches hold what somebody once needed, so that much may be missing: see open. Whatever else lies there, as locks
// and unfinished downloads, does not count, nor do empty files, which are what a crash leaves behind.
//
// Symbolic links count as long as they stay in the directory, as they then are part of what the user named; what
// leads out of it is an error. The directory itself, and cache/download, may be links to anywhere.
type localTree string

// open opens a file, as trees do. It may be one that the directory only implies:
//
//	list      the versions whose zip is there; if there are no zips, those of a list
//	          file whose go.mod is
//	@latest   counts if that version is there
//
// An .info file is not made up here, as another upstream may have the real one: see [Upstream.Info].
func (t localTree) open(_ context.Context, name string) (io.ReadCloser, error) {
	root, err := t.root()
	if err != nil {
		return nil, err
	}
	defer root.Close() // what was opened stays open
	w, err := goproxy.Parse(name)
	if err != nil {
		return openFile(root, name) // not a module's file
	}
	switch w.Kind {
	case goproxy.List:
		return t.list(root, w.Path)
	case goproxy.Latest:
		return t.latest(root, w.Path)
	}
	for _, name := range localNames(w) {
		if f, err := openFile(root, name); !errors.Is(err, ErrNotFound) {
			return f, err
		}
	}
	return nil, ErrNotFound
}

// has reports whether a version is there, be it in parts.
func (t localTree) has(m module.Version) bool {
	root, err := t.root()
	if err != nil {
		return false
	}
	defer root.Close()
	return goproxy.IsVersion(m) && has(root, m)
}

// root opens the directory that the layout's names are below.
func (t localTree) root() (*os.Root, error) {
	root, err := os.OpenRoot(filepath.Join(string(t), "cache", "download"))
	if isAbsent(err) {
		root, err = os.OpenRoot(string(t))
	}
	if err != nil {
		return nil, fileError(err)
	}
	return root, nil
}

// list makes the list of a module's versions.
func (t localTree) list(root *os.Root, path string) (io.ReadCloser, error) {
	s, err := versionsOf(root, path)
	if err != nil {
		return nil, err
	}
	name, err := goproxy.File{Version: module.Version{Path: path}, Kind: goproxy.List}.Name()
	if err != nil {
		return nil, ErrNotFound
	}
	listed, err := readIn(root, name, maxList)
	isListed := !errors.Is(err, ErrNotFound)
	if err != nil && isListed {
		return nil, err
	}
	var list []string
	for m, files := range s.files {
		if files.zip {
			list = append(list, m.Version)
		}
	}
	if len(list) == 0 {
		for _, v := range goproxy.ParseList(listed) {
			if s.files[module.Version{Path: path, Version: v}].mod {
				list = append(list, v)
			}
		}
	}
	if len(list) == 0 {
		// Others may know more, unless this is a module without any tag.
		latest, err := t.latest(root, path)
		if err != nil || !isListed {
			return nil, ErrNotFound
		}
		return io.NopCloser(strings.NewReader("")), latest.Close()
	}
	semver.Sort(list)
	return io.NopCloser(strings.NewReader(strings.Join(slices.Compact(list), "\n") + "\n")), nil
}

// latest opens the @latest file, unless it is of a version that is not there.
func (t localTree) latest(root *os.Root, path string) (io.ReadCloser, error) {
	name, err := goproxy.File{Version: module.Version{Path: path}, Kind: goproxy.Latest}.Name()
	if err != nil {
		return nil, ErrNotFound
	}
	data, err := readIn(root, name, MaxInfo)
	if err != nil {
		return nil, err
	}
	var info struct{ Version string }
	if json.Unmarshal(data, &info) == nil && !has(root, module.Version{Path: path, Version: info.Version}) {
		return nil, ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// localNames returns the slash-separated names that a version's file may have in a
// directory, the protocol's own first.
func localNames(w goproxy.File) []string {
	name, err := w.Name()
	if err != nil {
		return nil
	}
	if !goproxy.IsVersion(w.Version) {
		return []string{name}
	}
	return []string{name, path.Join(w.Path, w.Version.Version, athensName(w.Kind, w.Version.Version))}
}

// athensName returns the name of a file in a version's directory of Athens' storage.
func athensName(kind goproxy.Kind, dir string) string {
	switch kind {
	case goproxy.Zip:
		return "source.zip"
	case goproxy.Mod:
		return "go.mod"
	}
	return dir + ".info"
}

// MadeUpInfo is the .info file of a version of which nothing is known.
func MadeUpInfo(m module.Version) []byte {
	data, _ := json.Marshal(struct{ Version string }{m.Version}) // of a string, it cannot fail
	return data
}

// has is localTree.has for an open one.
func has(root *os.Root, m module.Version) bool {
	names := append(localNames(goproxy.File{Version: m, Kind: goproxy.Mod}), localNames(goproxy.File{Version: m, Kind: goproxy.Zip})...)
	return slices.ContainsFunc(names, func(name string) bool { return checkFile(root, name) == nil })
}

// checkFile is an error if a file is not regular, or ErrNotFound if it is empty or not there.
func checkFile(root *os.Root, name string) error {
	name = filepath.FromSlash(name)
	info, err := root.Stat(name)
	switch {
	case err != nil:
		return fileError(err)
	case !info.Mode().IsRegular():
		return fileError(&fs.PathError{Op: "open", Path: name, Err: errNotRegular})
	case info.Size() == 0:
		return ErrNotFound
	}
	return nil
}

// openFile opens a file.
func openFile(root *os.Root, name string) (io.ReadCloser, error) {
	if err := checkFile(root, name); err != nil { // before opening: a pipe would block
		return nil, err
	}
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, fileError(err)
	}
	return f, nil
}

// readIn reads a file; a list may be empty.
func readIn(root *os.Root, name string, limit int64) ([]byte, error) {
	f, err := openFile(root, name)
	if err != nil {
		if info, statErr := root.Stat(filepath.FromSlash(name)); statErr == nil && info.Size() == 0 && info.Mode().IsRegular() {
			return nil, nil
		}
		return nil, err
	}
	defer f.Close()
	return readLimited(f, limit)
}

// fileError makes an upstream's error of one of the file system.
func fileError(err error) error {
	if isAbsent(err) {
		return ErrNotFound
	}
	return fmt.Errorf("%w: %w", ErrUpstream, err)
}

// isAbsent reports whether an error says that a file, or a directory on the way to it, is not there.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
