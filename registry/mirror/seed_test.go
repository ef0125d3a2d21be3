package mirror

import (
	"slices"
	"strings"
	"testing"
)

func TestAPackageIsTakenForTheModuleItIsIn(t *testing.T) {
	tree := newTree(t, "example.com/a@v1.0.0")
	var said []string
	o := CollectOptions{Warn: func(err error) { said = append(said, err.Error()) }}
	items, problems := Collect(t.Context(), newUpstream(t, tree.url()), []string{"example.com/a/b/c@latest"}, o)
	if got := describeItems(items); !slices.Equal(got, []string{"example.com/a@v1.0.0 example.com/a/b/c@latest"}) || len(problems) > 0 {
		t.Errorf("%q, %v", got, problems)
	}
	if !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, "example.com/a/b/c is no module") }) {
		t.Errorf("nobody was told: %q", said)
	}
}

func TestNobodyIsAskedForTheParentsOfAPrivateModule(t *testing.T) {
	proxy := newProxy(t, newTree(t), nil)
	up := newUpstreamWith(t, UpstreamOptions{GOPROXY: proxy.URL, Private: "corp.example/team/*"})
	items, problems := Collect(t.Context(), up, []string{"corp.example/team/lib@latest"}, CollectOptions{})
	if len(items) > 0 || len(problems) != 1 {
		t.Errorf("%v, %v", items, problems)
	}
	if n := proxy.count("/corp.example/@v/list") + proxy.count("/corp.example/team/@v/list"); n > 0 || proxy.count("/corp.example/team/lib/@v/list") == 0 {
		t.Errorf("%d requests for parents", n)
	}
}
