package collect

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/collect/collecttest"
	"github.com/modferry/modferry/registry/upstream"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func TestCollectReadsEverySource(t *testing.T) {
	up := collecttest.NewUpstream(t, upstreamtest.QueryTree(t).URL())
	for _, tt := range []struct {
		name     string
		files    map[string]string
		stdin    string
		args     []string
		want     []string
		problems []string
	}{
		{
			name: "module queries",
			args: []string{"example.com/a@v1.0", "example.com/a@latest", "example.com/a@v1.1.0", "example.com/B@v1.0.0"},
			want: []string{
				"example.com/B@v1.0.0 example.com/B@v1.0.0",
				"example.com/a@v1.0.3 example.com/a@v1.0",
				"example.com/a@v1.1.0 example.com/a@latest",
			},
		}, {
			name: "bad arguments do not hinder good ones",
			args: []string{"example.com/nosuch@latest", "nothing", "@v1", "no-dot@v1.0.0", "example.com/a@<x", "example.com/a@v1.0.0", ""},
			want: []string{"example.com/a@v1.0.0 example.com/a@v1.0.0"},
			problems: []string{
				"nothing: no such file", `malformed module path ""`, "no-dot", "example.com/a@<x", "no such file", "example.com/nosuch@latest",
			},
		}, {
			name: "go.sum",
			files: map[string]string{"go.sum": "example.com/a v1.0.0 " + upstreamtest.SumA + "\nexample.com/a v1.0.0/go.mod " + upstreamtest.SumB +
				"\n\nexample.com/b v1.0.0/go.mod " + upstreamtest.SumB + "\nexample.com/c v1.0.0 h9:unknown\n"},
			args: []string{"go.sum"},
			want: []string{"example.com/a@v1.0.0 go.sum:1", "example.com/b@v1.0.0/go.mod go.sum:4"},
		}, {
			name: "bad lines of a go.sum",
			files: map[string]string{"go.sum": "example.com/a v1.0.0\nexample.com/a v1.0 " + upstreamtest.SumA + "\nexample.com/a/v3 v1.0.0 " + upstreamtest.SumA +
				"\n../../etc v1.0.0 " + upstreamtest.SumA + "\nexample.com/b v1.0.0 " + upstreamtest.SumA + "\n"},
			args:     []string{"go.sum"},
			want:     []string{"example.com/b@v1.0.0 go.sum:5"},
			problems: []string{"go.sum:1: not a line", "go.sum:2", "go.sum:3", "go.sum:4"},
		}, {
			name: "full wins over mod-only, and sums are kept",
			files: map[string]string{
				"a/go.sum": "example.com/a v1.0.0/go.mod " + upstreamtest.SumB + "\n",
				"b/go.sum": "example.com/a v1.0.0 " + upstreamtest.SumA + "\nexample.com/a v1.0.0/go.mod " + upstreamtest.SumB + "\n",
			},
			args: []string{"a/go.sum", "b/go.sum", "example.com/a@v1.0.0"},
			want: []string{"example.com/a@v1.0.0 b/go.sum:1"},
		}, {
			name: "sums that contradict each other",
			files: map[string]string{
				"a/go.sum": "example.com/a v1.0.0 " + upstreamtest.SumA + "\nexample.com/b v1.0.0 " + upstreamtest.SumA + "\n",
				"b/go.sum": "example.com/a v1.0.0 " + upstreamtest.SumB + "\n",
			},
			args:     []string{"a/go.sum", "b/go.sum"},
			want:     []string{"example.com/b@v1.0.0 a/go.sum:2"},
			problems: []string{"SECURITY: example.com/a@v1.0.0: a/go.sum:1 and b/go.sum:1"},
		}, {
			name: "go.mod",
			files: map[string]string{"go.mod": `module corp.example/m
go 1.24
require (
	example.com/a v1.0.0
	example.com/b v1.0.0 // indirect
	example.com/fork v1.0.0
	example.com/local v1.0.0
	example.com/fork2 v1.0.0
)
replace example.com/fork => example.com/ours v1.2.0
replace example.com/fork2 => ../elsewhere
replace example.com/fork2 v1.0.0 => example.com/ours2 v1.0.0
replace example.com/local => ./local
`},
			args: []string{"go.mod"},
			want: []string{
				"example.com/a@v1.0.0 go.mod:4", "example.com/b@v1.0.0 go.mod:5",
				"example.com/ours@v1.2.0 go.mod:10", "example.com/ours2@v1.0.0 go.mod:12",
			},
		}, {
			name:     "bad go.mod",
			files:    map[string]string{"go.mod": "module m\nrequire example.com/a main\n", "x.mod": "<html>"},
			args:     []string{"go.mod", "x.mod"},
			problems: []string{"go.mod:2", "x.mod:1"},
		}, {
			name: "list",
			files: map[string]string{"wishes.txt": "# wanted inside\n\nexample.com/a@v1.0 # the old one\n example.com/b v1.0.0 \n" +
				"example.com/c\na b c d\nexample.com/d@\n"},
			stdin:    "example.com/e@v1.0.0\n",
			args:     []string{"wishes.txt", "-"},
			want:     []string{"example.com/a@v1.0.3 wishes.txt:3", "example.com/b@v1.0.0 wishes.txt:4", "example.com/e@v1.0.0 standard input:1"},
			problems: []string{`wishes.txt:5: "example.com/c" is not module@version`, "wishes.txt:6", "wishes.txt:7"},
		}, {
			name: "project",
			files: map[string]string{
				"p/go.mod": "module p.example\nrequire example.com/a v1.0.0\n",
				"p/go.sum": "example.com/a v1.0.0 " + upstreamtest.SumA + "\n", "p/go.work.sum": "example.com/b v1.0.0/go.mod " + upstreamtest.SumA + "\n",
			},
			args: []string{"p"},
			want: []string{"example.com/a@v1.0.0 p/go.sum:1", "example.com/b@v1.0.0/go.mod p/go.work.sum:1"},
		}, {
			name: "workspace",
			files: map[string]string{
				"p/go.work": "go 1.24\nuse (\n\t.\n\t./tool\n\t./bare\n)\n", "p/go.mod": "module p.example\n",
				"p/tool/go.mod": "module p.example/tool\n", "p/tool/go.sum": "example.com/a v1.0.0 " + upstreamtest.SumA + "\n",
				"p/bare/go.mod": "module p.example/bare\n",
			},
			args: []string{"p"},
			want: []string{"example.com/a@v1.0.0 p/tool/go.sum:1"},
		}, {
			name:  "project without dependencies",
			files: map[string]string{"p/go.mod": "module p.example\n"},
			args:  []string{"p"},
		}, {
			name:     "project that was not tidied",
			files:    map[string]string{"p/go.mod": "module p.example\nrequire example.com/a v1.0.0\n"},
			args:     []string{"p"},
			problems: []string{"no go.sum beside it"},
		}, {
			name:     "no project",
			files:    map[string]string{"p/readme": ""},
			args:     []string{"p"},
			problems: []string{"p: no Go project"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			upstreamtest.WriteFiles(t, tt.files)
			items, problems := Sources(t.Context(), up, tt.args, Options{Stdin: strings.NewReader(tt.stdin)})
			if got := upstreamtest.DescribeItems(items); !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			if len(problems) != len(tt.problems) {
				t.Fatalf("problems %q", problems)
			}
			for i, want := range tt.problems {
				if !strings.Contains(problems[i].Error(), want) {
					t.Errorf("problem %q, want %q", problems[i], want)
				}
			}
		})
	}
}

