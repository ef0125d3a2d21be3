package collect

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry/collect/collecttest"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func TestWithoutTheGoCommandARequirementThatNoGoSumListsIsAProblem(t *testing.T) {
	const y = "example.com/y v1.0.0/go.mod " + upstreamtest.SumB + "\n"
	for _, tt := range []struct {
		name     string
		files    map[string]string
		items    []string
		problems []string
	}{
		{
			name:  "listed",
			files: map[string]string{"p/go.mod": "module p\nrequire example.com/y v1.0.0\n", "p/go.sum": y},
			items: []string{"example.com/y@v1.0.0/go.mod p/go.sum:1"},
		}, {
			name:     "not listed",
			files:    map[string]string{"p/go.mod": "module p\nrequire (\n\texample.com/x v1.0.0\n\texample.com/y v1.0.0\n)\n", "p/go.sum": y},
			items:    []string{"example.com/y@v1.0.0/go.mod p/go.sum:1"},
			problems: []string{"p/go.mod:3: example.com/x: no go.sum lists example.com/x@v1.0.0"},
		}, {
			name: "replaced",
			files: map[string]string{
				"p/go.mod": "module p\nrequire (\n\texample.com/x v1.0.0\n\texample.com/d v1.0.0\n)\n" +
					"replace example.com/x => example.com/y v1.0.0\nreplace example.com/d => ./d\n",
				"p/go.sum": y, "p/d/go.mod": "module d\n",
			},
			items: []string{"example.com/y@v1.0.0/go.mod p/go.sum:1"},
		}, {
			name: "a workspace",
			files: map[string]string{
				"p/go.work": "go 1.24\nuse (\n\ta\n\tb\n)\nreplace example.com/x => example.com/y v1.0.0\n", "p/go.work.sum": y,
				"p/a/go.mod": "module a\nrequire (\n\tb v0.0.0\n\texample.com/x v1.0.0\n\texample.com/z v1.0.0\n)\n",
				"p/b/go.mod": "module b\nrequire example.com/w v1.0.0\nreplace example.com/z => ../z\n", "p/z/go.mod": "module z\n",
			},
			items:    []string{"example.com/y@v1.0.0/go.mod p/go.work.sum:1"},
			problems: []string{"p/b/go.mod:2: example.com/w: no go.sum lists example.com/w@v1.0.0"},
		}, {
			name:  "nothing but a directory",
			files: map[string]string{"p/go.mod": "module p\nrequire example.com/d v1.0.0\nreplace example.com/d => ./d\n", "p/d/go.mod": "module d\n"},
		}, {
			name:     "no go.sum at all",
			files:    map[string]string{"p/go.mod": "module p\nrequire (\n\texample.com/x v1.0.0\n\texample.com/y v1.0.0\n)\n"},
			problems: []string{"p/go.mod has requirements, but there is no go.sum"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			upstreamtest.WriteFiles(t, tt.files)
			var said []string
			o := Options{Warn: func(err error) { said = append(said, err.Error()) }}
			items, problems := Sources(t.Context(), collecttest.NewUpstream(t, "off"), []string{"p"}, o)
			if got := upstreamtest.DescribeItems(items); !slices.Equal(got, tt.items) {
				t.Errorf("items %q, want %q", got, tt.items)
			}
			if len(problems) != len(tt.problems) || len(problems) > 0 && !strings.HasPrefix(errors.Join(problems...).Error(), tt.problems[0]) {
				t.Errorf("problems %q, want %q", problems, tt.problems)
			}
			if isEnough := strings.Contains(strings.Join(said, "\n"), "enough for build"); isEnough != (tt.problems == nil) {
				t.Errorf("said %q", said)
			}
		})
	}
}
