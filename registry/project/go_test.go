package project

import (
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

// TestACopiedWorkspaceWorksWithTheGoCommand uses three modules: one in the root, with a replacement by a directory;
// one that requires another unpublished one; and that one, outside of the root and used by an absolute path.
func TestACopiedWorkspaceWorksWithTheGoCommand(t *testing.T) {
	cmd := goCmd(t)
	dir := t.TempDir()
	outside := filepath.ToSlash(filepath.Join(dir, "outside"))
	write(t, dir, map[string]string{
		"p/go.work": "go 1.22.0\n\nuse (\n\t.\n\t./tool\n\t" + outside + "\n\t./gone\n)\n\nreplace corp.example/outside v0.1.0 => " + outside + "\n",
		"p/go.mod":  "module corp.example/root\n\ngo 1.22.0\n\nrequire corp.example/local v0.0.0\n\nreplace corp.example/local => ./third_party/local\n\nreplace corp.example/unused => ./gone\n",
		"p/root.go": "package root\n\nimport (\n\t_ \"corp.example/local\"\n\t_ \"embed\"\n)\n\n//go:embed root.txt\nvar Text string\n", "p/root.txt": "text",
		"p/third_party/local/go.mod": "module corp.example/local\n\ngo 1.22.0\n", "p/third_party/local/l.go": "package local\n",
		"p/vendor/modules.txt": "## workspace\n", "p/testdata/go.mod": "nonsense", "p/loop": "-> .",
		"p/tool/go.mod":  "module corp.example/tool\n\ngo 1.22.0\n\nrequire corp.example/outside v0.1.0\n",
		"p/tool/main.go": "package main\n\nimport _ \"corp.example/outside\"\n\nfunc main() {}\n",
		"outside/go.mod": "module corp.example/outside\n\ngo 1.22.0\n", "outside/o.go": "package outside\n",
	})
	p := load(t, filepath.Join(dir, "p"))
	for _, o := range []CopyOptions{{}, {GoOnly: true}} {
		c := copyTo(t, p, t.TempDir(), o)
		work := cmd.With("GOWORK=" + filepath.Join(c.Root, "go.work"))
		out, err := work.With("GOFLAGS=").Run(t.Context(), c.Root, append([]string{"list", "-e"}, c.Patterns()...)...)
		if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != "corp.example/root corp.example/tool corp.example/outside" {
			t.Errorf("%+v: packages %s, %v", o, got, err)
		}
		if !o.GoOnly {
			if _, err := work.With("GOFLAGS=").Run(t.Context(), c.Root, append([]string{"build"}, c.Patterns()...)...); err != nil {
				t.Error(err)
			}
		}
		if len(c.Modules) != 3 {
			t.Errorf("%d modules in the copy", len(c.Modules))
		}
		for _, m := range c.Modules {
			if err := m.StandAlone(); err != nil {
				t.Error(err)
			}
			for _, args := range []string{"mod tidy -diff", "mod tidy", "list -deps -e ./...", "mod graph"} {
				if out, err := cmd.Run(t.Context(), m.Dir, strings.Fields(args)...); err != nil {
					t.Errorf("%+v: in %s: %v\n%s", o, m.Dir, err, out)
				}
			}
			if !o.GoOnly {
				if _, err := cmd.Run(t.Context(), m.Dir, "build", "./..."); err != nil {
					t.Error(err)
				}
			}
			if err := m.Rejoin(); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "p", "go.sum")); err == nil {
		t.Error("the original changed")
	}
}
