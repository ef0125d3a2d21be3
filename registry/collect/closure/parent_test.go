package closure

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"
)

// TestAPrivateToolMayRequireAPublicParent has a tool that is published together with its parent, at the same version, and
// one that is not.
func TestAPrivateToolMayRequireAPublicParent(t *testing.T) {
	t.Parallel()
	up := upstream(t).copy(t)
	for _, m := range []string{"example.com/kit@v1.0.0", "example.com/kit@v0.9.0"} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"go.mod": "module example.com/kit\n\ngo 1.22\n", "kit.go": "package kit\n"})
		up.publish(t, mod(m), dir)
	}
	for version, parent := range map[string]string{"v1.0.0": "v1.0.0", "v1.1.0": "v0.9.0"} {
		dir := t.TempDir()
		write(t, dir, map[string]string{
			"go.mod":  "module example.com/kit/tool\n\ngo 1.22\n\nrequire example.com/kit " + parent + "\n",
			"main.go": "package main\n\nimport _ \"example.com/kit\"\n\nfunc main() {}\n",
		})
		up.publish(t, mod("example.com/kit/tool@"+version), dir)
	}
	var asked sync.Map
	src := sourceFunc(func(ctx context.Context, name string) (io.ReadCloser, error) {
		version, isInfo := strings.CutSuffix(name, ".info")
		_, isRequired := asked.Load(version + ".mod")
		switch {
		case name == "example.com/kit/@latest", name == "example.com/kit/@v/list", strings.HasPrefix(name, "example.com/kit/@v/") && isInfo && !isRequired:
			t.Errorf("asked for %s", name)
		}
		asked.Store(name, true)
		return up.Open(ctx, name)
	})
	for query, parent := range map[string]string{"v1.0.0": "v1.0.0", "latest": "v0.9.0"} {
		_, r, err := newRunner(t, Options{Source: src, Private: "example.com/kit/tool"}).Tool(t.Context(), "example.com/kit/tool", query, nil, "")
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		checkWarnings(t, r)
		if n := find(t, r, "example.com/kit@"+parent); n == nil || n.ModOnly {
			t.Errorf("%s: needs\n%s", query, show(r.Needs))
		}
		worksOffline(t, up.offline(t, r), t.TempDir(), nil, "install", "example.com/kit/tool@"+query)
	}
}
