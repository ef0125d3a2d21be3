package upstream

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

// goAnswers asks the go command what queries mean. A query that it finds nothing for, or does not understand, means "".
func goAnswers(t *testing.T, tree upstreamtest.Tree, queries []string) map[string]string {
	t.Helper()
	home := t.TempDir()
	upstreamtest.Put(t, filepath.Join(home, "telemetry", "mode"), "off")
	cmd := exec.Command("go", append([]string{"list", "-m", "-e", "-json"}, queries...)...)
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "PWD="+home, "HOME="+home, "TEST_TELEMETRY_DIR="+filepath.Join(home, "telemetry"), "GOENV=off", "GOPATH="+t.TempDir(),
		"GOMODCACHE="+t.TempDir(), "GOPROXY="+tree.URL(), "GONOPROXY=none", "GOPRIVATE=", "GOSUMDB=off", "GOFLAGS=-modcacherw -mod=mod", "GOTOOLCHAIN=local", "GOWORK=off")
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("go list: %v: %s", err, exit.Stderr)
	}
	answers := make(map[string]string)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var m struct {
			Path, Version, Query string
			Error                *struct{ Err string }
		}
		if err := d.Decode(&m); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		query := m.Path + "@" + cmp.Or(m.Query, m.Version)
		answers[query] = m.Version
		if m.Error != nil {
			answers[query] = ""
		}
	}
	if len(answers) != len(queries) {
		t.Fatalf("%d answers to %d queries", len(answers), len(queries))
	}
	return answers
}

// prereleaseTree has modules, besides those of queryTree, of which bounds without a patch part pre-releases.
func prereleaseTree(t *testing.T) upstreamtest.Tree {
	tree := upstreamtest.QueryTree(t)
	for _, v := range []string{
		"example.com/next@v1.0.0", "example.com/next@v1.1.0", "example.com/next@v1.2.0-rc.1", "example.com/next@v1.2.0-rc.2",
		"example.com/soon/v2@v2.0.0-rc.1", "example.com/soon/v2@v2.0.0-rc.2", "example.com/soon/v2@v2.1.0-rc.1",
		"example.com/first@v1.0.0-rc.1",
		"example.com/left@v1.0.0-rc.1", "example.com/left@v2.0.0-rc.1+incompatible", "example.com/left@v2.0.0+incompatible",
	} {
		tree.Add(t, v, nil)
	}
	return tree
}

func TestQueriesMeanWhatTheyMeanToTheGoCommand(t *testing.T) {
	tree := prereleaseTree(t)
	// But for these, where v1.2.0-rc.1 is not below v1.2: what they mean here, and to the go command.
	differ := map[string][2]string{
		"example.com/first@<v1":      {"", "v1.0.0-rc.1"},
		"example.com/first@>=v1":     {"v1.0.0-rc.1", ""},
		"example.com/left@<v1":       {"", "v1.0.0-rc.1"},
		"example.com/left@<v2":       {"v1.0.0-rc.1", "v2.0.0-rc.1+incompatible"},
		"example.com/left@>=v1":      {"v1.0.0-rc.1", "v2.0.0+incompatible"},
		"example.com/soon/v2@<v2":    {"", "v2.0.0-rc.2"},
		"example.com/soon/v2@<v2.1":  {"v2.0.0-rc.2", "v2.1.0-rc.1"},
		"example.com/soon/v2@>=v2":   {"v2.0.0-rc.1", "v2.1.0-rc.1"},
		"example.com/soon/v2@>=v2.1": {"v2.1.0-rc.1", ""},
		"example.com/a@>=v1.2":       {"v1.2.0-beta.1", ""},
		"example.com/next@>=v1.2":    {"v1.2.0-rc.1", ""},
		"example.com/pre@>=v0.1":     {"v0.1.0-alpha", ""},
	}
	var asked, queries []string
	for _, path := range []string{"a", "pre", "legacy", "modern", "sorry", "next", "soon/v2", "first", "left"} {
		for _, q := range []string{
			"latest", "v0", "v1", "v1.0", "v1.1", "v1.2", "v2", "v2.0",
			"<v1", "<v1.1", "<v1.2", "<v2", "<v2.1", "<v3", ">=v0.1", ">=v1", ">=v1.1", ">=v1.2", ">=v2", ">=v2.1",
			"<v1.2.0", "<=v1.1.0", ">v1.1.0", ">=v1.2.0", "<v2.0.0", ">=v2.0.0", "<v2.0.0-rc.2", "<=v2.0.0-rc.2", ">v2.0.0-rc.1",
			"<=v1", ">v1", "<x", ">=", "<v01",
		} {
			asked = append(asked, "example.com/"+path+"@"+q)
			queries = append(queries, "example.com/"+path+"@"+q, "example.com/"+path+"@"+goproxy.QueryForGo(q))
		}
	}
	slices.Sort(queries)
	answers := goAnswers(t, tree, slices.Compact(queries))
	u := newUpstream(t, tree.URL())
	for _, query := range asked {
		m := upstreamtest.ParseModule(t, query)
		got, _ := u.Resolve(t.Context(), m.Path, m.Version)
		want := [2]string{answers[query], answers[query]}
		if d, ok := differ[query]; ok {
			want = d
		}
		if got.Version != want[0] || answers[query] != want[1] {
			t.Errorf("%s: %q, and to the go command %q; want %q", query, got.Version, answers[query], want)
		}
		if explicit := m.Path + "@" + goproxy.QueryForGo(m.Version); answers[explicit] != got.Version {
			t.Errorf("%s: %q, and to the go command %s means %q", query, got.Version, explicit, answers[explicit])
		}
	}
}

func TestABoundMeansTheSameInQueriesAndRanges(t *testing.T) {
	u := newUpstream(t, prereleaseTree(t).URL())
	for _, path := range []string{"a", "pre", "legacy", "sorry", "next", "soon/v2", "first", "left"} {
		path = "example.com/" + path
		for _, bound := range []string{"<v1", "<v1.1", "<v1.2", "<v2", "<v2.1", ">=v1", ">=v1.1", ">=v1.2", ">=v2", ">=v2.1", "<v1.2.0", ">=v1.2.0", "<=v1.1.0", ">v1.1.0"} {
			r, err := goproxy.ParseRange(bound)
			if err != nil {
				t.Fatal(err)
			}
			q, err := goproxy.ParseQuery(path, bound)
			if err != nil {
				t.Fatal(err)
			}
			list, err := u.List(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range list {
				if q.Allows(v) != r.Contains(v) {
					t.Errorf("%s %s: as a query %v, as a range %v", bound, v, q.Allows(v), r.Contains(v))
				}
			}
		}
	}
}

func TestTheGoCommandIsAskedForTheSameBound(t *testing.T) {
	args := filepath.Join(t.TempDir(), "args")
	stub := filepath.Join(t.TempDir(), "go")
	script := "#!/bin/sh\necho \"$@\" > '" + args + "'\necho '{\"Version\":\"v1.9.0\"}'\n"
	if err := os.WriteFile(stub, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	up := newUpstreamWith(t, Options{GOPROXY: "direct", Go: stub})
	m, err := up.Resolve(t.Context(), "example.com/a", "<v2")
	if got := upstreamtest.ReadAll(t, args); err != nil || m.Version != "v1.9.0" || got != "list -m -json example.com/a@<v2.0.0-0\n" {
		t.Errorf("%v, %v; the go command was asked: %s", m, err, got)
	}
}
