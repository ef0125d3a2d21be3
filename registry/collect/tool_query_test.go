package collect

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/collect/collecttest"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func TestToolsAreQueriedWithTheSameBound(t *testing.T) {
	tree := upstreamtest.NewTree(t)
	for _, v := range []string{"example.com/tool@v1.0.0-rc.1", "example.com/tools@v0.9.0", "example.com/tools@v1.0.0-rc.1"} {
		tree.Add(t, v, map[string]string{"cmd/main.go": "package main\n\nfunc main() {}\n"})
	}
	up := collecttest.NewUpstream(t, tree.URL())
	for tool, want := range map[string]string{"example.com/tool/cmd@<v1": "", "example.com/tool/cmd@>=v1": "v1.0.0-rc.1", "example.com/tools/cmd@<v1": "v0.9.0"} {
		items, problems := Sources(t.Context(), up, nil, Options{Tools: []string{tool}, GoCommand: collecttest.GoCommand(t, up)})
		got := ""
		if len(items) > 0 {
			got = items[0].Module.Version
		}
		if got != want || (len(problems) > 0) != (want == "") {
			t.Errorf("the tool %s is %q (%v), want %q", tool, got, problems, want)
		}
	}
}

func TestAToolComesWithTheToolchainThatItDemands(t *testing.T) {
	tree := upstreamtest.NewTree(t)
	tree.Add(t, "example.com/future@v1.0.0", map[string]string{
		"go.mod": "module example.com/future\n\ngo 1.99.1\n", "cmd/x/x.go": "package main\n\nfunc main() {}\n",
	})
	for _, tt := range []struct {
		platforms, toolchains []string
		warning               string
	}{
		{[]string{"linux/amd64"}, []string{"v0.0.1-go1.99.4.linux-amd64"}, "demands go1.99.1"},
		{[]string{"linux/amd64", "windows/amd64"}, []string{"v0.0.1-go1.99.3.linux-amd64", "v0.0.1-go1.99.3.windows-amd64"}, "demands go1.99.1"},
		{[]string{"plan9/386"}, nil, "lists no Go toolchain go1.99.1, nor a patch of it, for plan9/386"},
	} {
		up := collecttest.NewUpstream(t, upstreamtest.NewProxy(t, tree, func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/golang.org/toolchain/@v/list" {
				return false
			}
			for _, v := range []string{"99.1.linux-amd64", "99.3.linux-amd64", "99.3.windows-amd64", "99.4.linux-amd64", "100.0.linux-amd64"} {
				fmt.Fprintln(w, "v0.0.1-go1."+v)
			}
			return true
		}).URL)
		var warned []string
		o := Options{
			Tools: []string{"example.com/future/cmd/x@latest"}, Platforms: tt.platforms,
			GoCommand: collecttest.GoCommand(t, up), Warn: func(err error) { warned = append(warned, err.Error()) },
		}
		items, problems := Sources(t.Context(), up, nil, o)
		var got []string
		for _, it := range items {
			if it.Module.Path == goproxy.ToolchainPath {
				got = append(got, it.Module.Version)
			}
		}
		if !slices.Equal(got, tt.toolchains) || len(problems) > 0 || !strings.Contains(strings.Join(warned, "\n"), tt.warning) {
			t.Errorf("for %v: %q, %v, warned %q", tt.platforms, got, problems, warned)
		}
	}
}
