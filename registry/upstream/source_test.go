package upstream

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

// serveSource serves a Source as a GOPROXY.
func serveSource(t testing.TB, g *Source) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := g.Open(r.Context(), strings.TrimPrefix(r.URL.Path, "/"))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			http.Error(w, err.Error(), http.StatusNotFound)
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadGateway)
		default:
			defer f.Close()
			_, _ = io.Copy(w, f)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// readSource reads a file.
func readSource(t testing.TB, g *Source, name string) (string, error) {
	t.Helper()
	f, err := g.Open(t.Context(), name)
	if err != nil {
		if f != nil {
			t.Errorf("%s: a file and an error", name)
		}
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	return string(data), err
}

func TestTheGoCommandWorksThroughASource(t *testing.T) {
	tree := cacheTree(t)
	proxy := upstreamtest.NewProxy(t, tree, nil)
	u := newUpstream(t, proxy.URL)
	spool := t.TempDir()
	url := serveSource(t, NewSource(u, nil, SourceOptions{Spool: spool}))
	dir := t.TempDir()
	upstreamtest.Put(t, filepath.Join(dir, "go.mod"), "module m.example\n\ngo 1.24\n")
	upstreamtest.Put(t, filepath.Join(dir, "m.go"), "package m\n\nimport _ \"example.com/a\"\n")
	for _, args := range [][]string{{"mod", "tidy"}, {"build", "./..."}, {"mod", "download", "all"}, {"list", "-m", "-u", "all"}} {
		goRun(t, dir, t.TempDir(), url, args...)
	}
	for name, n := range proxy.Requests {
		isVersion := strings.Contains(name, "/@v/v")
		if isVersion && n > 1 {
			t.Errorf("%s was fetched %d times", name, n)
		}
	}
	before := proxy.Count("")
	assertSameFiles(t, u, tree, "example.com/a@v1.0.0")
	if n := proxy.Count("") - before; n != 0 {
		t.Errorf("%d more requests for what was fetched", n)
	}
	left, err := filepath.Glob(filepath.Join(spool, "example.com", "*", "@v", "*.tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestASourceSaysWhatDoesNotExist(t *testing.T) {
	tree := upstreamtest.NewTree(t, "example.com/a@v1.0.0")
	tree.Write(t, "example.com/a@main", ".info", `{"Version":"v1.0.0"}`)
	good := upstreamtest.NewProxy(t, tree, nil).URL
	gone := upstreamtest.NewProxy(t, "", upstreamtest.Always(410, "gone")).URL
	fails := upstreamtest.NewProxy(t, "", upstreamtest.Always(500, "no")).URL
	missing := filepath.Join(t.TempDir(), "nowhere", "go")
	for _, tt := range []struct {
		goproxy, goCmd, name string
		absent               bool
		text                 string
	}{
		{good, "", "example.com/a/@v/v1.0.1.zip", true, "does not exist"},
		{good, "", "example.com/a/@v/v1.0.1.info", true, "does not exist"},
		{good, "", "example.com/b/@v/list", true, "does not exist"},
		{good, "", "example.com/b/@latest", true, "does not exist"},
		{good, "", "example.com/a/@v/branch.info", true, "does not exist"},
		{good, "", "example.com/a/@v/../../x.zip", true, ""},
		{good, "", "../../etc/passwd", true, ""},
		{good, "", "example.com/a/@v/v2.0.0.zip", true, "not a canonical version"},
		{good, "", "sumdb/sum.example.com/supported", true, "no such checksum database"},
		{gone, "", "example.com/a/@v/v1.0.0.mod", true, "gone"},
		{"off", "", "example.com/a/@v/v1.0.0.mod", true, "GOPROXY=off"},
		{fails, "", "example.com/a/@v/v1.0.0.mod", false, "500"},
		{fails, "", "example.com/a/@v/list", false, "500"},
		{gone + ",direct", failingGo(t), "example.com/a/b/@v/list", true, "unknown revision"},
		{gone + ",direct", failingGo(t), "example.com/a/b/@latest", true, "unknown revision"},
		{gone + ",direct", failingGo(t), "example.com/a/b/@v/v1.0.0.info", true, "unknown revision"},
		{gone + ",direct", failingGo(t), "example.com/a/b/@v/v1.0.0.mod", false, "unknown revision"},
		{gone + ",direct", failingGo(t), "example.com/a/b/@v/v1.0.0.zip", false, "unknown revision"},
		{gone + ",direct", missing, "example.com/a/b/@v/list", false, "no such file"},
	} {
		u := newUpstreamWith(t, Options{GOPROXY: tt.goproxy, Retries: -1, Go: tt.goCmd})
		_, err := readSource(t, NewSource(u, nil, SourceOptions{Spool: t.TempDir()}), tt.name)
		if err == nil || errors.Is(err, fs.ErrNotExist) != tt.absent || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s from %s: %v", tt.name, tt.goproxy, err)
		}
	}
	g := NewSource(newUpstream(t, good), nil, SourceOptions{Spool: t.TempDir()})
	if got, err := readSource(t, g, "example.com/a/@v/main.info"); err != nil || got != `{"Version":"v1.0.0"}` {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := readSource(t, g, "example.com/a/@v/list"); err != nil || got != "v1.0.0\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAModuleCacheServesTheSourceOnly(t *testing.T) {
	tree := cacheTree(t)
	cache := newModCache(t, tree)
	proxy := upstreamtest.NewProxy(t, tree, nil)
	u := newUpstream(t, proxy.URL)
	g := NewSource(u, nil, SourceOptions{Spool: t.TempDir(), ModCache: cache})
	for _, ext := range []string{".info", ".mod", ".zip"} {
		got, err := readSource(t, g, "example.com/a/@v/v1.0.0"+ext)
		if err != nil || got != upstreamtest.ReadAll(t, tree.File(t, "example.com/a@v1.0.0", ext)) {
			t.Errorf("%s: %v", ext, err)
		}
	}
	if n := proxy.Count(""); n != 0 {
		t.Errorf("%d requests", n)
	}
	if _, err := readSource(t, g, "example.com/c/@v/list"); err != nil || proxy.Count("list") != 1 {
		t.Error("the list is upstream's business:", err)
	}
	assertSameFiles(t, u, tree, "example.com/a@v1.0.0")
	if proxy.Count("v1.0.0.mod") != 1 || proxy.Count("v1.0.0.zip") != 1 || proxy.Count("v1.0.0.info") != 1 {
		t.Error("what is mirrored came out of the cache")
	}
}

func TestAFileIsFetchedOnceForAllWhoWantIt(t *testing.T) {
	arrived, answer := make(chan struct{}, 100), make(chan struct{})
	proxy := upstreamtest.NewProxy(t, upstreamtest.NewTree(t, "example.com/a@v1.0.0"), func(http.ResponseWriter, *http.Request) bool {
		arrived <- struct{}{}
		<-answer
		return false
	})
	g := NewSource(newUpstream(t, proxy.URL), nil, SourceOptions{Spool: t.TempDir()})
	const name = "example.com/a/@v/v1.0.0.zip"
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := readSource(t, g, name); err != nil {
				t.Error(err)
			}
		})
	}
	<-arrived
	impatient, leave := context.WithCancel(t.Context())
	leave()
	if _, err := g.Open(impatient, name); !errors.Is(err, context.Canceled) {
		t.Error("who goes away waits all the same:", err)
	}
	close(answer)
	all.Wait()
	if n := proxy.Count(""); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestAFetchThatNobodyWaitsForEnds(t *testing.T) {
	ended := make(chan struct{})
	arrived := make(chan struct{})
	proxy := upstreamtest.NewProxy(t, "", func(_ http.ResponseWriter, r *http.Request) bool {
		close(arrived)
		<-r.Context().Done()
		close(ended)
		return true
	})
	spool := t.TempDir()
	g := NewSource(newUpstream(t, proxy.URL), nil, SourceOptions{Spool: spool})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := g.Open(ctx, "example.com/a/@v/v1.0.0.zip"); !errors.Is(err, context.Canceled) || errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	<-ended
	left, err := os.ReadDir(filepath.Join(spool, "example.com", "a", "@v"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestASourceCarriesTheChecksumDatabase(t *testing.T) {
	tree := cacheTree(t)
	log := upstreamtest.NewLog(t, tree)
	u := newUpstream(t, tree.URL())
	sums := newChecksums(t, ChecksumOptions{GOSUMDB: log.GOSUMDB(), NoSumDB: "corp.example", Upstream: u})
	g := NewSource(u, sums, SourceOptions{Spool: t.TempDir()})
	for _, test := range []struct{ name, want string }{ // in this order: the log has a record, and a tile with it, from its first lookup on
		{"supported", ""},
		{"latest", "go.sum database tree"},
		{"lookup/example.com/a@v1.0.0", "example.com/a v1.0.0 h1:"},
		{"tile/8/0/000.p/1", ""},
		{"lookup/corp.example/a@v1.0.0", "-"},
		{"lookup/EXAMPLE.com/a@v1.0.0", "-"},
		{"../supported", "-"},
		{"other", "-"},
	} {
		name, want := test.name, test.want
		got, err := readSource(t, g, "sumdb/"+upstreamtest.LogName+"/"+name)
		if want == "-" && !errors.Is(err, fs.ErrNotExist) || want != "-" && (err != nil || !strings.Contains(got, want)) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if log.Requests("corp.example") != 0 {
		t.Error("the database was asked about a private module")
	}
	if _, err := readSource(t, g, "sumdb/sum.other.example/supported"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	log.Close()
	if _, err := readSource(t, g, "sumdb/"+upstreamtest.LogName+"/latest"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestASpoolThatCannotBeWrittenIsNoAbsence(t *testing.T) {
	u := newUpstream(t, upstreamtest.NewTree(t, "example.com/a@v1.0.0").URL())
	file := filepath.Join(t.TempDir(), "file")
	upstreamtest.Put(t, file, "x")
	g := NewSource(u, nil, SourceOptions{Spool: file})
	if _, err := readSource(t, g, "example.com/a/@v/v1.0.0.zip"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
