package closure

import (
	"os"
	"strings"
	"testing"
)

// workspaceFiles are three modules, one of them outside of the others' directory, that
// need different versions of the same modules.
var workspaceFiles = map[string]string{
	"ws/go.work":         "go 1.24\n\nuse (\n\t.\n\t./b\n\t../lib\n)\n\nreplace example.com/two/v2 => example.com/two/v2 v2.1.0\n",
	"ws/go.mod":          "module corp.example/a\n\ngo 1.24\n\nrequire (\n\tcorp.example/b v0.0.0\n\texample.com/old v1.0.0\n)\n\nreplace (\n\tcorp.example/b => ./b\n\tcorp.example/lib => ../lib\n)\n",
	"ws/a.go":            "package a\n\nimport (\n\t_ \"corp.example/b\"\n\t_ \"example.com/old\"\n)\n",
	"ws/b/go.mod":        "module corp.example/b\n\ngo 1.18\n\nrequire (\n\texample.com/older v1.1.0\n\texample.com/testdep v0.1.0\n)\n\nrequire corp.example/lib v0.1.0\n\nreplace corp.example/lib => ../../lib\n",
	"ws/b/b.go":          "package b\n\nimport (\n\t_ \"corp.example/lib\"\n\t_ \"example.com/older\"\n)\n",
	"ws/b/b_test.go":     "package b\n\nimport (\n\t_ \"example.com/testdep\"\n\t\"testing\"\n)\n\nfunc TestB(*testing.T) {}\n",
	"lib/go.mod":         "module corp.example/lib\n\ngo 1.18\n\nrequire example.com/wide v1.0.0\n",
	"lib/lib.go":         "package lib\n\nimport _ \"example.com/wide/e\"\n",
	"lib/lib_windows.go": "package lib\n\nimport _ \"example.com/wide/f\"\n",
	"lib/deep/deep.go":   "//go:build custom\n\npackage deep\n\nimport _ \"example.com/wide/a\"\n",
}

// newWorkspace returns the directory that workspaceFiles are in, tidied.
func newWorkspace(t testing.TB, up tree) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, workspaceFiles)
	env := []string{"GOPROXY=" + up.url(), "GOMODCACHE=" + up.cache()}
	goIn(t, dir+"/lib", append(env, "GOWORK=off"), "mod", "tidy")
	goIn(t, dir+"/ws/b", append(env, "GOWORK=off"), "mod", "tidy")
	goIn(t, dir+"/ws", append(env, "GOWORK=off"), "mod", "tidy")
	goIn(t, dir+"/ws", env, "list", "-m", "all") // writes go.work.sum
	return dir
}

func TestAWorkspaceWorksOffline(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	for name, all := range map[string]bool{"default": false, "download all": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, alone := newWorkspace(t, up), t.TempDir()
			if err := os.CopyFS(alone, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			r, err := newRunner(t, Options{Source: up}).Project(t.Context(), load(t, dir+"/ws"), ProjectOptions{DownloadAll: all})
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range r.Warnings {
				t.Errorf("warning: %v", w)
			}
			off := up.offline(t, r)
			const patterns = "./... ./b/... ../lib/..."
			commands := []string{"list -deps -test " + patterns, "list -m all", "mod download all"} // the rest is as without
			if !all {
				commands = []string{
					"build -tags=custom " + patterns, "vet " + patterns, "test " + patterns, "mod verify", "mod graph", "list -m all",
					"list -deps -test " + patterns, "mod download",
				}
				for _, p := range platforms(t) {
					goos, goarch, _ := strings.Cut(p, "/")
					worksOffline(t, off, dir+"/ws", []string{"GOOS=" + goos, "GOARCH=" + goarch, "CGO_ENABLED=0"}, strings.Fields("list -deps "+patterns)...)
				}
			}
			for _, c := range append(commands, "work sync", "work vendor") {
				worksOffline(t, off, dir+"/ws", nil, strings.Fields(c)...)
			}
			for _, m := range []string{"/ws", "/ws/b", "/lib"} {
				commands := []string{"mod tidy -diff", "mod download all"}
				if !all {
					commands = []string{"mod tidy -diff", "mod tidy", "list -deps -test ./...", "list -m all", "mod download", "mod graph", "mod verify"}
				}
				for _, c := range append(commands, "mod vendor") {
					worksOffline(t, off, alone+m, []string{"GOWORK=off"}, strings.Fields(c)...)
				}
			}
		})
	}
}
