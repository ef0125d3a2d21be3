package mirror

import (
	"archive/zip"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry/collect"
	"github.com/modferry/modferry/registry/collect/collecttest"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func TestCollectUnderstandsToolchains(t *testing.T) {
	tree := upstreamtest.NewTree(t)
	addToolchains(t, tree, "go1.20.linux-amd64", "go1.9.2rc2.linux-amd64", "go1.26.8.linux-amd64", "go1.26.10.linux-amd64", "go1.26.10.windows-amd64",
		"go1.26.11.linux-amd64", "go1.27rc1.linux-amd64", "go1.27rc2.linux-amd64", "nonsense")
	both := []string{"linux/amd64", "windows/amd64"}
	linux := both[:1]
	for _, tt := range []struct {
		name       string
		files      map[string]string
		args       []string
		platforms  []string
		toolchains bool
		want       []string // golang.org/toolchain@v0.0.1-go is left out
		problem    string
	}{
		{"release", nil, []string{"go1.26.8"}, both, false, []string{"1.26.8.linux-amd64 go1.26.8", "1.26.8.windows-amd64 go1.26.8"}, ""},
		{"this machine", nil, []string{"go1.26.8"}, nil, false, []string{"1.26.8." + runtime.GOOS + "-" + runtime.GOARCH + " go1.26.8"}, ""},
		{"as a module", nil, []string{"toolchain@go1.26.8"}, linux, false, []string{"1.26.8.linux-amd64 toolchain@go1.26.8"}, ""},
		{"by its whole name", nil, []string{"golang.org/toolchain@v0.0.1-go1.26.8.linux-amd64"}, linux, false, []string{"1.26.8.linux-amd64 golang.org/toolchain@v0.0.1-go1.26.8.linux-amd64"}, ""},
		{"newest patch", nil, []string{"toolchain@go1.26"}, linux, false, []string{"1.26.11.linux-amd64 toolchain@go1.26"}, ""},
		{"newest patch for all platforms", nil, []string{"toolchain@go1.26"}, both, false, []string{"1.26.10.linux-amd64 toolchain@go1.26", "1.26.10.windows-amd64 toolchain@go1.26"}, ""},
		{"newest of what most platforms have", nil, []string{"toolchain@go1.27"}, both, false, []string{"1.27rc2.linux-amd64 toolchain@go1.27"}, "no Go toolchain go1.27rc2 for windows/amd64"},
		{"newest of all", nil, []string{"toolchain@latest"}, linux, false, []string{"1.26.11.linux-amd64 toolchain@latest"}, ""},
		{"nothing but pre-releases", nil, []string{"go1.27"}, linux, false, []string{"1.27rc2.linux-amd64 go1.27"}, ""},
		{"release from before patch numbers", nil, []string{"go1.20"}, linux, false, []string{"1.20.linux-amd64 go1.20"}, ""},
		{"no such release", nil, []string{"toolchain@go1.28"}, linux, false, nil, "no Go toolchain go1.28 for linux/amd64"},
		{"no release at all", nil, []string{"toolchain@v1"}, linux, false, nil, `"v1" is not a Go release`},
		{"in a list", map[string]string{"l": "go1.26.8\ntoolchain go1.26.8\n"}, []string{"l"}, linux, false, []string{"1.26.8.linux-amd64 l:1"}, ""},
		{"go line", map[string]string{"go.mod": "module m.example\n\ngo 1.26.8\n"}, []string{"go.mod"}, linux, true, []string{"1.26.8.linux-amd64 go.mod:3"}, ""},
		{"not asked for", map[string]string{"go.mod": "module m.example\ngo 1.26.8\n"}, []string{"go.mod"}, linux, false, nil, ""},
		{"toolchain line", map[string]string{"go.mod": "module m.example\ngo 1.25.0\ntoolchain go1.26.8\n"}, []string{"go.mod"}, linux, true, []string{"1.26.8.linux-amd64 go.mod:3"}, ""},
		{"older toolchain line", map[string]string{"go.mod": "module m.example\ngo 1.26.8\ntoolchain go1.22.0\n"}, []string{"go.mod"}, linux, true, []string{"1.26.8.linux-amd64 go.mod:2"}, ""},
		{"language version", map[string]string{"go.mod": "module m.example\ngo 1.26\n"}, []string{"go.mod"}, linux, true, []string{"1.26.11.linux-amd64 go.mod:2"}, ""},
		{"from before toolchains", map[string]string{"go.mod": "module m.example\ngo 1.17\n"}, []string{"go.mod"}, linux, true, nil, ""},
		{"project", map[string]string{"p/go.mod": "module m.example\ngo 1.25.3\n", "p/go.work": "go 1.26.8\nuse .\n"}, []string{"p"}, linux, true, []string{"1.25.3.linux-amd64 p/go.mod:2", "1.26.8.linux-amd64 p/go.work:1"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			upstreamtest.WriteFiles(t, tt.files)
			items, problems := collect.Sources(t.Context(), collecttest.NewUpstream(t, tree.URL()), tt.args, collect.Options{Platforms: tt.platforms, Toolchains: tt.toolchains})
			var want []string
			for _, w := range tt.want {
				want = append(want, "golang.org/toolchain@v0.0.1-go"+w)
			}
			if got := upstreamtest.DescribeItems(items); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			if (len(problems) > 0) != (tt.problem != "") || len(problems) > 0 && !strings.Contains(problems[0].Error(), tt.problem) {
				t.Errorf("problems %q", problems)
			}
		})
	}
}

func TestAToolchainWithoutInfoAndGoModIsMirrored(t *testing.T) {
	const v = "golang.org/toolchain@v0.0.1-go1.99.1.linux-amd64"
	tree := upstreamtest.NewTree(t)
	tree.Write(t, v, ".zip", toolchainZip(t, v))
	tree.Write(t, v, ".mod", "module golang.org/toolchain\n")
	log := upstreamtest.NewLog(t, tree)
	log.Grow(t, 1)
	o := pinnedOptions(t, tree, log, "")
	if _, err := o.Checksums.Lookup(t.Context(), upstreamtest.ParseModule(t, v)); err != nil { // it is recorded now
		t.Fatal(err)
	}
	if err := os.Remove(tree.File(t, v, ".mod")); err != nil {
		t.Fatal(err)
	}
	events, summary := run(t, []requirement.Requirement{upstreamtest.Full(v)}, o)
	if summary.New != 1 {
		t.Fatalf("%+v", events)
	}
	assertProven(t, o, events[0])
	m, err := store(t, o).FindKind(t.Context(), events[0].Module, false)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := store(t, o).Meta(t.Context(), m)
	if err != nil || string(meta.Info) != `{"Version":"v0.0.1-go1.99.1.linux-amd64"}` || string(meta.GoMod) != "module golang.org/toolchain\n" {
		t.Errorf("%+v, %v", meta, err)
	}
}

// toolchainZip returns the zip of a toolchain, which has no go.mod file.
func toolchainZip(t *testing.T, v string) string {
	t.Helper()
	var buf strings.Builder
	z := zip.NewWriter(&buf)
	for _, name := range []string{"bin/go", "src/_go.mod"} {
		w, err := z.Create(v + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func TestExactToolchainsNeedNoList(t *testing.T) {
	items, problems := collect.Sources(t.Context(), collecttest.NewUpstream(t, upstreamtest.NewTree(t).URL()), []string{"toolchain@latest", "go1.26", "go1.26.8"}, collect.Options{Platforms: []string{"linux/amd64"}})
	if got := upstreamtest.DescribeItems(items); !slices.Equal(got, []string{"golang.org/toolchain@v0.0.1-go1.26.8.linux-amd64 go1.26.8"}) {
		t.Errorf("got %q", got)
	}
	if len(problems) != 2 {
		t.Errorf("problems %q, want one for each release that takes the list", problems)
	}
}

// addToolchains adds toolchains to a tree; they have a zip and nothing else.
func addToolchains(t *testing.T, tree upstreamtest.Tree, toolchains ...string) {
	t.Helper()
	dir := filepath.Join(string(tree), "golang.org", "toolchain", "@v")
	for _, v := range toolchains {
		upstreamtest.Put(t, filepath.Join(dir, "v0.0.1-"+v+".zip"), "a zip")
	}
	zips, err := filepath.Glob(filepath.Join(dir, "*.zip"))
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	for _, zip := range zips {
		list.WriteString(strings.TrimSuffix(filepath.Base(zip), ".zip") + "\n")
	}
	upstreamtest.Put(t, filepath.Join(dir, "list"), list.String())
}
