package proxyshim

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/sumdb"
)

func mustURL(t testing.TB, path string) *url.URL {
	t.Helper()
	u, err := url.ParseRequestURI(path)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestParseUnderstandsWhatTheGoCommandAsks(t *testing.T) {
	for _, test := range []struct {
		path string
		want request
	}{
		{"/", request{kind: kindRoot}},
		{"/-/healthz", request{kind: kindPage, name: "healthz"}},
		{"/sumdb/sum.golang.org/supported", request{kind: kindSupported, name: "sum.golang.org"}},
		{"/sumdb/a%2F..%2Fb//supported", request{kind: kindSupported, name: "a/../b/"}},
		{"/sumdb/sums.corp.example/log/latest", request{kind: kindSumDB, name: "sums.corp.example/log/latest"}},
		{
			"/example.com/m/@v/list",
			request{kind: kindList, module: module.Version{Path: "example.com/m"}},
		},
		{
			"/example.com/m/@latest",
			request{kind: kindLatest, module: module.Version{Path: "example.com/m"}},
		},
		{
			"/example.com/m/@v/v1.2.3.info",
			request{kind: kindInfo, module: module.Version{Path: "example.com/m", Version: "v1.2.3"}},
		},
		{
			"/github.com/%21burnt%21sushi/toml/@v/v1.4.1-0.20240526193622-a339e1f7089c.mod",
			request{
				kind:   kindMod,
				module: module.Version{Path: "github.com/BurntSushi/toml", Version: "v1.4.1-0.20240526193622-a339e1f7089c"},
			},
		},
		{
			"/example.com/m/@v/v2.0.0+incompatible.zip",
			request{kind: kindZip, module: module.Version{Path: "example.com/m", Version: "v2.0.0+incompatible"}},
		},
		{
			"/golang.org/toolchain/@v/v0.0.1-go1.26.2.linux-amd64.zip",
			request{kind: kindZip, module: module.Version{Path: "golang.org/toolchain", Version: "v0.0.1-go1.26.2.linux-amd64"}},
		},
		{
			"/example.com/m/@v/v2.0.0.info", // suits no path without /v2
			request{kind: kindRevision, module: module.Version{Path: "example.com/m"}, name: "v2.0.0"},
		},
		{
			"/example.com/m/@v/main.info",
			request{kind: kindRevision, module: module.Version{Path: "example.com/m"}, name: "main"},
		},
	} {
		q, err := parse(mustURL(t, test.path))
		if err != nil || q != test.want {
			t.Errorf("parse(%s) = %+v, %v; want %+v", test.path, q, err, test.want)
		}
	}
}

func TestParseRefusesEverythingElse(t *testing.T) {
	for path, want := range map[string]error{
		"*":                                     errNoModule,
		"/favicon.ico":                          errNoModule,
		"/example.com/m":                        errNoModule,
		"/..":                                   errNoModule,
		"//example.com/m/@v/list":               errSyntax,
		"/example.com/../m/@v/list":             errSyntax,
		"/example.com/%2e%2e/m/@v/list":         errSyntax,
		"/example.com%2Fm/@v/list":              errSyntax,
		"/sumdb":                                errNoModule,
		"/sumdb/log/lookup/a.b%2Fm@v1.0.0":      errSyntax,
		"/example.com%2fm/@v/list":              errSyntax,
		"/example.com/M/@v/list":                errSyntax,
		"/example.com/m!/@v/list":               errSyntax,
		"/example.com/!1/@v/list":               errSyntax,
		"/example.com/m%00/@v/list":             errSyntax,
		"/example.com/m%252e/@v/list":           errSyntax,
		"/example.com/%5c..%5cm/@v/list":        errSyntax,
		"/example/m/@v/list":                    errSyntax,
		"/.tmp/@v/list":                         errSyntax,
		"/example.com/m/@v/":                    errSyntax,
		"/example.com/m/@v/v1.0.0":              errSyntax,
		"/example.com/m/@v/.info":               errSyntax,
		"/example.com/m/@v/..info":              errSyntax,
		"/example.com/m/@v/...zip":              errSyntax,
		"/example.com/m/@v/v1.0.0.verdict":      errSyntax,
		"/example.com/m/@v/v1.0.0.exe":          errSyntax,
		"/example.com/m/@v/../v1.0.0.zip":       errSyntax,
		"/example.com/m/@v/a/v1.0.0.zip":        errSyntax,
		"/example.com/m/@v/v1.0.0%2f..%2fx.zip": errSyntax,
		"/example.com/m/@v/v1.0.zip":            errSyntax,
		"/example.com/m/@v/v1.0.0+meta.zip":     errSyntax,
		"/example.com/m/@v/v2.0.0.mod":          errSyntax,
		"/example.com/m/v2/@v/v1.0.0.zip":       errSyntax,
		"/example.com/m/@v/main.zip":            errSyntax,
		"/example.com/m/@v/V1.0.0.info":         errSyntax,
		"/example.com/m/@latest/":               errSyntax,
		"/example.com/m/@v/list/":               errSyntax,
		"/example.com/m/@other":                 errSyntax,
		"/example.com/m/@v/@v/list":             errSyntax,
		"/example.com/" + strings.Repeat("a/", maxPath/2) + "m/@v/list":        errSyntax,
		"/example.com/" + strings.Repeat("a", maxElement+1) + "/@v/list":       errSyntax,
		"/example.com/m/@v/v1.0.0-" + strings.Repeat("a", maxElement) + ".zip": errSyntax,
	} {
		if q, err := parse(mustURL(t, path)); !errors.Is(err, want) {
			t.Errorf("parse(%s) = %+v, %v; want %v", path, q, err, want)
		}
	}
}

// FuzzParse: what parse accepts names one file below the cache directory, by the path that was asked for.
func FuzzParse(f *testing.F) {
	for _, path := range []string{
		"/", "/-/readyz", "/sumdb/x", "/example.com/m/@v/list", "/example.com/m/@latest", "/a.b/%21x/@v/v1.0.0.zip",
		"/example.com/m/@v/v1.0.0+incompatible.info", "/gopkg.in/yaml.v3/@v/v3.0.1.info", "/example.com/m/v2/@v/v1.0.0.info", "/example.com/../@v/..zip", "//", "/%2e%2e/@v/list", "*",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		q, err := parse(u)
		if err != nil {
			if !errors.Is(err, errSyntax) && !errors.Is(err, errNoModule) {
				t.Fatalf("%q: %v", path, err)
			}
			return
		}
		if q.module.Path != "" && module.CheckPath(q.module.Path) != nil {
			t.Fatalf("%q: module %q", path, q.module.Path)
		}
		if q.kind == kindRevision {
			if v := q.name; v == module.CanonicalVersion(v) && module.Check(q.module.Path, v) == nil {
				t.Fatalf("%q: %s is a version", path, v)
			}
		}
		if q.module.Version == "" {
			return
		}
		if err := module.Check(q.module.Path, q.module.Version); err != nil {
			t.Fatalf("%q: %v", path, err)
		}
		name, err := goproxy.Base(q.module)
		if err != nil || !filepath.IsLocal(filepath.FromSlash(name)) || !strings.HasPrefix(u.Path, "/"+name+".") {
			t.Fatalf("%q: file %q (%v)", path, name, err)
		}
	})
}

