package upstream

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func TestResolveMeansWhatTheGoCommandMeans(t *testing.T) {
	u := newUpstream(t, upstreamtest.QueryTree(t).URL())
	for _, tt := range []struct{ query, want string }{
		{"example.com/a@v1.0.0", "v1.0.0"},
		{"example.com/unknown@v1.0.0", "v1.0.0"}, // no request: it may not exist
		{"example.com/a@latest", "v1.1.0"},
		{"example.com/a@v1", "v1.1.0"},
		{"example.com/a@v1.0", "v1.0.3"},
		{"example.com/a@v0", "v0.9.0"},
		{"example.com/a@v1.2", ""}, // v1.2.0-beta.1 comes before v1.2
		{"example.com/a@<v1.1.0", "v1.0.3"},
		{"example.com/a@<v1", "v0.9.0"},
		{"example.com/a@<=v1.1.0", "v1.1.0"},
		{"example.com/a@>v1.0.0", "v1.0.3"},
		{"example.com/a@>=v1.0.1", "v1.0.3"},
		{"example.com/a@>=v1.1", "v1.1.0"},
		{"example.com/a@>v1.1.0", "v1.2.0-beta.1"},
		{"example.com/a@>v2.0.0", ""},
		{"example.com/a@main", "v1.1.1-0.20260102030405-abcdefabcdef"},
		{"example.com/a@v1.0.3+meta", "v1.0.3"},
		{"example.com/a@v1.0.0+meta", "v1.0.0"},
		{"example.com/pre@latest", "v0.1.0-rc.1"},
		{"example.com/commits@latest", "v0.0.0-20250101000000-bbbbbbbbbbbb"},
		{"example.com/legacy@latest", "v3.0.0+incompatible"},
		{"example.com/legacy@v2.0.0", "v2.0.0+incompatible"},
		{"example.com/legacy@v3", "v3.0.0+incompatible"},
		{"example.com/modern@latest", "v1.0.0"},
		{"example.com/modern@v2", "v2.0.0+incompatible"},
		{"example.com/sorry@latest", "v1.0.0"},
		{"example.com/sorry@v1.2", ""},
		{"example.com/sorry@v1.2.0", "v1.2.0"}, // asked for by name
	} {
		m := upstreamtest.ParseModule(t, tt.query)
		got, err := u.Resolve(t.Context(), m.Path, m.Version)
		switch {
		case tt.want == "" && !errors.Is(err, ErrNoMatch):
			t.Errorf("%s: %v, %v; want no match", tt.query, got, err)
		case tt.want != "" && (err != nil || got != module.Version{Path: m.Path, Version: tt.want}):
			t.Errorf("%s: %v, %v; want %s", tt.query, got, err, tt.want)
		}
	}
}

func TestResolveAsksForTheLatestCommitOfAModuleWithoutTags(t *testing.T) {
	tree := upstreamtest.NewTree(t)
	tree.Write(t, "example.com/a@v0.0.0-20260102030405-abcdefabcdef", ".mod", "module example.com/a\n")
	if err := os.WriteFile(filepath.Join(string(tree), "example.com", "a", "@v", "list"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(string(tree), "example.com", "a", "@latest"),
		[]byte(`{"Version":"v0.0.0-20260102030405-abcdefabcdef"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := newUpstream(t, tree.URL()).Resolve(t.Context(), "example.com/a", "latest")
	if err != nil || m.Version != "v0.0.0-20260102030405-abcdefabcdef" {
		t.Error(m, err)
	}
}

func TestResolveRefusesWhatMakesNoSense(t *testing.T) {
	p := upstreamtest.NewProxy(t, upstreamtest.QueryTree(t), nil)
	u := newUpstream(t, p.URL)
	for query, want := range map[string]string{
		"not-a-module@v1.0.0":        "not-a-module",
		"example.com/a@":             "@latest",
		"example.com/a@upgrade":      "project",
		"example.com/a@<x":           "not a semantic version",
		"example.com/a@<=v1":         "ambiguous",
		"example.com/a@>v1.2":        "ambiguous",
		"example.com/a@feature/x":    "name the commit",
		"example.com/../a@latest":    "example.com/../a",
		"example.com/a@nosuchbranch": "does not exist",
		"example.com/nosuch@latest":  "does not exist",
		"example.com/bad@other":      "v2",
		"example.com/bad@text":       "not a version description",
		"example.com/bad@short":      "not a whole version",
	} {
		m := upstreamtest.ParseModule(t, query)
		if got, err := u.Resolve(t.Context(), m.Path, m.Version); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; want %q", query, got, err, want)
		}
	}
}

func TestResolveGoesOnToTheNextProxy(t *testing.T) {
	empty := upstreamtest.NewProxy(t, "", upstreamtest.Always(http.StatusGone, "gone"))
	u := newUpstream(t, empty.URL+","+upstreamtest.QueryTree(t).URL())
	m, err := u.Resolve(t.Context(), "example.com/a", "v1.0")
	if err != nil || m.Version != "v1.0.3" {
		t.Error(m, err)
	}
}
