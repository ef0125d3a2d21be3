package upstream

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

// newRepository makes a git repository of vcs.example/lib.git with the tag v1.0.0 and
// a branch, and has git find it without a network.
func newRepository(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	config := filepath.Join(t.TempDir(), "gitconfig")
	if err := os.WriteFile(config, []byte("[url \"file://"+dir+"\"]\n\tinsteadOf = https://vcs.example/lib\n"+
		"[user]\n\tname = A\n\temail = a@example.com\n[protocol]\n\tallow = always\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_CONFIG_GLOBAL", config)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	t.Setenv("GIT_ALLOW_PROTOCOL", "file:https")
	for name, content := range map[string]string{"go.mod": "module vcs.example/lib.git\n\ngo 1.24\n", "lib.go": "package lib\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "."}, {"commit", "-q", "-m", "x"}, {"tag", "v1.0.0"}, {"branch", "feature/x"}} {
		cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
}

func TestUpstreamFetchesDirectlyThroughTheGoCommand(t *testing.T) {
	newRepository(t)
	u := newUpstreamWith(t, Options{GOPROXY: upstreamtest.NewProxy(t, "", upstreamtest.Always(404, "no")).URL + ",direct"})
	m := module.Version{Path: "vcs.example/lib.git", Version: "v1.0.0"}
	list, err := u.List(t.Context(), m.Path)
	if err != nil || !slices.Equal(list, []string{"v1.0.0"}) {
		t.Errorf("%q, %v", list, err)
	}
	for _, query := range []string{"latest", "v1", "main"} {
		if got, err := u.Resolve(t.Context(), m.Path, query); err != nil || got != m {
			t.Errorf("%s: %v, %v", query, got, err)
		}
	}
	files := artifact.Files{Module: m}
	if files.Info, err = u.Info(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if files.GoMod, err = u.GoMod(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	zip := upstreamtest.TempFile(t)
	if err := u.Zip(t.Context(), m, zip); err != nil {
		t.Fatal(err)
	}
	files.ZipFile = zip.Name()
	if _, err := artifact.Build(files); err != nil {
		t.Error(err)
	}
	if _, err := u.Info(t.Context(), module.Version{Path: m.Path, Version: "v9.9.9"}); !errors.Is(err, ErrUpstream) || !strings.Contains(err.Error(), "v9.9.9") {
		t.Error(err)
	}
}

func TestFetchingDirectlyDoesNotGoByAModuleAroundTMPDIR(t *testing.T) {
	newRepository(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module m\n\ngo 1.99.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	u := newUpstreamWith(t, Options{GOPROXY: "direct", TempDir: dir})
	m := module.Version{Path: "vcs.example/lib.git", Version: "v1.0.0"}
	if got, err := u.Resolve(t.Context(), m.Path, "latest"); err != nil || got != m {
		t.Errorf("%v, %v", got, err)
	}
}

func TestFetchingDirectlyWithoutAGoCommandSaysSo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := newUpstream(t, "direct").Info(t.Context(), upstreamtest.VersionA)
	if !errors.Is(err, exec.ErrNotFound) || !strings.Contains(err.Error(), "takes the go command") {
		t.Error(err)
	}
}
