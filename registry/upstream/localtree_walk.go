package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/requirement"
)

// Limits on what a directory of modules may have.
const (
	maxDirEntries   = 1 << 20 // of one directory
	maxTreeDirs     = 1 << 20
	maxTreeDepth    = 100
	maxTreeProblems = 100 // reported
	maxGlance       = 1 << 12
)

// Tree reports whether a directory looks like one that modules can be had from: a GOPROXY tree, a GOMODCACHE or its
// cache/download, a cache of github.com/goproxy/goproxy, or the disk storage of Athens. A directory with a go.mod or
// go.work file is a project. It takes a glance only: a tree whose first thousands of directories are empty is not
// recognised.
func Tree(dir string) bool {
	for _, name := range []string{"go.mod", "go.work"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return false
		}
	}
	root, err := localTree(dir).root()
	if err != nil {
		return false
	}
	defer root.Close()
	found := false
	w := treeWalk{root: root, budget: maxGlance}
	w.found = func(path string) bool {
		s, err := storedOf(root, path)
		found = err == nil && len(s.versions) > 0
		return !found
	}
	w.walk(context.Background(), "", 0)
	return found
}

// TreeVersions returns every version in a directory of modules, see [Tree]: those of which only go.mod is there are
// mod-only; From is the directory. The items are sorted by path and version. The errors are about what cannot be
// read, and about files that look like a version's and are none; at most 100 of them. Directories that are symbolic
// links are left out.
func TreeVersions(ctx context.Context, dir string) ([]requirement.Requirement, []error) {
	root, err := localTree(dir).root()
	if err != nil {
		return nil, []error{fmt.Errorf("looking for modules in %s: %w", dir, err)}
	}
	defer root.Close()
	var items []requirement.Requirement
	w := treeWalk{root: root, budget: maxTreeDirs}
	w.found = func(path string) bool {
		s, err := storedOf(root, path)
		w.problem(append(s.odd, err)...)
		for v, files := range s.versions {
			items = append(items, requirement.Requirement{Module: module.Version{Path: path, Version: v}, ModOnly: !files.zip, From: dir})
		}
		return true
	}
	w.walk(ctx, "", 0)
	if err := context.Cause(ctx); err != nil {
		return nil, []error{err}
	}
	slices.SortFunc(items, func(a, b requirement.Requirement) int {
		return cmp.Or(strings.Compare(a.Module.Path, b.Module.Path), semver.Compare(a.Module.Version, b.Module.Version),
			strings.Compare(a.Module.Version, b.Module.Version))
	})
	for i, err := range w.problems {
		w.problems[i] = fmt.Errorf("looking for modules in %s: %w", dir, err)
	}
	return items, w.problems
}

// treeWalk looks for modules in a directory.
type treeWalk struct {
	root     *os.Root
	budget   int // of directories to read
	found    func(path string) (goOn bool)
	problems []error
}

// walk calls found for the module of each directory below dir that has files of versions. It
// reports whether to go on.
func (w *treeWalk) walk(ctx context.Context, dir string, depth int) bool {
	if ctx.Err() != nil {
		return false
	}
	if w.budget--; w.budget < 0 || depth > maxTreeDepth {
		w.problem(fmt.Errorf("%s: too many directories: %w", dir, artifact.ErrLimit))
		return false
	}
	entries, err := readDir(w.root, dir)
	w.problem(err)
	modPath, isEscaped, isModule := pathOf(dir)
	isAthens := func(e os.DirEntry) bool {
		return isModule && e.IsDir() && goproxy.IsVersion(module.Version{Path: modPath, Version: e.Name()})
	}
	isProxy := func(e os.DirEntry) bool { return e.Name() == "@v" && e.IsDir() }
	if slices.ContainsFunc(entries, isProxy) && !isEscaped {
		w.problem(fmt.Errorf("%s: this is not the escaped path of a module", path.Join(dir, "@v")))
	} else if slices.ContainsFunc(entries, func(e os.DirEntry) bool { return isProxy(e) || isAthens(e) }) && !w.found(modPath) {
		return false
	}
	for _, e := range entries {
		// The first element of a module's path has a dot in it, and none begins with one.
		name := e.Name()
		isElement := !strings.HasPrefix(name, ".") && !strings.Contains(name, "@") && (dir != "" || strings.Contains(name, "."))
		if e.IsDir() && isElement && !isAthens(e) && !w.walk(ctx, path.Join(dir, name), depth+1) {
			return false
		}
	}
	return true
}

