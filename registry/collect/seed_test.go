package collect

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry/collect/collecttest"
	"github.com/modferry/modferry/registry/collect/mirrorfile"
	"github.com/modferry/modferry/registry/upstream"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func TestAPackageIsTakenForTheModuleItIsIn(t *testing.T) {
	tree := upstreamtest.NewTree(t, "example.com/h@v1.0.0", "example.com/h/v2@v2.0.1")
	tree.Add(t, "example.com/a@v1.0.0", map[string]string{"b/c/c.go": "package c\n", "api/v2/api.go": "package api\n", "v3/text": ""})
	tree.Add(t, "example.com/a/nested@v1.1.0", map[string]string{"c/c.go": "package c\n"})
	for asked, want := range map[string]string{
		"example.com/a/b/c@latest":      "example.com/a@v1.0.0",
		"example.com/a/b/c@v1.0.0":      "example.com/a@v1.0.0",
		"example.com/a/api/v2@latest":   "example.com/a@v1.0.0",
		"example.com/a/nested/c@v1.1.0": "example.com/a/nested@v1.1.0",
		// These fail by the name that was given.
		"example.com/a/b/c@v1.2.0":      "example.com/a/b/c@v1.2.0",
		"example.com/a/nested@v1.0.0":   "example.com/a/nested@v1.0.0",
		"example.com/a/nested/c@v1.0.0": "example.com/a/nested/c@v1.0.0",
		"example.com/a/typo@v1.0.0":     "example.com/a/typo@v1.0.0",
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

func TestWhatIsInNoModuleDoesNotExist(t *testing.T) {
	tree := upstreamtest.NewTree(t, "example.com/h@v1.0.0", "example.com/h/v2@v2.0.1")
	tree.Add(t, "example.com/m@v1.6.0", map[string]string{"pkg/kgo/kgo.go": "package kgo\n", "v3/v3.go": "package m\n"})
	for _, asked := range []string{
		"example.com/m/typo@latest", "example.com/m/pkg@latest", "example.com/h/v2@v1.0.0", "example.com/m/v3@v1.6.0", "example.com/m/v3@latest",
	} {
		items, problems := Sources(t.Context(), collecttest.NewUpstream(t, tree.URL()), []string{asked}, Options{})
		if len(items) > 0 || len(problems) != 1 || !errors.Is(problems[0], upstream.ErrNotFound) {
			t.Errorf("%s: %v, %v", asked, items, problems)
		}
	}
}

func TestWhoForgetsTheVOfAVersionIsTold(t *testing.T) {
	up := collecttest.NewUpstream(t, upstreamtest.NewTree(t, "example.com/m@v1.6.0").URL())
	for query, want := range map[string]bool{"1.6.0": true, "1.6": false, "main": false} {
		_, problems := Sources(t.Context(), up, []string{"example.com/m@" + query}, Options{})
		if len(problems) != 1 || strings.Contains(problems[0].Error(), "did you mean example.com/m@v1.6.0?") != want {
			t.Errorf("%s: %v", query, problems)
		}
	}
}

func TestAVersionThatDoesNotExistIsNotLocked(t *testing.T) {
	up := collecttest.NewUpstream(t, upstreamtest.NewTree(t, "example.com/m@v1.6.0").URL())
	f, err := mirrorfile.Parse("modferry.yaml", []byte("version: 1\nmodules: [example.com/m/pkg/kmsg@v1.6.0]\n"))
	if err != nil {
		t.Fatal(err)
	}
	plan, problems := MirrorFile(t.Context(), up, f, FileOptions{})
	if got := plan.Lock(); len(plan.Items) != 1 || len(problems) > 0 || len(got.Sources) > 0 { // the item fails when it is to be mirrored
		t.Errorf("%v, %v, locked %v", plan.Items, problems, got.Sources)
	}
}

func TestOfAModuleWhoseVersionsAreAllRetractedItIsSaidWhy(t *testing.T) {
	tree := upstreamtest.NewTree(t, "corp.example/r@v1.0.0")
	tree.Add(t, "corp.example/r@v1.1.0", map[string]string{
		"go.mod": "module corp.example/r\n\ngo 1.21\n\nretract [v1.0.0, v1.1.0] // published by mistake\n",
	})
	up := collecttest.NewUpstream(t, tree.URL())
	for _, query := range []string{"latest", "v1", "<v1.1", "v1.0"} {
		_, problems := Sources(t.Context(), up, []string{"corp.example/r@" + query}, Options{})
		const want = "every version of corp.example/r that would is retracted: corp.example/r@v1"
		if len(problems) != 1 || !errors.Is(problems[0], upstream.ErrRetracted) || !strings.Contains(problems[0].Error(), want) ||
			!strings.Contains(problems[0].Error(), "published by mistake; one of them that is named is taken with --allow-retracted") {
			t.Errorf("%s: %v", query, problems)
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
	tree, refusing := upstreamtest.NewTree(t), upstreamtest.NewProxy(t, "", upstreamtest.Always(403, "no"))
	tree.Add(t, "example.com/a@v1.0.0", map[string]string{"b/c/c.go": "package c\n"})
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