func TestParseSumDBUnderstandsWhatTheGoCommandAsks(t *testing.T) {
	upper := module.Version{Path: "github.com/BurntSushi/toml", Version: "v0.4.0"}
	for name, want := range map[string]request{
		"latest": {kind: kindHead},
		"lookup/github.com/!burnt!sushi/toml@v0.4.0": {kind: kindLookup, module: upper},
		"tile/8/0/x001/234":                          {kind: kindTile, tile: tlog.Tile{H: 8, L: 0, N: 1234, W: 256}},
		"tile/8/3/000.p/7":                           {kind: kindTile, tile: tlog.Tile{H: 8, L: 3, N: 0, W: 7}},
	} {
		if q, err := parseSumDB("sums.corp.example/log/"+name, "sums.corp.example/log"); err != nil || q != want {
			t.Errorf("%s: %+v, %v; want %+v", name, q, err, want)
		}
	}
	for name, want := range map[string]error{
		"":                               errOtherLog,
		"log":                            errOtherLog,
		"other/latest":                   errOtherLog,
		"logs/latest":                    errOtherLog,
		"log/":                           errSyntax,
		"log/latest/":                    errSyntax,
		"log/lookup/":                    errSyntax,
		"log/lookup/a.b/m":               errSyntax,
		"log/lookup/a.b/m@master":        errSyntax,
		"log/lookup/a.b/M@v1.0.0":        errSyntax,
		"log/lookup/a.b/../m@v1.0.0":     errSyntax,
		"log/lookup/a.b/m@v1.0.0/go.mod": errSyntax,
		"log/tile/8/0/x001/1234":         errSyntax,
		"log/tile/8/0/000.p/0":           errSyntax,
		"log/tile/8/0/../000":            errSyntax,
		"log/tile/8/0/-01":               errSyntax,
		"log/lookup/a.b/" + strings.Repeat("a", maxElement+1) + "@v1.0.0": errSyntax,
	} {
		if q, err := parseSumDB(name, "log"); !errors.Is(err, want) {
			t.Errorf("%s: %+v, %v; want %v", name, q, err, want)
		}
	}
}

