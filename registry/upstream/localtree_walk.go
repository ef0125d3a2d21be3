package upstream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/requirement"
)

// Limits on what is looked for in a directory of modules.
const (
	maxTreeDirs     = 1 << 20
	maxGlance       = 1 << 12 // directories
	maxTreeProblems = 100     // reported
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
	s := stored{root: root, files: make(map[module.Version]storedFiles)}
	_ = s.walk(context.Background(), maxGlance, func() bool { return len(s.files) > 0 })
	return len(s.files) > 0
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
	s := stored{root: root, files: make(map[module.Version]storedFiles)}
	if err := s.walk(ctx, maxTreeDirs, func() bool { return false }); err != nil {
		return nil, []error{err}
	}
	set := make(requirement.Set)
	for m, files := range s.files {
		set.Add(requirement.Requirement{Module: m, ModOnly: !files.zip, From: dir})
	}
	for i, err := range s.odd {
		s.odd[i] = fmt.Errorf("looking for modules in %s: %w", dir, err)
	}
	return set.Sorted(), s.odd
}

// stored says what there is in a directory.
type stored struct {
	root  *os.Root
	files map[module.Version]storedFiles // of which at least one is there
	odd   []error                        // about what cannot be read, and files that are no version's
}

type storedFiles struct{ mod, zip bool }

// walk adds what is there, up to a number of directories, or until it is enough. The error is that of ctx.
func (s *stored) walk(ctx context.Context, dirs int, enough func() bool) error {
	return fs.WalkDir(s.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch base := path.Base(name); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			s.problem(fileError(err))
		case !d.IsDir():
			if s.add(name); enough() {
				return fs.SkipAll
			}
		case name == ".":
		case strings.HasPrefix(base, "."), strings.Contains(base, "@") && base != "@v", !strings.Contains(name, "."):
			return fs.SkipDir // the first element of a module's path has a dot in it, and none begins with one
		case dirs == 0:
			s.problem(fmt.Errorf("%s: too many directories: %w", name, artifact.ErrLimit))
			return fs.SkipAll
		default:
			dirs--
		}
		return nil
	})
}

// versionsOf returns what there is of one module.
func versionsOf(root *os.Root, modPath string) (*stored, error) {
	s := &stored{root: root, files: make(map[module.Version]storedFiles)}
	escaped, err := module.EscapePath(modPath)
	if err != nil {
		return s, nil
	}
	for _, dir := range []string{escaped + "/@v", modPath} {
		entries, err := fs.ReadDir(root.FS(), dir)
		if err != nil && !isAbsent(err) {
			return nil, fileError(err)
		}
		for _, e := range entries {
			s.add(path.Join(dir, e.Name()))
			s.add(path.Join(dir, e.Name(), "go.mod"))
			s.add(path.Join(dir, e.Name(), "source.zip"))
		}
	}
	return s, nil
}

// add adds a file, if it is the go.mod or the zip of a version, in any layout.
func (s *stored) add(name string) {
	f, err := storedFile(name)
	if err == nil && f.Kind != "" {
		err = checkFile(s.root, name)
	}
	if err != nil || f.Kind == "" {
		s.problem(err)
		return
	}
	files := s.files[f.Version]
	s.files[f.Version] = storedFiles{mod: files.mod || f.Kind == goproxy.Mod, zip: files.zip || f.Kind == goproxy.Zip}
}

// problem keeps an error, unless it says that something is not there.
func (s *stored) problem(err error) {
	if err != nil && !errors.Is(err, ErrNotFound) && len(s.odd) < maxTreeProblems {
		s.odd = append(s.odd, err)
	}
}

// storedFile takes the name of a go.mod or zip apart; others have no Kind.
func storedFile(name string) (goproxy.File, error) {
	dir, base := path.Split(name)
	dir = path.Clean(dir)
	if path.Base(dir) == "@v" {
		if ext := path.Ext(base); ext != ".zip" && ext != ".mod" {
			return goproxy.File{}, nil
		}
		f, err := goproxy.Parse(name)
		if err == nil && !f.HasVersion() {
			err = fmt.Errorf("%s has no such version", f.Path)
		}
		if err != nil {
			return f, fmt.Errorf("%s: %w", name, err)
		}
		return f, nil
	}
	kinds := []goproxy.Kind{goproxy.Mod, goproxy.Zip}
	m := module.Version{Path: path.Dir(dir), Version: path.Base(dir)}
	i := slices.IndexFunc(kinds, func(k goproxy.Kind) bool { return athensName(k, m.Version) == base })
	if i < 0 || !goproxy.IsVersion(m) {
		return goproxy.File{}, nil
	}
	return goproxy.File{Version: m, Kind: kinds[i]}, nil
}
