package mirror

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

// testTree is a GOPROXY tree in a directory.
type testTree string

func newTree(t testing.TB, versions ...string) testTree {
	t.Helper()
	tree := testTree(t.TempDir())
	for _, v := range versions {
		tree.add(t, v, nil)
	}
	return tree
}

func (tr testTree) url() string { return "file://" + filepath.ToSlash(string(tr)) }

// file returns the name of a file of a version: file(t, "example.com/a@v1.0.0", ".zip").
func (tr testTree) file(t testing.TB, version, ext string) string {
	t.Helper()
	m := parseModule(t, version)
	path, err := module.EscapePath(m.Path)
	if err != nil {
		t.Fatal(err)
	}
	v, err := module.EscapeVersion(m.Version)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(string(tr), filepath.FromSlash(path), "@v", v+ext)
}

// add writes a version with the given files. A go.mod and a package are made up
// where files does not have them; a nil content leaves go.mod out.
func (tr testTree) add(t testing.TB, version string, files map[string]string) {
	t.Helper()
	m := parseModule(t, version)
	goMod, ok := files["go.mod"]
	if !ok {
		goMod = "module " + m.Path + "\n\ngo 1.24\n"
	}
	content := []modzip.File{memFile{"go.mod", goMod}, memFile{"lib.go", "package lib // " + version + "\n"}}
	for name, text := range files {
		if name != "go.mod" {
			content = append(content, memFile{name, text})
		}
	}
	var zip strings.Builder
	if err := modzip.Create(&zip, m, content); err != nil {
		t.Fatal(err)
	}
	tr.write(t, version, ".zip", zip.String())
	tr.write(t, version, ".mod", goMod)
	info, err := json.Marshal(struct { // as the go command writes it
		Version string
		Time    time.Time
	}{m.Version, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	tr.write(t, version, ".info", string(info))
	list := filepath.Join(filepath.Dir(tr.file(t, version, ".zip")), "list")
	f, err := os.OpenFile(list, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fmt.Fprintln(f, m.Version)
}

func (tr testTree) write(t testing.TB, version, ext, content string) {
	t.Helper()
	name := tr.file(t, version, ext)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

type memFile struct{ name, content string }

func (f memFile) Path() string                { return f.name }
func (f memFile) Lstat() (os.FileInfo, error) { return memInfo{f}, nil }
func (f memFile) Open() (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(f.content)), nil
}

type memInfo struct{ f memFile }

func (i memInfo) Name() string       { return filepath.Base(i.f.name) }
func (i memInfo) Size() int64        { return int64(len(i.f.content)) }
func (i memInfo) Mode() os.FileMode  { return 0o644 }
func (i memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) IsDir() bool        { return false }
func (i memInfo) Sys() any           { return nil }

func parseModule(t testing.TB, s string) module.Version {
	t.Helper()
	path, version, ok := strings.Cut(s, "@")
	if !ok {
		t.Fatalf("%q is not module@version", s)
	}
	return module.Version{Path: path, Version: version}
}

// testProxy serves a tree over HTTP, counts requests by path and lets tests answer in its place.
type testProxy struct {
	*httptest.Server
	mu       sync.Mutex
	requests map[string]int
}

// newProxy starts a proxy. Where answer is nil or returns false, the tree answers.
func newProxy(t testing.TB, tree testTree, answer func(http.ResponseWriter, *http.Request) bool) *testProxy {
	t.Helper()
	p := &testProxy{requests: make(map[string]int)}
	files := http.FileServer(http.Dir(string(tree)))
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.requests[r.URL.Path]++
		p.mu.Unlock()
		if answer == nil || !answer(w, r) {
			files.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

// count returns the number of requests whose path ends in suffix.
func (p *testProxy) count(suffix string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for path, times := range p.requests {
		if strings.HasSuffix(path, suffix) {
			n += times
		}
	}
	return n
}

// always answers every request with a status and a text.
func always(status int, text string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, text, status)
		return true
	}
}

func newUpstream(t testing.TB, goproxy string) *Upstream {
	t.Helper()
	return newUpstreamWith(t, UpstreamOptions{GOPROXY: goproxy})
}

// newUpstreamWith adds what makes tests quick and independent of the machine.
func newUpstreamWith(t testing.TB, o UpstreamOptions) *Upstream {
	t.Helper()
	o.MinBackoff = time.Millisecond
	if o.Netrc == "" {
		o.Netrc = os.DevNull
	}
	u, err := NewUpstream(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	})
	return u
}
