package main

import (
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// parsedTests are the functions of the module's test files by their names and directories, but for methods.
type parsedTests map[string]map[string]parsedTest

type parsedTest struct {
	*ast.FuncDecl
	constraint string // of its file
}

// parseTests parses the tests of the module.
func parseTests(t *testing.T) parsedTests {
	t.Helper()
	tests := make(parsedTests)
	must(t, filepath.WalkDir("../..", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err == nil {
			tests.add(filepath.Dir(file), f)
		}
		return err
	}))
	return tests
}

func (p parsedTests) add(dir string, f *ast.File) {
	only := ""
	for _, group := range f.Comments {
		if c := group.List[0]; c.Pos() < f.Package && constraint.IsGoBuild(c.Text) {
			only = c.Text
		}
	}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
			if p[fn.Name.Name] == nil {
				p[fn.Name.Name] = make(map[string]parsedTest)
			}
			p[fn.Name.Name][dir] = parsedTest{fn, only}
		}
	}
}

// idle says why a test does not hold anything, "" if it does: it is there, it runs on every Unix, and neither it nor a
// function that it calls skips it for anything but the system or the user that it runs on, and it can fail.
func (p parsedTests) idle(name string) string {
	if !strings.HasPrefix(name, "Test") && !strings.HasPrefix(name, "Fuzz") || len(p[name]) == 0 {
		return "is not there"
	}
	for dir, test := range p[name] {
		switch {
		case test.constraint != "" && test.constraint != "//go:build unix":
			return "runs with " + test.constraint + " only"
		case p.skips(dir, test, nil):
			return "may be skipped"
		case !canFail(test):
			return "cannot fail"
		}
	}
	return ""
}

// skips reports whether a function, or one of the same directory that it calls, skips the test.
func (p parsedTests) skips(dir string, fn parsedTest, callers []string) (found bool) {
	if slices.Contains(callers, fn.Name.Name) {
		return false
	}
	callers = append(callers, fn.Name.Name)
	ast.Inspect(fn.FuncDecl, func(n ast.Node) bool {
		if branch, ok := n.(*ast.IfStmt); ok && asksForTheSystem(branch.Cond) {
			return false
		}
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return !found
		}
		switch f := call.Fun.(type) {
		case *ast.SelectorExpr:
			found = found || slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, f.Sel.Name)
		case *ast.Ident:
			called, here := p[f.Name][dir]
			found = found || here && p.skips(dir, called, callers)
		}
		return !found
	})
	return found
}

// asksForTheSystem reports whether a condition is about the operating system or the user.
func asksForTheSystem(cond ast.Expr) (is bool) {
	ast.Inspect(cond, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			is = is || slices.Contains([]string{"GOOS", "Getuid", "Geteuid"}, s.Sel.Name)
		}
		return true
	})
	return is
}

// canFail reports whether a test calls anything that may fail it: a method of its t, or a function that gets that.
func canFail(test parsedTest) (can bool) {
	ast.Inspect(test.FuncDecl, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if f, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"Error", "Errorf", "Fatal", "Fatalf"}, f.Sel.Name) {
			can = true
		}
		can = can || slices.ContainsFunc(call.Args, func(arg ast.Expr) bool { id, ok := arg.(*ast.Ident); return ok && id.Name == "t" })
		return true
	})
	return can
}

func TestTestsThatHoldNothingAreNoticed(t *testing.T) {
	const source = `package x
func TestGood(t *testing.T) { if runtime.GOOS == "windows" { t.Skip("no links") }; t.Error("x") }
func TestByHelper(t *testing.T) { check(t) }
func TestSkipped(t *testing.T) { t.Skip("flaky"); t.Error("x") }
func TestSometimes(t *testing.T) { if os.Getenv("X") == "" { t.Skipf("no %s", "X") }; t.Error("x") }
func TestSkippedBelow(t *testing.T) { t.Run("x", func(t *testing.T) { need(t); t.Error("x") }) }
func TestNothing(t *testing.T) { work() }
func check(t *testing.T) { t.Fatal("x") }
func need(t *testing.T) { t.Skip("missing tool") }
`
	tests := make(parsedTests)
	for name, text := range map[string]string{"x_test.go": source, "tagged_test.go": "//go:build network\n\npackage x\nfunc TestTagged(t *testing.T) { t.Error() }\n"} {
		f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments)
		must(t, err)
		tests.add(".", f)
	}
	for name, want := range map[string]string{
		"TestGood": "", "TestByHelper": "", "TestMissing": "is not there", "check": "is not there", "TestSkipped": "may be skipped", "TestSometimes": "may be skipped",
		"TestSkippedBelow": "may be skipped", "TestNothing": "cannot fail", "TestTagged": "runs with //go:build network only",
	} {
		if got := tests.idle(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
