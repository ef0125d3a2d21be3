package closure

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"
)

// secretWorkspace works as a workspace only: nobody has published its modules, and they do not say where they are.
var secretWorkspace = map[string]string{
	"go.work":        "go 1.24\n\nuse (\n\t./a\n\t./b\n\t./c\n)\n\nreplace corp.example/beside => ./beside\n\nreplace corp.example/besides v0.1.0 => ./besides\n",
	"a/go.mod":       "module corp.example/secret-a\n\ngo 1.24\n\nrequire example.com/leaf v1.2.0\n",
	"a/a.go":         "package a\n\nimport (\n\t_ \"corp.example/secret-b/deep\"\n\t_ \"example.com/leaf\"\n)\n",
	"b/go.mod":       "module corp.example/secret-b\n\ngo 1.24\n\nrequire (\n\tcorp.example/beside v0.0.0\n\tcorp.example/besides v0.1.0\n\texample.com/testdep v0.1.0\n)\n",
	"b/b.go":         "package b\n\nimport (\n\t_ \"corp.example/beside\"\n\t_ \"corp.example/besides\"\n)\n",
	"b/deep/d.go":    "package deep\n\nimport _ \"example.com/testdep\"\n",
	"c/go.mod":       "module corp.example/secret-c\n\ngo 1.24\n\nrequire (\n\texample.com/testdep v0.1.0\n)\n",
	"c/c.go":         "package c\n\nimport (\n\t_ \"corp.example/secret-a\"\n\t_ \"example.com/testdep\"\n)\n",
	"beside/go.mod":  "module corp.example/beside\n\ngo 1.24\n",
	"beside/b.go":    "package beside\n",
	"besides/go.mod": "module corp.example/besides\n\ngo 1.24\n",
	"besides/b.go":   "package besides\n",
}

func TestAModuleThatIsTooNewLeavesTheOthersOfItsWorkspaceAlone(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	dir := newWorkspace(t, up)
	want := projectOf(t, Options{Source: up}, dir+"/ws")
	goWork := strings.Replace(workspaceFiles["ws/go.work"], "\t.\n", "", 1)
	write(t, dir, map[string]string{
		"ws/go.work": goWork, "ws/go.mod": "module corp.example/a\n\ngo 1.99.1\n", "ws/a.go": "package a\n", "ws/go.sum": "",
	})
	for _, sums := range []string{"/ws/go.work.sum", "/ws/b/go.sum", "/lib/go.sum"} { // so that it takes the go command
		if err := os.Remove(dir + sums); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	r := projectOf(t, Options{Source: up}, dir+"/ws")
	checkWarnings(t, r, "go.mod demands go1.99.1, but this is go1.", "go mod tidy", "go mod tidy")
	for _, m := range []string{"example.com/older@v1.1.0", "example.com/wide@v1.0.0"} {
		if n := find(t, r, m); n == nil || n.ModOnly != find(t, want, m).ModOnly {
			t.Errorf("%s: %+v, want %+v", m, n, find(t, want, m))
		}
	}
	off := up.offline(t, r)
	worksOffline(t, off, dir+"/ws/b", []string{"GOWORK=off"}, "mod", "tidy")
	worksOffline(t, off, dir+"/lib", []string{"GOWORK=off"}, "mod", "tidy")
	worksOffline(t, off, dir+"/ws", nil, "build", "./b/...", "../lib/...")
	worksOffline(t, off, dir+"/ws", nil, "list", "-m", "all")
}

func TestNamesOfAWorkspaceDoNotLeaveIt(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	dir := t.TempDir()
	write(t, dir, secretWorkspace)
	env := []string{"GOPROXY=" + up.url(), "GOMODCACHE=" + up.cache()}
	goIn(t, dir, env, "list", "-m", "all")
	goIn(t, dir, env, "build", "./a/...", "./b/...", "./c/...")
	var mu sync.Mutex
	src := sourceFunc(func(ctx context.Context, name string) (io.ReadCloser, error) {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasPrefix(name, "corp.example/") {
			t.Errorf("asked for %s", name)
		}
		return up.Open(ctx, name)
	})
	r := projectOf(t, Options{Source: src}, dir)
	checkWarnings(t, r)
	for _, n := range r.Needs {
		if strings.HasPrefix(n.Module.Path, "corp.example/") {
			t.Errorf("needs %+v", n)
		}
	}
	off := up.offline(t, r)
	for _, c := range []string{"build ./a/... ./b/... ./c/...", "vet ./a/... ./b/... ./c/...", "list -m all", "mod download", "work vendor"} {
		worksOffline(t, off, dir, nil, strings.Fields(c)...)
	}
}
