package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"
)

// workspace is three modules, one of which needs another that was never published, and a package for Windows.
func workspace() files {
	return files{
		"go.work":            "go 1.24\n\nuse (\n\t./app\n\t./lib\n\t./tools/gen\n)\n",
		"app/go.mod":         "module corp.example/app\n\ngo 1.24\n\nrequire corp.example/lib v0.0.0\n\nreplace corp.example/lib => ../lib\n",
		"app/main.go":        "package main\n\nimport _ \"corp.example/lib\"\n\nfunc main() {}\n",
		"lib/go.mod":         "module corp.example/lib\n\ngo 1.24\n\nrequire (\n\texample.com/greet v1.2.0\n\texample.com/win v1.0.0\n)\n",
		"lib/lib.go":         "package lib\n\nimport _ \"example.com/greet\"\n",
		"lib/lib_windows.go": "package lib\n\nimport _ \"example.com/win\"\n",
		"tools/gen/go.mod":   "module corp.example/tools/gen\n\ngo 1.24\n\nrequire example.com/dep v1.0.0\n",
		"tools/gen/gen.go":   "package main\n\nimport _ \"example.com/dep\"\n\nfunc main() {}\n",
	}
}

func TestWorkspaceIsCheckedModuleByModule(t *testing.T) {
	x := newProxy(t, world())
	p := newProject(t, x, workspace())
	patterns := "./app/... ./lib/... ./tools/gen/..."
	ok := []string{
		"ok go mod download",
		"ok go build " + patterns + " for linux/amd64", "ok go vet " + patterns + " for linux/amd64",
		"ok go build " + patterns + " for windows/amd64", "ok go vet " + patterns + " for windows/amd64",
		"ok go mod verify",
		"ok go mod tidy in app", "ok go mod tidy in lib", "ok go mod tidy in tools/gen",
		"ok go list -m all",
	}
	o := Options{Platforms: []string{"linux/amd64", "windows/amd64"}}
	run(t, p, x, o).shows(ok...)

	x.lose("example.com/win/@v/v1.0.0.zip")
	broken := slices.Clone(ok)
	for _, i := range []int{0, 3, 4, 6, 7} {
		broken[i] = "FAILED" + strings.TrimPrefix(broken[i], "ok")
	}
	run(t, p, x, o).shows(broken...)
	if got := x.missing(); !slices.Equal(got, []string{"example.com/win/@v/v1.0.0.zip"}) {
		t.Errorf("missing: %q", got)
	}
}

// TestAWorkspaceIsCheckedAsItIs has a module that requires another one of the workspace at a version: go commands use what
// is in the directory, and want the go.mod of that version all the same.
func TestAWorkspaceIsCheckedAsItIs(t *testing.T) {
	modules := world()
	modules["corp.example/lib@v1.0.0"] = files{"lib.go": "package lib\n"}
	w := workspace()
	w["app/go.mod"] = "module corp.example/app\n\ngo 1.24\n\nrequire corp.example/lib v1.0.0\n"
	w["lib/go.mod"] = "module corp.example/lib\n\ngo 1.24\n"
	w["lib/lib.go"], w["lib/lib_windows.go"] = "package lib\n", "package lib\n"
	x := newProxy(t, modules)
	p := newProject(t, nil, w)
	tidy(t, x, filepath.Join(p.Root, "tools/gen"))
	for _, has := range []bool{true, false} {
		if !has {
			x.lose("corp.example/lib/@v/v1.0.0.mod")
		}
		for _, r := range run(t, p, x, Options{}).results {
			if isAlone := r.Dir != ""; r.Skipped == "" && r.OK != (has || isAlone) && r.Command != "go mod verify" {
				t.Errorf("the version is there: %v, %+v", has, r)
			}
		}
	}
	if got := x.missing(); !slices.Equal(got, []string{"corp.example/lib/@v/v1.0.0.mod"}) {
		t.Errorf("missing: %q", got)
	}
	if got := p.ReplaceInWork(module.Version{Path: "corp.example/lib", Version: "v1.0.0"}); got != "go work edit -replace=corp.example/lib@v1.0.0=./lib" {
		t.Errorf("the mend is %q", got)
	}
	goWork(t, p.Root, "edit", "-replace=corp.example/lib@v1.0.0=./lib")
	for _, r := range run(t, load(t, p.Root), x, Options{}).results {
		if r.Failed() {
			t.Errorf("mended: %+v", r)
		}
	}
}

