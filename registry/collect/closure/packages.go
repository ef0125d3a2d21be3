package closure

import (
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
)

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
