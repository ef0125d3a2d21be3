package upstream

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

// newAthens fills a directory as Athens' disk storage would with what a tree has.
func newAthens(t testing.TB, tree upstreamtest.Tree, versions ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, v := range versions {
		m := upstreamtest.ParseModule(t, v)
		for ext, name := range map[string]string{".info": m.Version + ".info", ".mod": "go.mod", ".zip": "source.zip"} {
			upstreamtest.Put(t, filepath.Join(root, m.Path, m.Version, name), upstreamtest.ReadAll(t, tree.File(t, v, ext)))
		}
	}
	return root
}

func TestTheDiskStorageOfAthensIsAnUpstream(t *testing.T) {
	versions := []string{
		"example.com/Upper/a@v1.0.0-RC.1", "example.com/Upper/a@v1.1.0", "example.com/Upper/a/v2@v2.0.0", "example.com/old@v2.0.0+incompatible",
	}
	tree := upstreamtest.NewTree(t, versions[:3]...)
	tree.Add(t, versions[3], map[string]string{"go.mod": "module example.com/old\n"})
	dir := newAthens(t, tree, versions...)
	u := newUpstream(t, dir)
	for _, v := range versions {
		assertSameFiles(t, u, tree, v)
	}
	if list, err := u.List(t.Context(), "example.com/Upper/a"); err != nil || !slices.Equal(list, []string{"v1.0.0-RC.1", "v1.1.0"}) {
		t.Errorf("%q, %v", list, err)
	}
	if m, err := u.Resolve(t.Context(), "example.com/Upper/a", "latest"); err != nil || m.Version != "v1.1.0" {
		t.Error(m, err)
	}
	items, problems := TreeVersions(t.Context(), dir)
	var got []string
	for _, it := range items {
		got = append(got, it.Module.String())
	}
	if !Tree(dir) || !slices.Equal(got, versions) || problems != nil {
		t.Errorf("%q, %v", got, problems)
	}
	if _, err := u.Info(t.Context(), module.Version{Path: "example.com/Upper/a", Version: "v1.2.0"}); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestAthensVersionsMayLackFiles(t *testing.T) {
	const v = "example.com/a@v1.0.0"
	tree := upstreamtest.NewTree(t, v, "example.com/a@v1.1.0")
	dir := newAthens(t, tree, v, "example.com/a@v1.1.0")
	at := func(version, name string) string { return filepath.Join(dir, "example.com", "a", version, name) }
	remove(t, at("v1.0.0", "v1.0.0.info"), at("v1.1.0", "source.zip"))
	u := newUpstream(t, dir)
	if info, err := u.Info(t.Context(), upstreamtest.ParseModule(t, v)); err != nil || string(info) != `{"Version":"v1.0.0"}` {
		t.Errorf("%s, %v", info, err)
	}
	if mod, err := u.GoMod(t.Context(), upstreamtest.ParseModule(t, v)); err != nil || string(mod) != upstreamtest.ReadAll(t, tree.File(t, v, ".mod")) {
		t.Errorf("%s, %v", mod, err)
	}
	items, problems := TreeVersions(t.Context(), dir)
	want := []requirement.Requirement{{Module: upstreamtest.ParseModule(t, v), From: dir}, {Module: upstreamtest.ParseModule(t, "example.com/a@v1.1.0"), ModOnly: true, From: dir}}
	if !reflect.DeepEqual(items, want) || problems != nil {
		t.Errorf("%+v, %v", items, problems)
	}
}

func TestTreeRecognisesDirectoriesOfModules(t *testing.T) {
	good := upstreamtest.NewTree(t, "github.com/a/b/c@v1.0.0")
	for name, tt := range map[string]struct {
		files []string
		want  bool
	}{
		"nothing":                       {nil, false},
		"GOMODCACHE, still empty":       {[]string{"cache/download/x"}, false},
		"GOMODCACHE":                    {[]string{"cache/download/example.com/a/@v/v1.0.0.zip", "example.com/a@v1.0.0/go.mod"}, true},
		"a project":                     {[]string{"go.mod", "example.com/a/@v/v1.0.0.zip"}, false},
		"a workspace":                   {[]string{"go.work", "example.com/a/@v/v1.0.0.zip"}, false},
		"a project's test data":         {[]string{"testdata/example.com/a/@v/v1.0.0.zip"}, false},
		"one version":                   {[]string{"example.com/a/@v/v1.0.0.mod"}, true},
		"no version":                    {[]string{"example.com/a/@v/list", "example.com/a/@v/v1.zip"}, false},
		"Athens":                        {[]string{"example.com/a/v1.0.0/source.zip"}, true},
		"a directory named as a module": {[]string{"example.com/a/go.mod", "example.com/a/main.go"}, false},
		"GOPATH/src":                    {[]string{"github.com/a/b/go.mod", "github.com/a/b/v2/go.mod"}, false},
		"hidden":                        {[]string{".example.com/a/@v/v1.0.0.zip"}, false},
	} {
		dir := t.TempDir()
		for _, f := range tt.files {
			upstreamtest.Put(t, filepath.Join(dir, filepath.FromSlash(f)), "x")
		}
		if got := Tree(dir); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if !Tree(string(good)) || Tree(good.File(t, "github.com/a/b/c@v1.0.0", ".zip")) || Tree(filepath.Join(string(good), "nowhere")) {
		t.Error("wrong about a real tree, a file, or nothing")
	}
}

func TestTreeVersionsSaysWhatItCannotUse(t *testing.T) {
	tree := upstreamtest.NewTree(t, "example.com/a@v1.0.0", "golang.org/toolchain@v0.0.1-go1.26.8.linux-amd64")
	for _, name := range []string{"example.com/a/@v/v2.0.0.zip", "example.com/a/@v/v1.0.mod", "example.com/a/@v/main.zip", "example.com/UPPER/@v/v1.0.0.zip"} {
		upstreamtest.Put(t, filepath.Join(string(tree), filepath.FromSlash(name)), "x")
	}
	for _, name := range []string{"v1.0.0.lock", "v1.0.0.ziphash", "v1.0.0.zip.partial", "main.info", "v1.0.0.zip1.tmp"} {
		upstreamtest.Put(t, filepath.Join(string(tree), "example.com", "a", "@v", name), "x")
	}
	items, problems := TreeVersions(t.Context(), string(tree))
	want := []requirement.Requirement{upstreamtest.Full("example.com/a@v1.0.0"), upstreamtest.Full("golang.org/toolchain@v0.0.1-go1.26.8.linux-amd64")}
	for i := range want {
		want[i].From = string(tree)
	}
	if !reflect.DeepEqual(items, want) || len(problems) != 4 {
		t.Errorf("%+v, %q", items, problems)
	}
	for _, err := range problems {
		if !strings.Contains(err.Error(), string(tree)) {
			t.Error(err)
		}
	}
	if items, problems := TreeVersions(t.Context(), filepath.Join(string(tree), "nowhere")); items != nil || len(problems) != 1 {
		t.Error(items, problems)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if items, problems := TreeVersions(ctx, string(tree)); items != nil || len(problems) != 1 || !errors.Is(problems[0], context.Canceled) {
		t.Error(items, problems)
	}
}

func TestADirectoryIsAskedBeforeEverythingElse(t *testing.T) {
	both := upstreamtest.NewTree(t, "corp.example/a@v1.0.0")
	rest := upstreamtest.NewProxy(t, upstreamtest.NewTree(t, "corp.example/a@v1.0.0", "corp.example/a@v1.1.0"), nil)
	for name, o := range map[string]Options{
		"public":  {GOPROXY: rest.URL},
		"private": {GOPROXY: rest.URL, Private: "corp.example"},
		"off":     {GOPROXY: "off"},
		"direct":  {GOPROXY: rest.URL, NoProxy: "corp.example", Go: failingGo(t)},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstreamWith(t, o)
			if err := u.Prepend(string(both)); err != nil {
				t.Fatal(err)
			}
			before := rest.Count("")
			assertSameFiles(t, u, both, "corp.example/a@v1.0.0")
			if n := rest.Count("") - before; n != 0 {
				t.Errorf("%d requests", n)
			}
			_, err := u.GoMod(t.Context(), module.Version{Path: "corp.example/a", Version: "v1.1.0"})
			if wants := name == "public" || name == "private"; wants != (err == nil) {
				t.Errorf("falling back: %v", err)
			}
		})
	}
	u := newUpstream(t, rest.URL)
	for _, dir := range []string{filepath.Join(string(both), "nowhere"), both.File(t, "corp.example/a@v1.0.0", ".zip")} {
		if err := u.Prepend(dir); err == nil || !strings.Contains(err.Error(), dir) {
			t.Error(err)
		}
	}
}

func TestAPartialDirectoryGoesWellWithAProxy(t *testing.T) {
	tree := cacheTree(t)
	cache := newModCache(t, tree)
	tree.Add(t, "example.com/c@v1.2.0", nil)
	proxy := upstreamtest.NewProxy(t, tree, nil)
	u := newUpstream(t, cache+","+proxy.URL)
	assertSameFiles(t, u, tree, "example.com/a@v1.0.0")
	assertSameFiles(t, u, tree, "example.com/b@v1.1.0")
	if proxy.Count("/b/@v/v1.1.0.mod") != 0 || proxy.Count("/b/@v/v1.1.0.zip") != 1 || proxy.Count("/b/@v/v1.1.0.info") != 1 || proxy.Count("/a/@v/v1.0.0.zip") != 0 {
		t.Errorf("%v", proxy.Requests)
	}
	// The cache has v1.0.0 and v1.1.0 only, which do not match.
	if m, err := u.Resolve(t.Context(), "example.com/c", ">v1.1.0-rc"); err != nil || m.Version != "v1.1.0" {
		t.Error(m, err)
	}
	if m, err := u.Resolve(t.Context(), "example.com/c", "v1.2"); err != nil || m.Version != "v1.2.0" {
		t.Error(m, err)
	}
	down := upstreamtest.NewProxy(t, "", func(w http.ResponseWriter, _ *http.Request) bool { panic(http.ErrAbortHandler) })
	u = newUpstreamWith(t, Options{GOPROXY: cache + "," + down.URL, Retries: -1})
	_, err := u.Info(t.Context(), upstreamtest.ParseModule(t, "example.com/b@v1.1.0"))
	if !errors.Is(err, ErrUpstream) {
		t.Fatal("a file was made up while somebody who may have it was down:", err)
	}
	if !strings.Contains(err.Error(), cache+" has the version without its .info file") {
		t.Error("it does not say what to do about it:", err)
	}
}
