package gitsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/artifact"
)

// Where a module is
//
// A module path is the path of its repository, the directory, and the major version:
//
//	module path = root [ "/" code directory ] [ "/v" N ]        N >= 2
//
// The files are in the code directory, or in the directory vN below it; not
// in both. Its tags have the code directory as prefix, never vN. A path that
// begins with gopkg.in has its major version behind a dot, always, and no code directory. Without
// a go.mod file a directory is a module only in the root, and of any major version: from v2 on
// with +incompatible.

// A reader returns a file of a commit, or of a directory, by its path from the
// root. The error is fs.ErrNotExist if there is none.
type reader func(ctx context.Context, name string) ([]byte, error)

// diskReader reads from a directory. Only plain files count, as in module zips.
func diskReader(root string) reader {
	return func(_ context.Context, name string) ([]byte, error) {
		file := filepath.Join(root, filepath.FromSlash(name))
		st, err := os.Lstat(file)
		if err != nil {
			return nil, err
		}
		if !st.Mode().IsRegular() || !inTree(root, name) {
			return nil, &fs.PathError{Op: "open", Path: file, Err: fs.ErrNotExist}
		}
		f, err := os.OpenInRoot(root, filepath.FromSlash(name)) // whatever has become of it since
		if err != nil {
			return nil, err
		}
		defer f.Close()
		data, err := io.ReadAll(io.LimitReader(f, modzip.MaxGoMod+1))
		if err == nil && len(data) > modzip.MaxGoMod {
			err = tooLarge(name)
		}
		return data, err
	}
}

// inTree says whether the directories between root and a file are no links, which lead anywhere.
func inTree(root, name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if st, err := os.Lstat(filepath.Join(root, filepath.FromSlash(dir))); err != nil || !st.IsDir() {
			return false
		}
	}
	return true
}

func tooLarge(name string) error {
	return fmt.Errorf("%s is larger than %d bytes: %w", name, modzip.MaxGoMod, artifact.ErrLimit)
}

// A spot is where a module is.
type spot struct {
	path    string
	prefix  string // path without major
	major   string // "", "/v2", or ".v1" for gopkg.in
	codeDir string // what tags are prefixed with
	dir     string // where the files are: codeDir or the directory vN below it
	goMod   []byte // nil if there is none
}

// newSpot places a module in a directory. Its path must be a valid one.
func newSpot(modPath, dir string, goMod []byte) *spot {
	s := &spot{path: modPath, dir: dir, codeDir: dir, goMod: goMod}
	s.prefix, s.major, _ = module.SplitPathVersion(modPath)
	if strings.HasPrefix(s.major, "/") && path.Base(dir) == s.major[1:] && !strings.HasSuffix(s.prefix, "/"+dir) {
		s.codeDir = parent(dir)
	}
	return s
}

// parent returns the directory above, "" for the root.
func parent(dir string) string {
	if up := path.Dir(dir); up != "." {
		return up
	}
	return ""
}

// fits says whether the go command, given the path, would look in the directory.
func (s *spot) fits() bool {
	if s.codeDir == "" {
		return true
	}
	return !strings.HasPrefix(s.major, ".") && strings.HasSuffix(s.prefix, "/"+s.codeDir)
}

// tag is the name of a version's tag.
func (s *spot) tag(version string) string { return path.Join(s.codeDir, withoutIncompatible(version)) }

// tagPrefix is what the tags of all versions begin with.
func (s *spot) tagPrefix() string {
	if s.codeDir == "" {
		return ""
	}
	return s.codeDir + "/"
}

// candidates are the directories where module want may be: at, and those below
// it that the go command would look in if the path of the repository ended before.
func candidates(at, want string) []string {
	dirs := []string{at}
	if want == "" {
		return dirs
	}
	prefix, major, _ := module.SplitPathVersion(want)
	elems := strings.Split(prefix, "/")
	for i := len(elems); i > 0; i-- {
		dir := path.Join(append([]string{at}, elems[i:]...)...)
		if i < len(elems) {
			dirs = append(dirs, dir)
		}
		if strings.HasPrefix(major, "/") {
			dirs = append(dirs, path.Join(dir, major[1:]))
		}
	}
	return dirs
}