// FuzzParseSumDB: what is accepted is written as it was asked for.
func FuzzParseSumDB(f *testing.F) {
	for _, name := range []string{"log/latest", "log/lookup/a.b/!m@v1.0.0", "log/tile/8/0/x001/000.p/9", "log/tile/8/data/000", "other"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		q, err := parseSumDB(name, "log")
		if err != nil {
			if !errors.Is(err, errSyntax) && !errors.Is(err, errOtherLog) {
				t.Fatalf("%q: %v", name, err)
			}
			return
		}
		path := "latest"
		switch q.kind {
		case kindLookup:
			path, err = sumdb.LookupPath(q.module)
		case kindTile:
			path = q.tile.Path()
		}
		if err != nil || name != "log/"+path {
			t.Fatalf("%q is %q (%v)", name, path, err)
		}
		if q.kind == kindLookup {
			if file, err := goproxy.Base(q.module); err != nil || !filepath.IsLocal(filepath.FromSlash(file)) {
				t.Fatalf("%q: file %q (%v)", name, file, err)
			}
		}
	})
}

// FuzzServe: no path makes the handler panic, reach the store with something malformed, or leave the cache directory.
func FuzzServe(f *testing.F) {
	e := newEnv(f, func(o *Options) { o.Absent = -1 })
	for _, path := range []string{
		"/", "/-/x", "/example.com/m/@v/list", "/example.com/m/@v/v1.0.0.zip", "/example.com/m/@v/..%2f..%2fx.zip",
		"/sumdb/sum.golang.org/lookup/a.b/m@v1.0.0", "/sumdb/sum.golang.org/tile/8/0/x001/000", "/sumdb/../x/supported",
		"/../../etc/passwd/@v/list", "/example.com/%00/@latest", "/example.com/m/@v/master.info",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		before := e.transport.count()
		w := httptest.NewRecorder()
		e.handler.ServeHTTP(w, &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}})
		q, err := parse(u)
		if err != nil && e.transport.count() != before {
			t.Errorf("%q reached the store", path)
		}
		switch w.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusNotFound:
		case http.StatusForbidden:
			if q.kind != kindSupported { // of another log
				t.Errorf("%q: %s", path, w.Body)
			}
		default:
			t.Errorf("%q: status %d: %s", path, w.Code, w.Body)
		}
		if outside := e.outside(t); len(outside) > 0 {
			t.Errorf("%q: files outside the cache directory: %v", path, outside)
		}
	})
}
