package project

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry/gocmd"
)

// goCmd returns the go command, apart from all settings and caches, and offline.
func goCmd(t *testing.T) *gocmd.Cmd {
	t.Helper()
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Skip("there is no go command")
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GOENV", "off")
	c, err := gocmd.New(t.Context(), gocmd.Options{
		Scratch: filepath.Join(t.TempDir(), "scratch"), GOPROXY: "off", GOSUMDB: "off",
		Env: []string{"GOTOOLCHAIN=local", "GOCACHE=" + strings.TrimSpace(string(cache)), "GOFLAGS=-mod=mod", "GIT_CONFIG_NOSYSTEM=1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestASkeletonWorksWithTheGoCommand uses three modules: one in the root, with a replacement by a directory; one that
// requires another unpublished one; and that one, outside of the root and used by an absolute path.
func TestASkeletonWorksWithTheGoCommand(t *testing.T) {
	cmd := goCmd(t)
	dir := t.TempDir()
	outside := filepath.ToSlash(filepath.Join(dir, "outside"))
	write(t, dir, map[string]string{
		"p/go.work": "go 1.22.0\n\nuse (\n\t.\n\t./tool\n\t" + outside + "\n)\n\nreplace corp.example/outside v0.1.0 => " + outside + "\n",
		"p/go.mod":  "module corp.example/root\n\ngo 1.22.0\n\nrequire corp.example/local v0.0.0\n\nreplace corp.example/local => ./third_party/local\n\nreplace corp.example/unused => ./gone\n",
		"p/root.go": "package root\n\nimport (\n\t_ \"corp.example/local\"\n\t_ \"embed\"\n)\n\n//go:embed root.txt\nvar Text string\n", "p/root.txt": "text",
		"p/third_party/local/go.mod": "module corp.example/local\n\ngo 1.22.0\n", "p/third_party/local/l.go": "package local\n",
		"p/vendor/modules.txt": "## workspace\n", "p/testdata/go.mod": "nonsense", "p/loop": "-> .",
		"p/tool/go.mod":  "module corp.example/tool\n\ngo 1.22.0\n\nrequire corp.example/outside v0.1.0\n",
		"p/tool/main.go": "package main\n\nimport _ \"corp.example/outside\"\n\nfunc main() {}\n",
		"outside/go.mod": "module corp.example/outside\n\ngo 1.22.0\n", "outside/o.go": "package outside\n",
	})
	before := tree(t, filepath.Join(dir, "outside"))
	maps.Copy(before, tree(t, filepath.Join(dir, "p", "tool")))
	p := load(t, filepath.Join(dir, "p"))
	s := skeleton(t, p)
	file := filepath.Join(s.Root, "go.work")
	if _, err := cmd.With("GOFLAGS=", "GOWORK="+file).Run(t.Context(), s.Root, "list", "-m", "all"); err != nil {
		t.Error(err)
	}
	for _, m := range s.Modules {
		if err := m.StandAlone(); err != nil {
			t.Error(err)
		}
		for _, args := range []string{"list -m all", "mod graph"} {
			if out, err := cmd.Run(t.Context(), m.Dir, strings.Fields(args)...); err != nil {
				t.Errorf("in %s: %v\n%s", m.Dir, err, out)
			}
		}
		flag := "-modfile=" + filepath.Join(m.Dir, "go.mod")
		for _, args := range []string{"mod tidy -diff", "mod tidy", "list -deps -e ./...", "build -o /dev/null ./..."} {
			if out, err := cmd.With("GOFLAGS=-mod=mod "+flag).Run(t.Context(), m.Source, strings.Fields(args)...); err != nil {
				t.Errorf("in %s: %v\n%s", m.Source, err, out)
			}
		}
	}
	if err := p.WriteWork(file); err != nil {
		t.Fatal(err)
	}
	work := cmd.With("GOFLAGS=-mod=readonly", "GOWORK="+file)
	out, err := work.Run(t.Context(), p.Root, append([]string{"list"}, p.Patterns()...)...)
	if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != "corp.example/root corp.example/tool corp.example/outside" {
		t.Errorf("packages %s, %v", got, err)
	}
	if _, err := work.Run(t.Context(), p.Root, append([]string{"build", "-o", os.DevNull}, p.Patterns()...)...); err != nil {
		t.Error(err)
	}
	after := tree(t, filepath.Join(dir, "outside"))
	maps.Copy(after, tree(t, filepath.Join(dir, "p", "tool")))
	if !maps.Equal(before, after) {
		t.Errorf("the project changed from %q to %q", before, after)
	}
	if _, err := os.Stat(filepath.Join(dir, "p", "go.sum")); err == nil {
		t.Error("the project has a go.sum now")
	}
}
