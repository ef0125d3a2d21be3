package check

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
		"ok go mod tidy -diff in app", "ok go mod tidy -diff in lib", "ok go mod tidy -diff in tools/gen",
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
		i := slices.IndexFunc(results, func(r Result) bool { return r.Command == "go mod tidy -diff" && r.Dir == dir })
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

func TestUnreadableFilesAreWarnedAbout(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads everything")
	}
	x := newProxy(t, world())
	p := newProject(t, x, app())
	must(t, os.Mkdir(filepath.Join(p.Root, "data"), 0o700))
	for _, name := range []string{"key.pem", "data"} {
		name = filepath.Join(p.Root, name)
		if _, err := os.Stat(name); err != nil {
			must(t, os.WriteFile(name, []byte("secret"), 0o600))
		}
		must(t, os.Chmod(name, 0))
		t.Cleanup(func() { _ = os.Chmod(name, 0o700) })
	}
	var warned []string
	o := Options{Project: p, Proxy: x.URL, TempDir: t.TempDir(), Warn: func(err error) { warned = append(warned, err.Error()) }}
	results, _, err := Run(t.Context(), o)
	if err != nil || len(warned) != 2 || !strings.Contains(warned[0]+warned[1], "key.pem") {
		t.Errorf("warned of %q, %v", warned, err)
	}
	proof{t: t, results: results}.shows(allWell...)
	must(t, os.Chmod(filepath.Join(p.Root, "main.go"), 0))
	if _, _, err := Run(t.Context(), o); err == nil || strings.Count(err.Error(), "copying the project") != 1 {
		t.Errorf("a Go file that cannot be read: %v", err)
	}
}
