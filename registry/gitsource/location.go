package gitsource

import (
	"context"
	"fmt"
	"path"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// A tree is a set of files, by their slash-separated paths: those of a commit, or those in a directory.
type tree interface {
	list() []string // the names of all, sorted

	// read returns a file. The error is artifact.ErrLimit if it is larger than a go.mod may be.
	read(ctx context.Context, name string) ([]byte, error)
}

// A location is where a module is in its repository. Its path says that:
//
//	module path = root [ "/" code directory ] [ "/v" N ]        N >= 2
//
// The files are in the code directory, or in the directory vN below it. The module's tags have the code directory as prefix,
// never vN. A path that begins with gopkg.in has its major version behind a dot, always, and no code directory. Without a
// go.mod file a directory is a module only in the root, and of any major version: from v2 on with +incompatible.
//
// Directories are slash-separated.
type location struct {
	path    string
	prefix  string // path without major
	major   string // "", "/v2", or ".v1" for gopkg.in
	codeDir string // what tags are prefixed with; empty for the root
	dir     string // where the files are: codeDir or the directory vN below it; "." for the root
	goMod   []byte // nil if there is none
}

// newLocation places a module in a directory. Its path must be a valid one.
func newLocation(modPath, dir string, goMod []byte) *location {
	l := &location{path: modPath, dir: dir, codeDir: dir, goMod: goMod}
	l.prefix, l.major, _ = module.SplitPathVersion(modPath)
	if strings.HasPrefix(l.major, "/") && path.Base(dir) == l.major[1:] && !strings.HasSuffix(l.prefix, "/"+dir) {
		l.codeDir = path.Dir(dir)
	}
	if l.codeDir == "." {
		l.codeDir = ""
	}
	return l
}

// file is the name of the go.mod file.
func (l *location) file() string { return path.Join(l.dir, "go.mod") }

// tag is the name of a version's tag.
func (l *location) tag(version string) string {
	return path.Join(l.codeDir, strings.TrimSuffix(version, "+incompatible"))
}

// root returns the path of the repository's root. If the module path does not lead from there to the code directory, a
// go-import meta tag has to: subdir is what it says.
func (l *location) root() (root, subdir string) {
	if strings.HasPrefix(l.major, ".") {
		return l.path, l.codeDir
	}
	if above, ok := strings.CutSuffix(l.prefix, "/"+l.codeDir); ok {
		return above, ""
	}
	return l.prefix, l.codeDir
}

// version returns a version that no tag has as the go command would have it: with +incompatible where that is due.
func (l *location) version(v string) (string, error) {
	if l.goMod == nil && !module.MatchPathMajor(v, l.major) {
		v += "+incompatible"
	}
	if module.Check(l.path, v) != nil || l.goMod != nil && strings.HasSuffix(v, "+incompatible") {
		return "", fmt.Errorf("%w: %s of %s; from v2 on the path ends in the major version, as in %s/v2", ErrVersion, v, l.path, l.prefix)
	}
	return v, nil
}

// locate finds the module in the directory at or below, or whatever module at is if modPath is empty.
func locate(ctx context.Context, t tree, at, modPath string) (*location, error) {
	var found []*location
	var others []string // other modules
	isHere, isRoot := false, false
	for _, name := range t.list() {
		dir := path.Dir(name)
		below := modPath != "" && (at == "." || strings.HasPrefix(dir, at+"/"))
		if path.Base(name) != "go.mod" || dir != at && !below {
			continue
		}
		goMod, err := t.read(ctx, name)
		if err != nil {
			return nil, err
		}
		l := newLocation(modfile.ModulePath(goMod), dir, goMod)
		root, subdir := l.root()
		if modPath == "" || l.path == modPath && (dir == at || subdir == "") {
			found = append(found, l)
			continue
		}
		others = append(others, fmt.Sprintf("%s (%s)", name, l.path))
		isHere, isRoot = isHere || dir == at, isRoot || root == modPath && subdir == ""
	}
	switch {
	case len(found) == 1:
		return found[0], found[0].check(modPath)
	case len(found) > 1:
		return nil, fmt.Errorf("%w: %s and %s both declare %s", ErrNoModule, found[0].file(), found[1].file(), modPath)
	case isHere || len(others) > 0 && !isRoot: // perhaps it is misspelt, and everything would be published under it
		return nil, fmt.Errorf("%w: there is no %s, nor is any module below that, but there is %s", ErrNoModule, modPath, few(others))
	case modPath == "" || at != ".":
		return nil, fmt.Errorf("%w: there is no %s, or git ignores it; without one only a root is a module, and needs its path given",
			ErrNoModule, path.Join(at, "go.mod"))
	}
	return newLocation(modPath, at, nil), nil
}

// check checks that there can be such a go.mod file there. If the module is named, a meta tag may lead to it.
func (l *location) check(modPath string) error {
	_, err := modfile.ParseLax(l.file(), l.goMod, nil)
	if err == nil {
		err = module.CheckPath(l.path)
	}
	if _, subdir := l.root(); err == nil && subdir != "" && modPath == "" {
		err = fmt.Errorf("the go command does not look there for %s; if a go-import meta tag leads there, name it as well", l.path)
	}
	if err != nil {
		err = fmt.Errorf("%w: %s: %w", ErrNoModule, l.file(), err)
	}
	return err
}

// few names the first of many.
func few(names []string) string {
	if len(names) > 5 {
		names = append(names[:5:5], "and more")
	}
	return strings.Join(names, ", ")
}
