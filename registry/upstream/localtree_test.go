package upstream

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

// goRun runs the go command in dir with a module cache of its own and a tree as GOPROXY.
func goRun(t testing.TB, dir, modCache, goproxy string, args ...string) {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "PWD="+dir, "HOME="+home, "TEST_TELEMETRY_DIR="+filepath.Join(home, "telemetry"), "GOENV=off", "GOPATH="+t.TempDir(), "GOMODCACHE="+modCache,
		"GOPROXY="+goproxy, "GONOPROXY=none", "GOPRIVATE=", "GOSUMDB=off", "GOFLAGS=-modcacherw", "GOTOOLCHAIN=local", "GOWORK=off")
	upstreamtest.Put(t, filepath.Join(home, "telemetry", "mode"), "off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %v: %v: %s", args, err, out)
	}
}

// cacheTree is the tree that caches are filled from: a needs b, b needs c, and nobody needs d.
func cacheTree(t testing.TB) upstreamtest.Tree {
	tree := upstreamtest.NewTree(t, "example.com/c@v1.0.0", "example.com/c@v1.0.1", "example.com/c@v1.1.0", "example.com/Upper@v1.0.0-RC.1")
	tree.Add(t, "example.com/b@v1.1.0", map[string]string{"go.mod": "module example.com/b\n\ngo 1.16\n\nrequire example.com/c v1.0.0\n"})
	tree.Add(t, "example.com/a@v1.0.0", map[string]string{"go.mod": "module example.com/a\n\ngo 1.16\n\nrequire example.com/b v1.1.0\n"})
	return tree
}

// newModCache has the go command fill a GOMODCACHE: a and Upper in full; of b and c what the
// module graph of a takes, and the go.mod that tells which versions of c are retracted.
func newModCache(t testing.TB, tree upstreamtest.Tree) string {
	t.Helper()
	dir, cache := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module m.example\n\ngo 1.16\n\nrequire example.com/a v1.0.0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	goRun(t, dir, cache, tree.URL(), "mod", "download", "example.com/a", "example.com/Upper@v1.0.0-RC.1")
	goRun(t, dir, cache, tree.URL(), "list", "-m", "-versions", "example.com/c")
	return cache
}

func TestAModuleCacheIsAnUpstream(t *testing.T) {
	tree := cacheTree(t)
	cache := newModCache(t, tree)
	for name, dir := range map[string]string{"GOMODCACHE": cache, "cache/download": filepath.Join(cache, "cache", "download")} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, "file://"+dir)
			for _, v := range []string{"example.com/a@v1.0.0", "example.com/Upper@v1.0.0-RC.1"} {
				assertSameFiles(t, u, tree, v)
			}
			if !Tree(dir) {
				t.Error("not recognised")
			}
			items, problems := TreeVersions(t.Context(), dir)
			want := []requirement.Requirement{upstreamtest.Full("example.com/Upper@v1.0.0-RC.1"), upstreamtest.Full("example.com/a@v1.0.0"), upstreamtest.ModOnly("example.com/b@v1.1.0"), upstreamtest.ModOnly("example.com/c@v1.0.0"), upstreamtest.ModOnly("example.com/c@v1.1.0")}
			for i := range want {
				want[i].From = dir
			}
			if !reflect.DeepEqual(items, want) || problems != nil {
				t.Errorf("%+v, %v", items, problems)
			}
			b := upstreamtest.ParseModule(t, "example.com/b@v1.1.0")
			if info, err := u.Info(t.Context(), b); err != nil || string(info) != `{"Version":"v1.1.0"}` {
				t.Errorf("%s, %v", info, err)
			}
			if err := u.Zip(t.Context(), b, upstreamtest.TempFile(t)); !errors.Is(err, ErrNotFound) {
				t.Error(err)
			}
			// The list file names versions that are not in the cache.
			if list, err := u.List(t.Context(), "example.com/c"); err != nil || !slices.Equal(list, []string{"v1.0.0", "v1.1.0"}) {
				t.Errorf("%q, %v", list, err)
			}
			if _, err := u.List(t.Context(), "example.com/d"); !errors.Is(err, ErrNotFound) {
				t.Error(err)
			}
		})
	}
}

// assertSameFiles checks that an upstream has what a tree has of a version.
func assertSameFiles(t *testing.T, u *Upstream, tree upstreamtest.Tree, version string) {
	t.Helper()
	m := upstreamtest.ParseModule(t, version)
	info, err := u.Info(t.Context(), m)
	if want := upstreamtest.ReadAll(t, tree.File(t, version, ".info")); err != nil || string(info) != want {
		t.Errorf("%s: %s, %v; want %s", m, info, err, want)
	}
	mod, err := u.GoMod(t.Context(), m)
	if want := upstreamtest.ReadAll(t, tree.File(t, version, ".mod")); err != nil || string(mod) != want {
		t.Errorf("%s: %s, %v; want %s", m, mod, err, want)
	}
	zip := upstreamtest.TempFile(t)
	if err := u.Zip(t.Context(), m, zip); err != nil || upstreamtest.ReadAll(t, zip.Name()) != upstreamtest.ReadAll(t, tree.File(t, version, ".zip")) {
		t.Errorf("%s: the zip differs, %v", m, err)
	}
}

