package closure

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
)

func TestAToolIsNotTakenFromAShorterPathWhenTheLongerOneIsRefused(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	for _, refused := range []string{"example.com/lib/cmd/@v/list", "example.com/lib/cmd/@v/v1.0.0.info"} {
		src := sourceFunc(func(ctx context.Context, name string) (io.ReadCloser, error) {
			if name == refused {
				return nil, errOutage
			}
			return up.Open(ctx, name)
		})
		query := "latest"
		if strings.HasSuffix(refused, ".info") {
			query = "v1.0.0"
		}
		m, _, err := newRunner(t, Options{Source: src}).Tool(t.Context(), "example.com/lib/cmd/libtool", query, nil, "")
		if !errors.Is(err, errOutage) || !strings.Contains(err.Error(), "example.com/lib/cmd@"+query) {
			t.Errorf("%s: got %v, %v", refused, m, err)
		}
	}
}

func TestNobodyIsAskedForTheParentsOfAPrivateTool(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	var mu sync.Mutex
	var asked []string
	src := sourceFunc(func(ctx context.Context, name string) (io.ReadCloser, error) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, name)
		return up.Open(ctx, name)
	})
	for _, tt := range []struct{ pkg, want string }{
		{"example.com/lib/cmd/libtool", ""},
		{"example.com/secret/cmd/tool", "not found"},
	} {
		asked = nil
		_, _, err := newRunner(t, Options{Source: src, Private: "example.com/lib,example.com/secret/cmd"}).Tool(t.Context(), tt.pkg, "", nil, "")
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.pkg, err)
		}
		for _, name := range asked {
			if strings.HasPrefix(name, "example.com/@") || strings.HasPrefix(name, "example.com/secret/@") {
				t.Errorf("%s: asked for %s", tt.pkg, name)
			}
		}
		if len(asked) == 0 {
			t.Errorf("%s: asked for nothing", tt.pkg)
		}
	}
}

// TestWhatAToolNeedsWithCgoOnlyIsNotOverlooked has a tool that, with cgo, imports what upstream refuses, and what nobody requires.
func TestWhatAToolNeedsWithCgoOnlyIsNotOverlooked(t *testing.T) {
	t.Parallel()
	up := upstream(t).copy(t)
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"go.mod":  "module example.com/cgotool\n\ngo 1.22\n\nrequire example.com/leaf v1.2.0\n",
		"main.go": "package main\n\nfunc main() {}\n",
		"cgo.go":  "package main\n\nimport \"C\"\n\nimport _ \"example.com/leaf\"\n",
	})
	up.publish(t, mod("example.com/cgotool@v1.0.0"), dir)
	write(t, dir, map[string]string{"cgo.go": "package main\n\nimport \"C\"\n\nimport _ \"example.com/nobody/requires\"\n"})
	up.publish(t, mod("example.com/cgotool@v1.1.0"), dir)
	src := sourceFunc(func(ctx context.Context, name string) (io.ReadCloser, error) {
		if name == "example.com/leaf/@v/v1.2.0.zip" {
			return nil, errOutage
		}
		return up.Open(ctx, name)
	})
	runner := newRunner(t, Options{Source: src})
	_, r, err := runner.Tool(t.Context(), "example.com/cgotool", "v1.1.0", nil, "")
	if err != nil {
		t.Fatal(err)
	}
	checkWarnings(t, r, "example.com/nobody/requires", "tidying a copy")
	if _, r, err = runner.Tool(t.Context(), "example.com/cgotool", "v1.0.0", nil, ""); err != nil {
		t.Fatal(err)
	}
	if n := find(t, r, "example.com/leaf@v1.2.0"); n == nil || n.ModOnly {
		t.Errorf("not named, so that its failure is not told: %+v", n)
	}
}
