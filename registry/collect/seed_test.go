package collect

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry/collect/collecttest"
	"github.com/modferry/modferry/registry/upstream"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func TestAPackageIsTakenForTheModuleItIsIn(t *testing.T) {
	tree := upstreamtest.NewTree(t, "example.com/a@v1.0.0", "example.com/a/nested@v1.1.0")
	for asked, want := range map[string]string{
		"example.com/a/b/c@latest":      "example.com/a@v1.0.0",
		"example.com/a/b/c@v1.0.0":      "example.com/a@v1.0.0",
		"example.com/a/nested/c@v1.0.0": "example.com/a@v1.0.0",
		"example.com/a/nested/c@v1.1.0": "example.com/a/nested@v1.1.0",
		"example.com/a/b/c@v1.2.0":      "example.com/a/b/c@v1.2.0", // which fails by the name that was given
		"example.com/a/nested@v1.0.0":   "example.com/a@v1.0.0",
		"example.com/a@v1.0.0":          "example.com/a@v1.0.0",
	} {
		var said []string
		o := Options{Warn: func(err error) { said = append(said, err.Error()) }}
		items, problems := Sources(t.Context(), collecttest.NewUpstream(t, tree.URL()), []string{asked}, o)
		if got := upstreamtest.DescribeItems(items); !slices.Equal(got, []string{want + " " + asked}) || len(problems) > 0 {
			t.Errorf("%s: %q, %v", asked, got, problems)
		}
		path, _, _ := strings.Cut(asked, "@")
		isTold := slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, path+" is no module") })
		if isModule := strings.HasPrefix(want, path+"@"); isTold == isModule {
			t.Errorf("%s: said %q", asked, said)
		}
	}
}

func TestWhatAListMayHaveOnlyTriedNeedNotExist(t *testing.T) {
	tree := upstreamtest.NewTree(t, "example.com/sdk/service/a@v1.9.0", "example.com/sdk@v1.3.0")
	upstreamtest.WriteFiles(t, map[string]string{"wishes.txt": "example.com/sdk@v1.9.0\nexample.com/sdk/service/a@v1.9.0  # once, 2026-11-20T12:00:00Z\nexample.com/sdk@v1.8.0\n"})
	var said []string
	o := Options{Warn: func(err error) { said = append(said, err.Error()) }}
	items, problems := Sources(t.Context(), collecttest.NewUpstream(t, tree.URL()), []string{"wishes.txt"}, o)
	want := []string{"example.com/sdk@v1.8.0 wishes.txt:3", "example.com/sdk/service/a@v1.9.0 wishes.txt:2"} // of which the first will fail
	if got := upstreamtest.DescribeItems(items); !slices.Equal(got, want) || len(problems) > 0 {
		t.Errorf("%q, %v", got, problems)
	}
	if !slices.ContainsFunc(said, func(s string) bool {
		return strings.HasPrefix(s, "wishes.txt:1: example.com/sdk@v1.9.0 does not exist upstream")
	}) {
		t.Errorf("nobody was told: %q", said)
	}
}

func TestAPackageIsFoundThoughItCannotBeFetchedDirectly(t *testing.T) {
	upstreamtest.WriteFiles(t, map[string]string{"go": "#!/bin/sh\necho 'no such repository' >&2\nexit 1\n"})
	if err := os.Chmod("go", 0o755); err != nil {
		t.Fatal(err)
	}
	stub, err := filepath.Abs("go")
	if err != nil {
		t.Fatal(err)
	}
	tree, refusing := upstreamtest.NewTree(t, "example.com/a@v1.0.0"), upstreamtest.NewProxy(t, "", upstreamtest.Always(403, "no"))
	for _, tt := range []struct{ goproxy, wish, want, problem string }{
		{tree.URL() + ",direct", "example.com/a/b/c@latest", "example.com/a@v1.0.0 example.com/a/b/c@latest", ""},
		{tree.URL() + ",direct", "example.com/b/c@latest", "", "example.com/b/c@latest from direct: upstream failed: go list -m: exit status 1: no such repository"},
		{refusing.URL + "|direct", "example.com/a/b@latest", "", "no such repository"},
	} {
		up := collecttest.NewUpstreamWith(t, upstream.Options{GOPROXY: tt.goproxy, Go: stub})
		items, problems := Sources(t.Context(), up, []string{tt.wish}, Options{})
		if got := strings.Join(upstreamtest.DescribeItems(items), ", "); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.wish, got, tt.want)
		}
		if said := errors.Join(problems...); (said == nil) != (tt.problem == "") || said != nil && !strings.Contains(said.Error(), tt.problem) {
			t.Errorf("%s: %v, want %q", tt.wish, said, tt.problem)
		}
	}
	if n := refusing.Count("/example.com/a/@v/list"); n > 0 {
		t.Errorf("%d requests for what may be in the way of nothing", n)
	}
}

func TestNobodyIsAskedForTheParentsOfAPrivateModule(t *testing.T) {
	proxy := upstreamtest.NewProxy(t, upstreamtest.NewTree(t), nil)
	up := collecttest.NewUpstreamWith(t, upstream.Options{GOPROXY: proxy.URL, Private: "corp.example/team/*"})
	items, problems := Sources(t.Context(), up, []string{"corp.example/team/lib@latest"}, Options{})
	if len(items) > 0 || len(problems) != 1 {
		t.Errorf("%v, %v", items, problems)
	}
	_, _ = Sources(t.Context(), up, []string{"corp.example/team/lib@v1.0.0"}, Options{})
	if n := proxy.Count("/corp.example/@v/v1.0.0.mod") + proxy.Count("/corp.example/team/@v/v1.0.0.mod"); n > 0 || proxy.Count("/corp.example/team/lib/@v/v1.0.0.mod") == 0 {
		t.Errorf("%d requests for parents of a version", n)
	}
	if n := proxy.Count("/corp.example/@v/list") + proxy.Count("/corp.example/team/@v/list"); n > 0 || proxy.Count("/corp.example/team/lib/@v/list") == 0 {
		t.Errorf("%d requests for parents", n)
	}
}