func remove(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.RemoveAll(name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAMissingInfoFileIsMadeUpIfNobodyHasIt(t *testing.T) {
	const v = "example.com/a@v1.0.0"
	m := upstreamtest.ParseModule(t, v)
	tree := upstreamtest.NewTree(t, v)
	other := upstreamtest.NewProxy(t, upstreamtest.NewTree(t, v), nil)
	remove(t, tree.File(t, v, ".info"))
	modOnly := upstreamtest.NewTree(t)
	modOnly.Write(t, v, ".mod", "module example.com/a\n")
	modOnly.Write(t, v, ".info", "")
	none := upstreamtest.NewProxy(t, "", upstreamtest.Always(404, "no")).URL
	fails := upstreamtest.NewProxy(t, "", upstreamtest.Always(500, "no")).URL
	const bare = `{"Version":"v1.0.0"}`
	for name, tt := range map[string]struct{ goproxy, want string }{
		"alone":                                {tree.URL(), bare},
		"only go.mod, and an empty .info file": {modOnly.URL(), bare},
		"another has it":                       {tree.URL() + "," + other.URL, "2026-01-02"},
		"another before has it":                {none + "," + other.URL + "," + tree.URL(), "2026-01-02"},
		"nobody has it":                        {tree.URL() + "," + none, bare},
		"nobody before has it":                 {none + "," + tree.URL(), bare},
		"nobody else may be asked":             {tree.URL() + ",off", bare},
		"nobody else can be reached directly":  {tree.URL() + ",direct", bare},
		"somebody else fails":                  {tree.URL() + "," + fails, ""},
		"the version is not there":             {upstreamtest.NewTree(t, "example.com/a@v1.0.1").URL(), ""},
		"no directory":                         {none, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GIT_ALLOW_PROTOCOL", "none")
			t.Setenv("GOVCS", "*:off")
			u := newUpstreamWith(t, Options{GOPROXY: tt.goproxy, Retries: -1, Go: failingGo(t)})
			info, err := u.Info(t.Context(), m)
			if tt.want == "" && err == nil || tt.want != "" && (err != nil || !strings.Contains(string(info), tt.want)) {
				t.Errorf("%s, %v", info, err)
			}
		})
	}
}

// failingGo is a go command that finds nothing.
func failingGo(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "go")
	if err := os.WriteFile(name, []byte("#!/bin/sh\necho 'unknown revision' >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestADirectoryListsWhatItHas(t *testing.T) {
	const path = "example.com/a"
	dir := filepath.Join("example.com", "a", "@v")
	for name, tt := range map[string]struct {
		files map[string]string // below dir
		want  string            // "-" = there is no list
	}{
		"zips without a list":          {map[string]string{"v1.0.0.zip": "z", "v1.1.0.zip": "z", "v1.2.0.mod": "m"}, "v1.0.0 v1.1.0"},
		"a list of more than there is": {map[string]string{"list": "v1.0.0\nv1.1.0\n", "v1.0.0.zip": "z"}, "v1.0.0"},
		"zips that the list lacks":     {map[string]string{"list": "v1.0.0\n", "v1.0.0.zip": "z", "v1.0.1.zip": "z"}, "v1.0.0 v1.0.1"},
		"a list and no zips":           {map[string]string{"list": "v1.0.0\nv1.1.0\nv1.1.0\n", "v1.1.0.mod": "m"}, "v1.1.0"},
		"only go.mod files":            {map[string]string{"v1.1.0.mod": "m"}, "-"},
		"only a list":                  {map[string]string{"list": "v1.0.0\n"}, "-"},
		"an empty list":                {map[string]string{"list": ""}, "-"},
		"pseudo-versions":              {map[string]string{"list": "", "v0.0.0-20260102030405-abcdefabcdef.zip": "z"}, ""},
		"a commit that is there":       {map[string]string{"list": "", "v0.0.0-20260102030405-abcdefabcdef.mod": "m", "../@latest": `{"Version":"v0.0.0-20260102030405-abcdefabcdef"}`}, ""},
		"a commit that is not there":   {map[string]string{"list": "", "../@latest": `{"Version":"v0.0.0-20260102030405-abcdefabcdef"}`}, "-"},
		"locks and other rubbish":      {map[string]string{"v1.0.0.lock": "x", "v1.0.1.zip.partial": "x", "v1.0.2.ziphash": "x", "v1.0.3.zip123.tmp": "x", ".v1.0.4.zip.tmp.5": "x", "v1.0.5.zip": "", "v1.zip": "x", "v2.0.0.zip": "x", "v1.0.6.zip": "z"}, "v1.0.6"},
		"nothing":                      {nil, "-"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for file, text := range tt.files {
				upstreamtest.Put(t, filepath.Join(root, dir, file), text)
			}
			list, err := newUpstream(t, root).List(t.Context(), path)
			switch {
			case tt.want == "-":
				if !errors.Is(err, ErrNotFound) {
					t.Errorf("%q, %v", list, err)
				}
			case err != nil || strings.Join(list, " ") != tt.want:
				t.Errorf("%q, %v; want %q", list, err, tt.want)
			}
		})
	}
}
