package closure

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry/project"
	"github.com/modferry/modferry/registry/requirement"
)

// newProject writes a project and tidies it with all of upstream in reach.
func newProject(t testing.TB, up tree, files map[string]string, modules ...string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, files)
	for _, m := range modules {
		goIn(t, dir+"/"+m, []string{"GOPROXY=" + up.url(), "GOMODCACHE=" + up.cache(), "GOWORK=off"}, "mod", "tidy")
	}
	return dir
}

func load(t testing.TB, dir string) *project.Project {
	t.Helper()
	p, err := project.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func platforms(t testing.TB) []string {
	t.Helper()
	out, err := exec.Command("go", "tool", "dist", "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	var one []string // of each GOOS
	for _, p := range strings.Fields(string(out)) {
		goos, _, _ := strings.Cut(p, "/")
		if !slices.ContainsFunc(one, func(q string) bool { return strings.HasPrefix(q, goos+"/") }) {
			one = append(one, p)
		}
	}
	return one
}

var projectFiles = map[string]string{
	"p.go":          "package p\n\nimport (\n\t_ \"example.com/lib\"\n\t_ \"example.com/lib/sub\"\n)\n",
	"p_windows.go":  "package p\n\nimport _ \"example.com/two/v2\"\n",
	"p_tag.go":      "//go:build custom\n\npackage p\n\nimport _ \"example.com/pseudo\"\n",
	"p_test.go":     "package p\n\nimport (\n\t\"testing\"\n\n\t_ \"example.com/testdep\"\n)\n\nfunc TestP(*testing.T) {}\n",
	"sub/s.go":      "package sub\n\nimport _ \"example.com/leaf\"\n",
	"nested/go.mod": "module corp.example/p/nested\n\nrequire example.com/nowhere v1.0.0\n",
}

func with(files map[string]string, more ...string) map[string]string {
	all := make(map[string]string)
	for name, text := range files {
		all[name] = text
	}
	for i := 0; i < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	return all
}

func TestAProjectWorksOffline(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	const pseudo = "example.com/pseudo v0.0.0-20260102030405-abcdefabcdef"
	for name, goMod := range map[string]string{
		"pruned":   "module corp.example/p\n\ngo 1.24\n\nrequire " + pseudo + "\n\ntool example.com/lib/cmd/libtool\n",
		"go 1.17":  "module corp.example/p\n\ngo 1.17\n\nrequire " + pseudo + "\n\nreplace example.com/testdep => example.com/testdep v0.1.0\n",
		"unpruned": "module corp.example/p\n\ngo 1.15\n\nrequire " + pseudo + "\n",
	} {
		for _, all := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/download all %v", name, all), func(t *testing.T) {
				t.Parallel()
				dir := newProject(t, up, with(projectFiles, "go.mod", goMod), ".")
				r, err := newRunner(t, Options{Source: up}).Project(t.Context(), load(t, dir), ProjectOptions{DownloadAll: all})
				if err != nil {
					t.Fatal(err)
				}
				for _, w := range r.Warnings {
					t.Errorf("warning: %v", w)
				}
				off := up.offline(t, r)
				commands := []string{"list -deps -test ./...", "mod tidy -diff", "list -m all", "mod download all"} // the rest is as without
				if !all {
					commands = []string{
						"mod verify", "mod graph", "mod tidy", "mod tidy -diff", "list -m all",
						"list -deps -test ./...", "mod download", "mod why -m example.com/old", "mod vendor",
					}
				}
				if !all && name == "pruned" { // how packages are chosen and compiled does not depend on the go line
					commands = append(commands, "build -tags=custom,special ./...", "vet ./...", "test ./...")
					for _, p := range platforms(t) {
						goos, goarch, _ := strings.Cut(p, "/")
						worksOffline(t, off, dir, []string{"GOOS=" + goos, "GOARCH=" + goarch, "CGO_ENABLED=0"}, "list", "-deps", "./...")
					}
				}
				for _, c := range commands {
					worksOffline(t, off, dir, nil, strings.Fields(c)...)
				}
			})
		}
	}
}

func TestAVendorDirectoryChangesNothing(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	dir := newProject(t, up, with(projectFiles, "go.mod", "module corp.example/p\n\ngo 1.24\n"), ".")
	want := projectOf(t, Options{Source: up}, dir)
	goIn(t, dir, []string{"GOPROXY=" + up.url(), "GOMODCACHE=" + up.cache()}, "mod", "vendor")
	r := projectOf(t, Options{Source: up}, dir)
	checkWarnings(t, r)
	if got, want := show(r.Needs), show(want.Needs); got != want {
		t.Errorf("needs\n%s, without vendor\n%s", got, want)
	}
}

// TestTheModuleGraphIsNotInGoSum takes the nodes of the module graph away, which go.sum does not list.
func TestTheModuleGraphIsNotInGoSum(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	dir := newProject(t, up, with(projectFiles, "go.mod", "module corp.example/p\n\ngo 1.24\n"), ".")
	r := projectOf(t, Options{Source: up}, dir)
	r.Needs = slices.DeleteFunc(r.Needs, func(n requirement.Requirement) bool { return n.Sum == "" && n.GoModSum == "" })
	env := []string{"GOPROXY=" + up.offline(t, r).url(), "GOMODCACHE=" + t.TempDir()}
	if out, err := tryGo(t, dir, env, "list", "-m", "all"); err == nil {
		t.Errorf("go list -m all works with what go.sum lists alone, so these tests prove nothing:\n%s", out)
	}
}