func goWork(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("go", append([]string{"work"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go work: %v\n%s", err, out)
	}
}

func TestAGoSumThatTidyLeavesAloneIsTidy(t *testing.T) {
	x := newProxy(t, world())
	p := newProject(t, x, app())
	name := filepath.Join(p.Root, "go.sum")
	good, err := os.ReadFile(name)
	must(t, err)
	lines := strings.SplitAfter(strings.TrimSuffix(string(good), "\n"), "\n")
	reversed := slices.Clone(lines)
	slices.Reverse(reversed)
	for form, text := range map[string]string{
		"CR LF":                strings.ReplaceAll(string(good), "\n", "\r\n"),
		"in reverse order":     strings.Join(reversed, "\n"),
		"every line twice":     string(good) + string(good),
		"a blank line":         lines[0] + "\n" + strings.Join(lines[1:], ""),
		"no final newline":     strings.TrimSuffix(string(good), "\n"),
		"a space at each end":  strings.ReplaceAll(string(good), "\n", " \n"),
		"all of them together": strings.Join(reversed, " \r\n\r\n") + "\n" + strings.TrimSpace(string(good)),
	} {
		must(t, os.WriteFile(name, []byte(text), 0o600))
		got := run(t, load(t, p.Root), x, Options{})
		if i := slices.IndexFunc(got.results, Result.Failed); i >= 0 {
			t.Errorf("%s: %+v", form, got.results[i])
		}
	}
	must(t, os.WriteFile(name, []byte(strings.Join(lines[1:], "")), 0o600))
	run(t, load(t, p.Root), x, Options{}).says("+" + strings.TrimSpace(lines[0]))
}

func TestTidinessThatTheCopyCannotTellIsSkipped(t *testing.T) {
	x := newProxy(t, world())
	w := workspace()
	w["app/go.mod"] = "module corp.example/app\n\ngo 1.24\n\nrequire (\n\tcorp.example/lib v0.0.0\n\texample.com/test v1.0.0\n)\n"
	w["tools/gen/go.mod"] += "\nrequire example.com/test v1.0.0\n"
	w["late/go.mod"] = "module corp.example/late\n\ngo 1.24\n"
	w["late/late.go"] = "package late\n\nimport _ \"corp.example/lib\"\n"
	w["go.work"] += "\nuse ./late\n"
	p := newProject(t, nil, w)
	tidy(t, x, filepath.Join(p.Root, "lib"))
	results := run(t, load(t, p.Root), x, Options{}).results
	for dir, want := range map[string]string{
		"app":       "not published", // it requires what is in a directory
		"late":      "not published", // it has to
		"lib":       "ok",
		"tools/gen": "untidy", // it has nothing to do with the other modules
	} {
		i := slices.IndexFunc(results, func(r Result) bool { return r.Command == "go mod tidy" && r.Dir == dir })
		got := map[bool]string{true: "ok"}[results[i].OK] + map[bool]string{true: "untidy"}[results[i].Untidy] + results[i].Skipped
		if !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q: %+v", dir, got, want, results[i])
		}
	}
}

func TestNamesOfDirectoriesAreFitToBeShown(t *testing.T) {
	x := newProxy(t, world())
	p := newProject(t, nil, files{
		"go.work":             "go 1.24\n\nuse \"./a\x1b[31mred\"\n",
		"a\x1b[31mred/go.mod": "module corp.example/app\n\ngo 1.24\n",
		"a\x1b[31mred/app.go": "package app\n",
	})
	for _, r := range run(t, p, x, Options{}).results {
		if strings.ContainsRune(r.Command+r.Dir, 0x1b) {
			t.Errorf("%q in %q", r.Command, r.Dir)
		}
	}
}

func TestPlatformIsBuiltForOnce(t *testing.T) {
	x := newProxy(t, world())
	p := newProject(t, x, app())
	run(t, p, x, Options{Platforms: []string{here(), here()}}).shows(allWell...)
}

func TestForeignPlatformsAreBuiltForWithoutCUnlessToldOtherwise(t *testing.T) {
	x := newProxy(t, world())
	p := newProject(t, x, files{
		"go.mod": "module corp.example/app\n\ngo 1.24\n", "a.go": "package a\n\nvar _ int = C\n", "c.go": "package a\n\nimport \"C\"\n",
	})
	const note = "with CGO_ENABLED=0, unless the environment says otherwise"
	o := Options{Platforms: []string{"windows/arm64"}}
	t.Setenv("CGO_ENABLED", "0")
	if got := run(t, p, x, o); strings.Contains(got.said(), note) {
		t.Errorf("it was the user's:\n%s", got.said())
	}
	must(t, os.Unsetenv("CGO_ENABLED"))
	run(t, p, x, o).says(note)
	t.Setenv("CGO_ENABLED", "1")
	t.Setenv("CC", filepath.Join(t.TempDir(), "cross-cc"))
	run(t, p, x, o).says("cross-cc")
}

func TestFilesThatAreNotGosNeedNotBeReadable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads everything")
	}
	x := newProxy(t, world())
	p := newProject(t, x, app())
	name := filepath.Join(p.Root, "key.pem")
	must(t, os.WriteFile(name, []byte("secret"), 0))
	run(t, p, x, Options{}).shows(allWell...)
}
