package closure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/registry/gocmd"
	"github.com/modferry/modferry/registry/requirement"
)

// TestMain makes nothing of the machine's settings and caches count, except the build cache.
func TestMain(m *testing.M) {
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		fmt.Println("not tested: there is no go command:", err)
		return
	}
	dir, err := os.MkdirTemp("", "modferry-world-*")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for name, value := range map[string]string{
		"HOME": dir, "XDG_CONFIG_HOME": dir, "GOCACHE": strings.TrimSpace(string(cache)), "GOPATH": filepath.Join(dir, "gopath"),
		"GOMODCACHE": "", "GOENV": "off", "GOFLAGS": "", "GOWORK": "", "GOTOOLCHAIN": "local", "GOPROXY": "off", "GOSUMDB": "off",
		"GOPRIVATE": "", "GONOPROXY": "", "GONOSUMDB": "", "GIT_CONFIG_NOSYSTEM": "1",
	} {
		os.Setenv(name, value)
	}
	worldDir = dir
	code := m.Run()
	if err := gocmd.RemoveAll(dir); err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

var worldDir string

// tree is a GOPROXY tree in a directory: a source, as upstream is.
type tree string

// cache is a module cache for go commands whose only source the tree is: what one of them finds there, another could
// have had from the tree.
func (tr tree) cache() string { return string(tr) + ".cache" }

func (tr tree) url() string { return "file://" + filepath.ToSlash(string(tr)) }

func (tr tree) Open(_ context.Context, name string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(string(tr), filepath.FromSlash(name)))
}

func (tr tree) file(m module.Version, ext string) string {
	p, err := module.EscapePath(m.Path)
	if err != nil {
		panic(err)
	}
	v, err := module.EscapeVersion(m.Version)
	if err != nil {
		panic(err)
	}
	return filepath.Join(string(tr), filepath.FromSlash(p), "@v", v+ext)
}

func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// publish adds a version of a module with the files in dir.
func (tr tree) publish(t testing.TB, m module.Version, dir string) {
	t.Helper()
	var zip bytes.Buffer
	if err := modzip.CreateFromDir(&zip, m, dir); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if errors.Is(err, fs.ErrNotExist) {
		mod, err = []byte("module "+m.Path+"\n"), nil
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, "", map[string]string{
		tr.file(m, ".info"): fmt.Sprintf(`{"Version":%q,"Time":"2026-01-02T03:04:05Z"}`, m.Version),
		tr.file(m, ".mod"):  string(mod),
		tr.file(m, ".zip"):  zip.String(),
	})
	tr.list(t, m)
}

// list adds a version to the list and makes it what @latest names, as the shim would.
func (tr tree) list(t testing.TB, m module.Version) {
	t.Helper()
	dir := filepath.Dir(tr.file(m, ""))
	data, err := os.ReadFile(filepath.Join(dir, "list"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if module.IsPseudoVersion(m.Version) {
		write(t, dir, map[string]string{"list": string(data), "../@latest": fmt.Sprintf(`{"Version":%q}`, m.Version)})
		return
	}
	versions := append(strings.Fields(string(data)), m.Version)
	semver.Sort(versions)
	write(t, dir, map[string]string{
		"list":       strings.Join(versions, "\n") + "\n",
		"../@latest": fmt.Sprintf(`{"Version":%q}`, versions[len(versions)-1]),
	})
}

// offline returns a tree with nothing but what is needed: of mod-only versions no zip, and they are not in lists.
func (tr tree) offline(t testing.TB, r *Result) tree {
	t.Helper()
	off := tree(filepath.Join(t.TempDir(), "offline"))
	for _, need := range r.Needs {
		exts := []string{".info", ".mod", ".zip"}
		if need.ModOnly {
			exts = exts[:2]
		}
		for _, ext := range exts {
			data, err := os.ReadFile(tr.file(need.Module, ext))
			if err != nil {
				t.Errorf("needed, but not to be had: %v", err)
				continue
			}
			write(t, "", map[string]string{off.file(need.Module, ext): string(data)})
		}
		if !need.ModOnly {
			off.list(t, need.Module)
		}
	}
	for _, need := range r.Needs {
		for _, name := range need.Revisions {
			m := module.Version{Path: need.Module.Path, Version: name}
			write(t, "", map[string]string{off.file(m, ".info"): fmt.Sprintf(`{"Version":%q}`, need.Module.Version)})
		}
	}
	return off
}

// world is an upstream with a few modules, each as its author would have tidied it.
var world = sync.OnceValue(func() tree {
	return tree(filepath.Join(worldDir, "upstream"))
})

var built sync.Once

// upstream returns the world, building it the first time.
func upstream(t testing.TB) tree {
	t.Helper()
	built.Do(func() {
		for _, m := range worldModules() {
			dir := t.TempDir()
			files := maps.Clone(m.files)
			tidy := false
			if _, ok := files["go.mod"]; !ok && m.goMod != "" {
				files["go.mod"] = "module " + m.Path + "\n\n" + m.goMod
				tidy = true
			}
			write(t, dir, files)
			if tidy {
				goIn(t, dir, []string{"GOPROXY=" + world().url(), "GOMODCACHE=" + world().cache()}, "mod", "tidy")
			}
			world().publish(t, m.Version, dir)
		}
	})
	return world()
}

// copyTree returns a copy of a tree that a test may change.
func (tr tree) copy(t testing.TB) tree {
	t.Helper()
	to := tree(filepath.Join(t.TempDir(), "copy"))
	if err := os.CopyFS(string(to), os.DirFS(string(tr))); err != nil {
		t.Fatal(err)
	}
	return to
}

// goIn runs the go command in a directory. What it compiles is found again by others, wherever their caches are.
func goIn(t testing.TB, dir string, env []string, args ...string) string {
	t.Helper()
	out, err := tryGo(t, dir, env, args...)
	if err != nil {
		t.Fatalf("%s: %v", path.Base(dir), err)
	}
	return out
}

func tryGo(t testing.TB, dir string, env []string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = slices.Concat(os.Environ(), []string{"GOFLAGS=-modcacherw -trimpath", "PWD=" + dir}, env)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s go %s: %w\n%s%s", strings.Join(env, " "), strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.String(), nil
}

// worksOffline runs a go command with a tree as its only proxy, and a module cache that has nothing from elsewhere.
func worksOffline(t *testing.T, off tree, dir string, env []string, args ...string) {
	t.Helper()
	env = append([]string{"GOPROXY=" + off.url(), "GOMODCACHE=" + off.cache()}, env...)
	if _, err := tryGo(t, dir, env, args...); err != nil {
		t.Errorf("offline: %v", err)
	}
}

func newRunner(t testing.TB, o Options) *Runner {
	t.Helper()
	if o.TempDir == "" {
		o.TempDir = t.TempDir()
	}
	if o.GOSUMDB == "" {
		o.GOSUMDB = "off"
	}
	r, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(o.TempDir); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return r
}

func mod(s string) module.Version {
	p, v, _ := strings.Cut(s, "@")
	return module.Version{Path: p, Version: v}
}

// show returns needs as lines, for comparing.
func show(needs []requirement.Requirement) string {
	var b strings.Builder
	for _, n := range needs {
		b.WriteString(n.Module.String())
		if n.ModOnly {
			b.WriteString(" (mod)")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func find(t testing.TB, r *Result, m string) *requirement.Requirement {
	t.Helper()
	for _, n := range r.Needs {
		if n.Module == mod(m) {
			return &n
		}
	}
	return nil
}
