package mirror

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/artifact"
)

// goRun runs the go command in dir with a module cache of its own and a tree as GOPROXY.
func goRun(t testing.TB, dir, modCache, goproxy string, args ...string) {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "PWD="+dir, "HOME="+home, "TEST_TELEMETRY_DIR="+filepath.Join(home, "telemetry"), "GOENV=off", "GOPATH="+t.TempDir(), "GOMODCACHE="+modCache,
		"GOPROXY="+goproxy, "GONOPROXY=none", "GOPRIVATE=", "GOSUMDB=off", "GOFLAGS=-modcacherw", "GOTOOLCHAIN=local", "GOWORK=off")
	put(t, filepath.Join(home, "telemetry", "mode"), "off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %v: %v: %s", args, err, out)
	}
}

// cacheTree is the tree that caches are filled from: a needs b, b needs c, and nobody needs d.
func cacheTree(t testing.TB) testTree {
	tree := newTree(t, "example.com/c@v1.0.0", "example.com/c@v1.0.1", "example.com/c@v1.1.0", "example.com/Upper@v1.0.0-RC.1")
	tree.add(t, "example.com/b@v1.1.0", map[string]string{"go.mod": "module example.com/b\n\ngo 1.16\n\nrequire example.com/c v1.0.0\n"})
	tree.add(t, "example.com/a@v1.0.0", map[string]string{"go.mod": "module example.com/a\n\ngo 1.16\n\nrequire example.com/b v1.1.0\n"})
	return tree
}

// newModCache has the go command fill a GOMODCACHE: a and Upper in full; of b and c what the
// module graph of a takes, and the go.mod that tells which versions of c are retracted.
func newModCache(t testing.TB, tree testTree) string {
	t.Helper()
	dir, cache := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module m.example\n\ngo 1.16\n\nrequire example.com/a v1.0.0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	goRun(t, dir, cache, tree.url(), "mod", "download", "example.com/a", "example.com/Upper@v1.0.0-RC.1")
	goRun(t, dir, cache, tree.url(), "list", "-m", "-versions", "example.com/c")
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
			want := []Item{full("example.com/Upper@v1.0.0-RC.1"), full("example.com/a@v1.0.0"), modOnly("example.com/b@v1.1.0"), modOnly("example.com/c@v1.0.0"), modOnly("example.com/c@v1.1.0")}
			for i := range want {
				want[i].From = dir
			}
			if !reflect.DeepEqual(items, want) || problems != nil {
				t.Errorf("%+v, %v", items, problems)
			}
			b := parseModule(t, "example.com/b@v1.1.0")
			if info, err := u.Info(t.Context(), b); err != nil || string(info) != `{"Version":"v1.1.0"}` {
				t.Errorf("%s, %v", info, err)
			}
			if err := u.Zip(t.Context(), b, tempFile(t)); !errors.Is(err, ErrNotFound) {
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
func assertSameFiles(t *testing.T, u *Upstream, tree testTree, version string) {
	t.Helper()
	m := parseModule(t, version)
	info, err := u.Info(t.Context(), m)
	if want := readAll(t, tree.file(t, version, ".info")); err != nil || string(info) != want {
		t.Errorf("%s: %s, %v; want %s", m, info, err, want)
	}
	mod, err := u.GoMod(t.Context(), m)
	if want := readAll(t, tree.file(t, version, ".mod")); err != nil || string(mod) != want {
		t.Errorf("%s: %s, %v; want %s", m, mod, err, want)
	}
	zip := tempFile(t)
	if err := u.Zip(t.Context(), m, zip); err != nil || readAll(t, zip.Name()) != readAll(t, tree.file(t, version, ".zip")) {
		t.Errorf("%s: the zip differs, %v", m, err)
	}
}

// zipOf makes the zip of a version.
func zipOf(t testing.TB, version string, files ...modzip.File) string {
	t.Helper()
	var zip strings.Builder
	if err := modzip.Create(&zip, parseModule(t, version), files); err != nil {
		t.Fatal(err)
	}
	return zip.String()
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
	m := parseModule(t, v)
	tree := newTree(t, v)
	other := newProxy(t, newTree(t, v), nil)
	remove(t, tree.file(t, v, ".info"))
	modOnly := newTree(t)
	modOnly.write(t, v, ".mod", "module example.com/a\n")
	modOnly.write(t, v, ".info", "")
	none := newProxy(t, "", always(404, "no")).URL
	fails := newProxy(t, "", always(500, "no")).URL
	const bare = `{"Version":"v1.0.0"}`
	for name, tt := range map[string]struct{ goproxy, want string }{
		"alone":                                {tree.url(), bare},
		"only go.mod, and an empty .info file": {modOnly.url(), bare},
		"another has it":                       {tree.url() + "," + other.URL, "2026-01-02"},
		"another before has it":                {none + "," + other.URL + "," + tree.url(), "2026-01-02"},
		"nobody has it":                        {tree.url() + "," + none, bare},
		"nobody before has it":                 {none + "," + tree.url(), bare},
		"nobody else may be asked":             {tree.url() + ",off", bare},
		"nobody else can be reached directly":  {tree.url() + ",direct", bare},
		"somebody else fails":                  {tree.url() + "," + fails, ""},
		"the version is not there":             {newTree(t, "example.com/a@v1.0.1").url(), ""},
		"no directory":                         {none, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GIT_ALLOW_PROTOCOL", "none")
			t.Setenv("GOVCS", "*:off")
			u := newUpstreamWith(t, UpstreamOptions{GOPROXY: tt.goproxy, Retries: -1, Go: failingGo(t)})
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

func TestAMissingGoModIsReadOutOfTheZip(t *testing.T) {
	tree := newTree(t, "example.com/a@v1.0.0")
	tree.add(t, "example.com/old@v1.0.0", map[string]string{"go.mod": "module x\n"})
	tree.write(t, "example.com/old@v1.0.0", ".zip", zipOf(t, "example.com/old@v1.0.0", memFile{"a.go", "package a\n"}))
	tree.write(t, "example.com/other@v1.0.0", ".zip", zipOf(t, "example.com/a@v1.0.0", memFile{"a.go", "package a\n"}))
	tree.write(t, "example.com/text@v1.0.0", ".zip", "This is not a zip.")
	tree.write(t, "example.com/mod@v1.0.0", ".info", `{"Version":"v1.0.0"}`)
	remove(t, tree.file(t, "example.com/a@v1.0.0", ".mod"), tree.file(t, "example.com/old@v1.0.0", ".mod"))
	u := newUpstream(t, tree.url())
	for _, tt := range []struct {
		path, want string
		is         error
	}{
		{"example.com/a", "module example.com/a\n\ngo 1.24\n", nil},
		{"example.com/old", "module example.com/old\n", nil},
		{"example.com/other", "", artifact.ErrCorrupt},
		{"example.com/text", "", artifact.ErrCorrupt},
		{"example.com/mod", "", ErrNotFound},
	} {
		got, err := u.GoMod(t.Context(), module.Version{Path: tt.path, Version: "v1.0.0"})
		if string(got) != tt.want || !errors.Is(err, tt.is) {
			t.Errorf("%s: %q, %v", tt.path, got, err)
		}
	}
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
				put(t, filepath.Join(root, dir, file), text)
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

func put(t testing.TB, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
