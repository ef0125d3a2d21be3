package closure

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// boundFiles are a workspace whose module a requires a sibling that nobody has published.
var boundFiles = map[string]string{
	"go.work":  "go 1.24\n\nuse (\n\t./a\n\t./b\n)\n",
	"a/go.mod": "module corp.example/bound-a\n\ngo 1.24\n\nrequire corp.example/bound-b v0.1.0\n",
	"a/a.go":   "package a\n\nimport _ \"corp.example/bound-b\"\n",
	"b/go.mod": "module corp.example/bound-b\n\ngo 1.24\n",
	"b/b.go":   "package b\n",
}

func TestOfAModuleThatIsBoundToItsWorkspaceItIsSaidWhatCannotBeFound(t *testing.T) {
	t.Parallel()
	up := upstream(t).copy(t)
	dir := t.TempDir()
	write(t, dir, boundFiles)
	const mend = `go work edit -replace=corp.example/bound-b@v0.1.0=./b`
	r := projectOf(t, Options{Source: up}, dir)
	checkWarnings(t, r, mend)

	write(t, dir, map[string]string{"a/misspelt.go": "package a\n\nimport _ \"example.com/lief\"\n"})
	r = projectOf(t, Options{Source: up}, dir)
	checkWarnings(t, r, mend, "example.com/lief")
	if !r.Partial {
		t.Error("taken for all")
	}
	if got := show(r.Needs); got != "corp.example/bound-b@v0.1.0 (mod)\n" { // which fails when it is to be mirrored
		t.Errorf("needs\n%s", got)
	}
}

func TestAModuleWhoseGoModHasMadeUpVersionsIsToldToBeTidied(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"go.mod": "module corp.example/p\n\ngo 1.24\n\nrequire corp.example/here v0.0.0-00010101000000-000000000000\n\nreplace corp.example/here => ./here\n",
		"p.go":   "package p\n\nimport (\n\t_ \"corp.example/here\"\n\t_ \"example.com/lib\"\n)\n", "here/go.mod": "module corp.example/here\n\ngo 1.24\n", "here/h.go": "package here\n",
	})
	checkWarnings(t, projectOf(t, Options{Source: up}, dir), "it is not tidy")
	goMod := "module corp.example/p\n\ngo 1.24\n\nreplace corp.example/here => ./here\n"
	write(t, dir, map[string]string{"go.mod": goMod}) // tidy adds the version
	checkWarnings(t, projectOf(t, Options{Source: up}, dir), "it is not tidy")
}

// TestAModuleThatReliesOnItsWorkspaceNeedNotBeTidy has a module that imports, but does not require, a sibling that nobody
// has published.
func TestAModuleThatReliesOnItsWorkspaceNeedNotBeTidy(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"go.work":  "go 1.24\n\nuse (\n\t./a\n\t./b\n)\n",
		"a/go.mod": "module corp.example/relies-a\n\ngo 1.24\n\nrequire example.com/leaf v1.1.0\n",
		"a/a.go":   "package a\n\nimport (\n\t_ \"corp.example/relies-b\"\n\t_ \"example.com/leaf\"\n)\n",
		"b/go.mod": "module corp.example/relies-b\n\ngo 1.24\n\nrequire (\n\texample.com/leaf v1.2.0\n\texample.com/testdep v0.1.0\n)\n",
		"b/b.go":   "package b\n\nimport (\n\t_ \"example.com/leaf\"\n\t_ \"example.com/testdep\"\n)\n",
	})
	env := []string{"GOPROXY=" + up.url(), "GOMODCACHE=" + up.cache()}
	goIn(t, dir+"/b", append(env, "GOWORK=off"), "mod", "tidy")
	checkWarnings(t, projectOf(t, Options{Source: up}, dir))
}

func TestAGoSumThatTidyLeavesAloneIsTidy(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	dir := newProject(t, up, map[string]string{
		"go.mod": "module corp.example/p\n\ngo 1.24\n\nrequire example.com/leaf v1.2.0\n", "p.go": "package p\n\nimport _ \"example.com/leaf\"\n",
	}, ".")
	data, err := os.ReadFile(dir + "/go.sum")
	if err != nil {
		t.Fatal(err)
	}
	good := string(data)
	lines := strings.SplitAfter(good, "\n")
	slices.Reverse(lines)
	for _, text := range []string{
		strings.ReplaceAll(good, "\n", "\r\n"), strings.Join(lines, ""), good + good, strings.Replace(good, "\n", "\n\n", 1),
		strings.TrimSpace(good), strings.ReplaceAll(good, "\n", " \n"),
	} {
		write(t, dir, map[string]string{"go.sum": text})
		r := projectOf(t, Options{Source: up}, dir)
		checkWarnings(t, r)
		if got := show(r.Needs); got != "example.com/leaf@v1.2.0\n" {
			t.Errorf("%q: needs\n%s", text, got)
		}
	}
}

func TestTheWarningShowsALineThatChanges(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	for name, files := range map[string]map[string]string{
		"without a go.sum":  {},
		"with an empty one": {"go.sum": "\n\n"},
	} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"go.mod": "module corp.example/p\n\ngo 1.24\n", "p.go": "package p\n\nimport _ \"example.com/leaf\"\n"})
		write(t, dir, files)
		t.Log(name)
		checkWarnings(t, projectOf(t, Options{Source: up}, dir), `would change "+example.com/leaf v1.2.0"`)
	}
}
