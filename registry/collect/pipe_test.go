//go:build unix

package collect

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/modferry/modferry/registry/collect/collecttest"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func TestAPipeIsNotWaitedFor(t *testing.T) {
	upstreamtest.WriteFiles(t, map[string]string{
		"p/go.mod": "module p\n", "q/a.go": "package q\n", "w/go.mod": "module w\n", "s/x.go": "package s\n",
	})
	for _, name := range []string{"go.sum", "go.mod", "p/go.sum", "q/go.mod", "w/go.work", "w/go.work.sum", "s/go.sum"} {
		if err := syscall.Mkfifo(name, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, source := range []string{"go.sum", "go.mod", "p", "q", "w", "s"} {
		up := collecttest.NewUpstream(t, "off")
		items, problems := Sources(t.Context(), up, []string{source}, Options{GoCommand: collecttest.GoCommand(t, up)})
		if len(items) > 0 || len(problems) == 0 || !strings.Contains(problems[0].Error(), "not a regular file") || !strings.Contains(problems[0].Error(), "go.") {
			t.Errorf("%s: %v, %v", source, items, problems)
		}
		t.Log(problems)
	}
}

func TestAListMayBeTheOutputOfAProgram(t *testing.T) {
	upstreamtest.WriteFiles(t, nil)
	if err := syscall.Mkfifo("63", 0o644); err != nil {
		t.Fatal(err)
	}
	go func() { // opening waits for the reader
		if err := os.WriteFile("63", []byte("example.com/a v1.0.0\n"), 0o644); err != nil {
			t.Error(err)
		}
	}()
	items, problems := Sources(t.Context(), collecttest.NewUpstream(t, "off"), []string{"63"}, Options{})
	if got := upstreamtest.DescribeItems(items); !slices.Equal(got, []string{"example.com/a@v1.0.0 63:1"}) || len(problems) > 0 {
		t.Errorf("%q, %v", got, problems)
	}
}
