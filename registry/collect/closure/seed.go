package closure

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/registry/project"
	"github.com/modferry/modferry/registry/safetext"
)

// Seed finds out what those need who import packages of a module, which packages ever, or install its programs: what
// a module that imports all of them needs, for any choice of them; and what the module itself needs as a project. The
// version itself is always full. It is an error if that cannot be had; what only its dependencies lack is a warning.
// From is who needs what nothing more exact is known of; "" = the version.
func (r *Runner) Seed(ctx context.Context, m module.Version, from string) (_ *Result, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("finding out what it needs: %w", safetext.Naming(m.String(), err))
		}
	}()
	if err := module.Check(m.Path, m.Version); err != nil {
		return nil, err
	}
	v, err := r.view(m.String(), from)
	if err != nil {
		return nil, err
	}
	defer v.end(&err)
	v.foreign = true
	got, err := v.fetch(ctx, m)
	if err != nil {
		return nil, err
	}
	v.need(m, false)
	if got.tooOld != nil {
		v.warn("running the go command; only what its go.mod requires is known", got.tooOld)
		v.addRequired(got)
		return v.result(ctx)
	}
	dir, err := v.mkdir("producer")
	if err != nil {
		return nil, err
	}
	if err := modzip.Unzip(dir, m, got.Zip); err != nil {
		return nil, err
	}
	v.standsFor(dir, m.String())
	packages, err := findPackages(m.Path, dir)
	if err != nil {
		v.warn("looking for packages", err)
	}
	if err := v.consumers(ctx, got, packages); err != nil {
		v.warn("as a dependency", err)
	}
	if err := v.producer(ctx, m, dir); err != nil {
		v.warn("as a project", err)
	}
	return v.result(ctx)
}

// producer adds what a module in dir needs as the main module. That of a module without a
// go.mod is not known: it depends on what is newest on the day it is built.
func (v *view) producer(ctx context.Context, m module.Version, dir string) error {
	// What the author's workspace has is not in the zip, and go.mod says what its vendor directory has. A go.sum
	// may be wrong, and nobody notices but the author: the checksum database knows.
	for _, name := range []string{"go.work", "go.work.sum", "go.sum", "vendor"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	err := dropDirectories(filepath.Join(dir, "go.mod"), m.String()+"/go.mod")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	p, err := project.Load(dir)
	if err != nil {
		return err
	}
	for _, problem := range p.Problems {
		v.warn("as a project", problem)
	}
	v.project(ctx, p, false)
	return nil
}

// dropDirectories drops replacements by directories, which are not in a zip, from a go.mod that messages call name.
func dropDirectories(file, name string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	f, err := modfile.Parse(name, data, nil)
	if err != nil {
		return err
	}
	for _, r := range slices.Clone(f.Replace) {
		if r.New.Version == "" {
			err = errors.Join(err, f.DropReplace(r.Old.Path, r.Old.Version))
		}
	}
	f.Cleanup()
	if err == nil {
		err = os.Remove(file) // as it comes out of a zip, it is read-only
	}
	if err != nil {
		return err
	}
	return os.WriteFile(file, modfile.Format(f.Syntax), 0o644)
}

// maxGoFile is the most that is read of a Go file: package clauses come first.
const maxGoFile = 16 << 20

// findPackages returns the import paths of a module's packages that others may use, importable ones
// and programs: not those in internal, testdata or vendor, nor those that only somebody with the tag
// "ignore" sees. A file that cannot be read says nothing.
func findPackages(modPath, dir string) ([]string, error) {
	var packages []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != dir && (strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") ||
			slices.Contains([]string{"internal", "testdata", "vendor"}, d.Name())):
			return fs.SkipDir
		case !strings.HasSuffix(name, ".go"):
			return nil
		}
		rel, err := filepath.Rel(dir, filepath.Dir(name))
		if err != nil {
			return err
		}
		if p := path.Join(modPath, filepath.ToSlash(rel)); !slices.Contains(packages, p) && isSource(name) {
			packages = append(packages, p)
		}
		return nil
	})
	slices.Sort(packages)
	return packages, err
}

// isSource reports whether a file is part of a package for somebody, whatever the platform.
func isSource(name string) bool {
	base := filepath.Base(name)
	if strings.HasSuffix(base, "_test.go") || strings.HasPrefix(base, "_") || strings.HasPrefix(base, ".") {
		return false
	}
	if st, err := os.Stat(name); err != nil || !st.Mode().IsRegular() || st.Size() > maxGoFile {
		return false
	}
	f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.PackageClauseOnly|parser.ParseComments)
	return err == nil && f.Name.Name != "documentation" && canBuild(f)
}

// canBuild reports whether a file's build constraints can hold, those of the older form too.
func canBuild(f *ast.File) bool {
	for _, group := range f.Comments {
		for _, c := range group.List {
			if x, err := constraint.Parse(c.Text); err == nil && c.Pos() < f.Package && !canHold(x) {
				return false
			}
		}
	}
	return true
}

// canHold reports whether a constraint can hold, as "go mod tidy" sees it: any tag may be set
// or not, and in one place so and in another not, but "ignore" is not set.
func canHold(x constraint.Expr) bool {
	switch x := x.(type) {
	case *constraint.TagExpr:
		return x.Tag != "ignore"
	case *constraint.AndExpr:
		return canHold(x.X) && canHold(x.Y)
	case *constraint.OrExpr:
		return canHold(x.X) || canHold(x.Y)
	}
	return true
}
