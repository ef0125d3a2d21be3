package closure

import (
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
	r := projectOf(t, Options{Source: up}, dir)
	checkWarnings(t, r)

	write(t, dir, map[string]string{"a/misspelt.go": "package a\n\nimport _ \"example.com/lief\"\n"})
	r = projectOf(t, Options{Source: up}, dir)
	checkWarnings(t, r, "example.com/lief")
	if !r.Partial {
		t.Error("taken for all")
	}
	if strings.Contains(show(r.Needs), "corp.example/") {
		t.Errorf("needs\n%s", show(r.Needs))
	}
}