// locate finds the module want in the directory at or below, or whatever
// module at is if want is empty.
func locate(ctx context.Context, read reader, at, want string) (*spot, error) {
	var found []*spot
	other := ""
	for _, dir := range candidates(at, want) {
		name := path.Join(dir, "go.mod")
		goMod, err := read(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		declared, err := declaredPath(name, goMod)
		switch {
		case err != nil:
			return nil, err
		case want == "" || declared == want:
			found = append(found, newSpot(declared, dir, goMod))
		case dir == at:
			other = declared
		}
	}
	switch {
	case len(found) > 1:
		return nil, fmt.Errorf("%w: %s and %s both declare %s", ErrNoModule, found[0].file(), found[1].file(), want)
	case len(found) == 1:
		return found[0], found[0].alone(ctx, read, want != "")
	case other != "":
		return nil, fmt.Errorf("%w: %s declares %s, and there is no module %s below it", ErrNoModule, path.Join(at, "go.mod"), other, want)
	}
	return legacy(at, want)
}

// declaredPath returns the module path in a go.mod file, which must be a valid one.
func declaredPath(name string, goMod []byte) (string, error) {
	if _, err := modfile.ParseLax(name, goMod, nil); err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoModule, err)
	}
	declared := modfile.ModulePath(goMod)
	if declared == "" {
		return "", fmt.Errorf("%w: %s declares no module path", ErrNoModule, name)
	}
	if err := module.CheckPath(declared); err != nil {
		return "", fmt.Errorf("%w: %s: %w", ErrNoModule, name, err)
	}
	return declared, nil
}

// file is the name of the go.mod file.
func (s *spot) file() string { return path.Join(s.dir, "go.mod") }

// alone checks that the go command, which knows the path only, comes to the same
// directory and to no other. If named, a meta tag may lead it to the directory.
func (s *spot) alone(ctx context.Context, read reader, named bool) error {
	if !named && !s.fits() {
		return fmt.Errorf("%w: %s declares %s, and the go command does not look there for a path that does not end in it; if a go-import meta tag leads there, give the module path as well",
			ErrNoModule, s.file(), s.path)
	}
	if !strings.HasPrefix(s.major, "/") {
		return nil
	}
	rival := path.Join(s.codeDir, s.major[1:], "go.mod")
	if s.dir != s.codeDir {
		rival = path.Join(s.codeDir, "go.mod")
	}
	data, err := read(ctx, rival)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	declared := modfile.ModulePath(data)
	if s.dir == s.codeDir || s.sameMajor(declared) {
		return fmt.Errorf("%w: besides %s there is %s, of module %q, and the go command takes neither for %s", ErrNoModule, s.file(), rival, declared, s.path)
	}
	return nil
}

// sameMajor says whether a path allows the same major versions.
func (s *spot) sameMajor(other string) bool {
	_, major, ok := module.SplitPathVersion(other)
	switch {
	case other == "" || !ok:
		return false
	case s.major == "":
		return slices.Contains([]string{"", "v0", "v1"}, module.PathMajorPrefix(major))
	}
	return major != "" && major[1:] == s.major[1:]
}

// check returns the version v as the go command has it for this module: with
// +incompatible where that is due. Asked is the version that was asked for, if any.
func (s *spot) check(ctx context.Context, read reader, v, asked string) (string, error) {
	if v == withoutIncompatible(asked) {
		v = asked
	}
	base := withoutIncompatible(v)
	if module.MatchPathMajor(base, s.major) {
		if v != base {
			return "", fmt.Errorf("%w: %s must not be +incompatible: major version %s is compatible", ErrVersion, v, semver.Major(v))
		}
		return v, nil
	}
	ok, err := s.mayBeIncompatible(ctx, read, base, asked)
	switch {
	case err != nil:
		return "", err
	case ok:
		return base + "+incompatible", nil
	case s.major != "":
		return "", fmt.Errorf("%w: %s of %s: the path ends in %s, so the major version must be the same", ErrVersion, v, s.path, s.major)
	}
	return "", fmt.Errorf("%w: %s of %s: from v2 on the path of a module with a go.mod file ends in the major version; change it, and the imports, to %s",
		ErrVersion, v, s.path, path.Join(s.path, semver.Major(v)))
}

// mayBeIncompatible says whether a version whose major version the path does
// not have is allowed: without a go.mod file, and unless there is one in the
// directory of that major version; the latter does not matter to who asks for +incompatible.
func (s *spot) mayBeIncompatible(ctx context.Context, read reader, v, asked string) (bool, error) {
	if s.codeDir != "" || s.major != "" || s.goMod != nil {
		return false, nil
	}
	if strings.HasSuffix(asked, "+incompatible") {
		return true, nil
	}
	_, err := read(ctx, path.Join(semver.Major(v), "go.mod"))
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return false, err
}

func withoutIncompatible(version string) string { return strings.TrimSuffix(version, "+incompatible") }
