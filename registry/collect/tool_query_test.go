package collect

import (
	"testing"

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
