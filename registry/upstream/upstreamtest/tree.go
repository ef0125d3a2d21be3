// Package upstreamtest has what tests read modules from: a GOPROXY tree in a directory, a proxy that serves it and counts,
// and a checksum database of what it has.
package upstreamtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/module"
)

// Tree is a GOPROXY tree in a directory.
type Tree string

// NewTree returns a tree with versions, each as [Tree.Add] makes it up.
func NewTree(t testing.TB, versions ...string) Tree {
	t.Helper()
	tree := Tree(t.TempDir())
	for _, v := range versions {
		tree.Add(t, v, nil)
	}
	return tree
}

// URL returns the tree as an entry of GOPROXY.
func (tr Tree) URL() string { return "file://" + filepath.ToSlash(string(tr)) }

// File returns the name of a file of a version: file(t, "example.com/a@v1.0.0", ".zip").
func (tr Tree) File(t testing.TB, version, ext string) string {
	t.Helper()
	m := ParseModule(t, version)
	path, err := module.EscapePath(m.Path)
	check(t, err)
	v, err := module.EscapeVersion(m.Version)
	check(t, err)
	return filepath.Join(string(tr), filepath.FromSlash(path), "@v", v+ext)
}

// Add writes a version with the given files. A go.mod and a package are made up
// where files does not have them; a nil content leaves go.mod out.
func (tr Tree) Add(t testing.TB, version string, files map[string]string) {
	t.Helper()
	m := ParseModule(t, version)
	goMod, ok := files["go.mod"]
	if !ok {
		goMod = "module " + m.Path + "\n\ngo 1.24\n"
	}
	content := map[string]string{"go.mod": goMod, "lib.go": "package lib // " + version + "\n"}
	maps.Copy(content, files)
	tr.Write(t, version, ".zip", Zip(t, m, content))
	tr.Write(t, version, ".mod", goMod)
	info, err := json.Marshal(struct { // as the go command writes it
		Version string
		Time    time.Time
	}{m.Version, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
	check(t, err)
	tr.Write(t, version, ".info", string(info))
	list := filepath.Join(filepath.Dir(tr.File(t, version, ".zip")), "list")
	f, err := os.OpenFile(list, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	check(t, err)
	defer f.Close()
	fmt.Fprintln(f, m.Version)
}

// Write writes one file of a version.
func (tr Tree) Write(t testing.TB, version, ext, content string) {
	t.Helper()
	Put(t, tr.File(t, version, ext), content)
}

// ParseModule takes path@version apart.
func ParseModule(t testing.TB, s string) module.Version {
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
	Requests map[string]int
}

// NewProxy starts a proxy. Where answer is nil or returns false, the tree answers.
func NewProxy(t testing.TB, tree Tree, answer func(http.ResponseWriter, *http.Request) bool) *testProxy {
	t.Helper()
	p := &testProxy{Requests: make(map[string]int)}
	files := http.FileServer(http.Dir(string(tree)))
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.Requests[r.URL.Path]++
		p.mu.Unlock()
		if answer == nil || !answer(w, r) {
			files.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

// Count returns the number of requests whose path ends in suffix.
func (p *testProxy) Count(suffix string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for path, times := range p.Requests {
		if strings.HasSuffix(path, suffix) {
			n += times
		}
	}
	return n
}

// Always answers every request with a status and a text.
func Always(status int, text string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, text, status)
		return true
	}
}

// QueryTree has modules whose versions stand for the cases that queries know.
func QueryTree(t *testing.T) Tree {
	tree := NewTree(t,
		"example.com/a@v0.9.0", "example.com/a@v1.0.0", "example.com/a@v1.0.3", "example.com/a@v1.1.0", "example.com/a@v1.2.0-beta.1",
		"example.com/pre@v0.1.0-alpha", "example.com/pre@v0.1.0-rc.1",
		"example.com/commits@v0.0.0-20240101000000-aaaaaaaaaaaa", "example.com/commits@v0.0.0-20250101000000-bbbbbbbbbbbb",
		"example.com/legacy@v3.0.0+incompatible", "example.com/modern@v2.0.0+incompatible",
	)
	tree.Add(t, "example.com/legacy@v1.0.0", map[string]string{"go.mod": "module example.com/legacy\n"})
	tree.Add(t, "example.com/modern@v1.0.0", nil)
	tree.Add(t, "example.com/sorry@v1.0.0", nil)
	tree.Add(t, "example.com/sorry@v1.1.0", nil)
	tree.Add(t, "example.com/sorry@v1.2.0", map[string]string{"go.mod": "module example.com/sorry\n\nretract [v1.1.0, v1.2.0] // sorry\n"})
	tree.Write(t, "example.com/a@main", ".info", `{"Version":"v1.1.1-0.20260102030405-abcdefabcdef"}`)
	tree.Write(t, "example.com/a@v1.0.3+meta", ".info", `{"Version":"v1.0.3"}`)
	tree.Write(t, "example.com/legacy@v2.0.0", ".info", `{"Version":"v2.0.0+incompatible"}`)
	tree.Write(t, "example.com/bad@other", ".info", `{"Version":"v2.0.0"}`)
	tree.Write(t, "example.com/bad@text", ".info", `<html>`)
	tree.Write(t, "example.com/bad@short", ".info", `{"Version":"v1.0"}`)
	return tree
}