// problem keeps the errors that are some.
func (w *treeWalk) problem(errs ...error) {
	for _, err := range errs {
		if err != nil && len(w.problems) < maxTreeProblems {
			w.problems = append(w.problems, err)
		}
	}
}

// pathOf returns the module path that a directory is for. Only Athens does not escape it.
func pathOf(dir string) (path string, isEscaped, isModule bool) {
	if p, err := module.UnescapePath(dir); err == nil {
		return p, true, true
	}
	return dir, false, module.CheckPath(dir) == nil
}

// stored says what there is of a module.
type stored struct {
	versions map[string]storedFiles // of which at least one file is there
	odd      []error                // about files that are no version's
}

type storedFiles struct{ mod, zip bool }

// storedOf looks what there is of a module, in all layouts.
func storedOf(root *os.Root, modPath string) (stored, error) {
	s := stored{versions: make(map[string]storedFiles)}
	escaped, err := module.EscapePath(modPath)
	if err != nil {
		return s, nil
	}
	dir := escaped + "/@v"
	files, err := readDir(root, dir)
	if err != nil {
		return s, err
	}
	for _, f := range files {
		s.addFile(root, dir, f)
	}
	dirs, err := readDir(root, modPath)
	for _, d := range dirs {
		if v := d.Name(); goproxy.IsVersion(module.Version{Path: modPath, Version: v}) {
			for _, kind := range []goproxy.Kind{goproxy.Mod, goproxy.Zip} {
				s.note(v, kind, checkFile(root, path.Join(modPath, v, athensName(kind, v))))
			}
		}
	}
	return s, err
}

// addFile adds a file of a directory named @v.
func (s *stored) addFile(root *os.Root, dir string, f os.DirEntry) {
	name := path.Join(dir, f.Name())
	if ext := path.Ext(name); ext != ".zip" && ext != ".mod" {
		return
	}
	w, err := goproxy.Parse(name)
	if err == nil && !goproxy.IsVersion(w.Version) {
		err = fmt.Errorf("%s has no such version", w.Path)
	}
	if err != nil {
		s.odd = append(s.odd, fmt.Errorf("%s: %w", name, err))
		return
	}
	s.note(w.Version.Version, w.Kind, checkFile(root, name))
}

// note notes a file that was checked with the given result.
func (s *stored) note(version string, kind goproxy.Kind, err error) {
	switch {
	case err == nil:
		files := s.versions[version]
		s.versions[version] = storedFiles{mod: files.mod || kind == goproxy.Mod, zip: files.zip || kind == goproxy.Zip}
	case !errors.Is(err, ErrNotFound):
		s.odd = append(s.odd, err)
	}
}

// readDir reads a directory; one that is not there has no entries.
func readDir(root *os.Root, name string) ([]os.DirEntry, error) {
	name = filepath.FromSlash(cmp.Or(name, "."))
	info, err := root.Stat(name)
	if isAbsent(err) || err == nil && !info.IsDir() {
		return nil, nil
	}
	var d *os.File
	if err == nil {
		d, err = root.Open(name)
	}
	if err != nil {
		return nil, fileError(err)
	}
	defer d.Close()
	entries, err := d.ReadDir(maxDirEntries)
	switch {
	case err == io.EOF:
		return nil, nil
	case err != nil:
		return nil, fileError(err)
	case len(entries) == maxDirEntries:
		return nil, fmt.Errorf("%w: %s has more than %d files: %w", ErrUpstream, name, maxDirEntries, artifact.ErrLimit)
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}