func TestCollectKeepsTheSumsOfGoSum(t *testing.T) {
	upstreamtest.WriteFiles(t, map[string]string{"go.sum": "example.com/a v1.0.0 " + upstreamtest.SumA + "\nexample.com/a v1.0.0/go.mod " + upstreamtest.SumB + "\n"})
	items, problems := Sources(t.Context(), unasked(t), []string{"go.sum"}, Options{})
	if len(items) != 1 || len(problems) > 0 || items[0].Sum != upstreamtest.SumA || items[0].GoModSum != upstreamtest.SumB || items[0].ModOnly {
		t.Error(items, problems)
	}
}

// unasked is an upstream that need not be asked.
func unasked(t *testing.T) *upstream.Upstream { return collecttest.NewUpstream(t, "off") }

func TestCollectSaysWhichReplacementsAreDirectories(t *testing.T) {
	upstreamtest.WriteFiles(t, map[string]string{"go.mod": "module m.example\nrequire example.com/a v1.0.0\nreplace example.com/a => ./a\n"})
	var said []string
	warn := func(err error) { said = append(said, err.Error()) }
	items, problems := Sources(t.Context(), unasked(t), []string{"go.mod"}, Options{Warn: warn})
	want := []string{"go.mod:3: example.com/a@v1.0.0 is not mirrored: it is replaced by the directory ./a"}
	if len(items)+len(problems) != 0 || !slices.Equal(said, want) {
		t.Error(items, problems, said)
	}
}

func TestCollectStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	items, problems := Sources(ctx, collecttest.NewUpstream(t, "https://proxy.example"), []string{"example.com/a@latest", "example.com/b@latest"}, Options{})
	if len(items) != 0 || len(problems) != 1 || !errors.Is(problems[0], context.Canceled) {
		t.Error(items, problems)
	}
}

func FuzzCollectFiles(f *testing.F) {
	f.Add("example.com/a v1.0.0 " + upstreamtest.SumA + "\nexample.com/a v1.0.0/go.mod " + upstreamtest.SumB + "\n")
	f.Add("module m\nrequire example.com/a v1.0.0\nreplace example.com/a => ./x\n")
	f.Add("example.com/a@v1.0.0 # x\nexample.com/b latest\n")
	f.Add("example.com/a v1.0.0/go.mod/go.mod h1:\n\x00@\x00\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, add := range []func(*collector, string, []byte){(*collector).addGoSum, (*collector).addGoMod, (*collector).addList} {
			c := newCollector(nil, Options{})
			add(c, "file", []byte(text))
			c.merge()
			for _, it := range c.items {
				if _, err := goproxy.ParseQuery(it.Module.Path, it.Module.Version); err != nil {
					t.Errorf("%v: %v", it, err)
				}
			}
		}
	})
}
