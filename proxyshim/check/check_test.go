package check

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry/gocmd"
)

// world has a module with a dependency, of which an older version is in the module graph only.
func world() map[string]files {
	return map[string]files{
		"example.com/greet@v1.2.0": {
			"go.mod":   "module example.com/greet\n\ngo 1.16\n\nrequire example.com/dep v1.0.1\n",
			"greet.go": "package greet\n\nimport _ \"example.com/dep\"\n",
		},
		"example.com/old@v0.1.0": {
			"go.mod": "module example.com/old\n\ngo 1.16\n\nrequire example.com/dep v1.0.0\n",
			"old.go": "package old\n\nimport _ \"example.com/dep\"\n",
		},
		"example.com/dep@v1.0.0":  {"dep.go": "package dep\n"},
		"example.com/dep@v1.0.1":  {"dep.go": "package dep\n"},
		"example.com/test@v1.0.0": {"test.go": "package test\n"},
		"example.com/win@v1.0.0":  {"win.go": "package win\n"},
	}
}

// app uses them.
func app() files {
	return files{
		"go.mod":       "module corp.example/app\n\ngo 1.16\n\nrequire (\n\texample.com/greet v1.2.0\n\texample.com/old v0.1.0\n\texample.com/test v1.0.0\n)\n",
		"main.go":      "package main\n\nimport (\n\t_ \"example.com/greet\"\n\t_ \"example.com/old\"\n)\n\nfunc main() {}\n",
		"main_test.go": "package main\n\nimport _ \"example.com/test\"\n",
		"app/x.txt":    "The binary has the name of this directory.\n",
	}
}

var allWell = []string{
	"ok go mod download", "ok go build ./... for " + here(), "ok go vet ./... for " + here(),
	"ok go mod verify", "ok go mod tidy", "ok go list -m all",
}

func TestProjectOfWhichEverythingIsThereWorks(t *testing.T) {
	x := newProxy(t, world())
	p := newProject(t, x, app())
	got := run(t, p, x, Options{}).shows(allWell...)
	if len(got.dialled) > 0 {
		t.Errorf("dialled %q", got.dialled)
	}
	for _, r := range got.results {
		if r.Elapsed <= 0 {
			t.Errorf("%s took %v", r.Command, r.Elapsed)
		}
	}
}

func TestDownloadAllIsCheckedWhenAskedFor(t *testing.T) {
	modules := world()
	modules["example.com/unused@v1.0.0"] = files{"unused.go": "package unused\n"}
	modules["example.com/old@v0.1.0"]["go.mod"] += "\nrequire example.com/unused v1.0.0\n"
	x := newProxy(t, modules)
	p := newProject(t, x, files{
		"go.mod":  "module corp.example/app\n\ngo 1.24\n\nrequire example.com/old v0.1.0\n",
		"main.go": "package main\n\nimport _ \"example.com/old\"\n\nfunc main() {}\n",
	})
	run(t, p, x, Options{DownloadAll: true}).shows(append(slices.Clone(allWell), "ok go mod download all")...)
	x.lose("example.com/unused/@v/v1.0.0.zip")
	run(t, p, x, Options{}).shows(allWell...)
	run(t, p, x, Options{DownloadAll: true}).shows(append(slices.Clone(allWell), "FAILED go mod download all")...)
}

func TestMissingZipFailsAndIsAskedFor(t *testing.T) {
	x := newProxy(t, world())
	p := newProject(t, x, app())
	x.lose("example.com/test/@v/v1.0.0.zip")
	run(t, p, x, Options{}).shows(
		"FAILED go mod download", "ok go build ./... for "+here(), "FAILED go vet ./... for "+here(),
		"ok go mod verify", "FAILED go mod tidy", "ok go list -m all",
	).says("example.com/test@v1.0.0", "not found: the store has no")
	if got := x.missing(); !slices.Equal(got, []string{"example.com/test/@v/v1.0.0.zip"}) {
		t.Errorf("missing: %q", got)
	}
}

func TestEverythingMissingIsFoundAtOnce(t *testing.T) {
	x := newProxy(t, world())
	p := newProject(t, x, app())
	// Without the first of them, the go command does not come to ask for the second.
	lost := []string{"example.com/dep/@v/v1.0.0.mod", "example.com/test/@v/v1.0.0.zip"}
	x.lose(lost...)
	got := run(t, p, x, Options{}).says("example.com/dep@v1.0.0")
	if got.results[0].OK || x.missing() == nil {
		t.Errorf("go mod download: %+v", got.results[0])
	}
	if got := x.missing(); !slices.Equal(got, lost) {
		t.Errorf("missing: %q, want %q", got, lost)
	}
}

func TestUntidyProjectIsSaidToBeUntidy(t *testing.T) {
	x := newProxy(t, world())
	p := newProject(t, x, app())
	main := filepath.Join(p.Root, "main_test.go")
	must(t, os.WriteFile(main, []byte("package main\n"), 0o600))
	x.lose()
	run(t, load(t, p.Root), x, Options{}).shows(
		"ok go mod download", "ok go build ./... for "+here(), "ok go vet ./... for "+here(),
		"ok go mod verify", "UNTIDY go mod tidy", "ok go list -m all",
	).says("go.mod:\n-example.com/test v1.0.0\ngo.sum:\n-example.com/test v1.0.0 h1:")
}

func TestBrokenCodeFailsAndNothingIsMissing(t *testing.T) {
	x := newProxy(t, world())
	p := newProject(t, x, app())
	must(t, os.WriteFile(filepath.Join(p.Root, "broken.go"), []byte("package main\n\nvar x = undefined\n"), 0o600))
	x.lose()
	run(t, load(t, p.Root), x, Options{}).shows(
		"ok go mod download", "FAILED go build ./... for "+here(), "FAILED go vet ./... for "+here(),
		"ok go mod verify", "ok go mod tidy", "ok go list -m all",
	).says("./broken.go:3:9: undefined: undefined")
	if got := x.missing(); len(got) > 0 {
		t.Errorf("missing: %q", got)
	}
}

func TestIncompleteGoSumIsNotRepairedOnTheWay(t *testing.T) {
	x := newProxy(t, world())
	for _, tt := range []struct {
		name string
		drop func(line string) bool
		want []string
		says string
	}{
		{
			"without the go.mod of what is in the graph only",
			func(line string) bool { return strings.HasPrefix(line, "example.com/dep v1.0.0/go.mod ") },
			[]string{"ok", "ok", "ok", "ok", "UNTIDY", "FAILED"},
			"missing go.sum entry",
		},
		{
			"without any go.mod",
			func(line string) bool { return strings.Contains(line, "/go.mod ") },
			[]string{"ok", "FAILED", "FAILED", "ok", "UNTIDY", "FAILED"},
			"missing go.sum entry",
		},
		{
			"without a zip",
			func(line string) bool { return strings.HasPrefix(line, "example.com/dep v1.0.1 ") },
			[]string{"ok", "FAILED", "FAILED", "ok", "UNTIDY", "ok"},
			"missing go.sum entry",
		},
		{
			"without anything",
			func(string) bool { return true },
			[]string{"ok", "FAILED", "FAILED", "ok", "UNTIDY", "FAILED"},
			"missing go.sum entry",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newProject(t, x, app())
			sums := filepath.Join(p.Root, "go.sum")
			data, err := os.ReadFile(sums)
			must(t, err)
			lines := slices.DeleteFunc(slices.Collect(strings.Lines(string(data))), tt.drop)
			must(t, os.WriteFile(sums, []byte(strings.Join(lines, "")), 0o600))
			want := slices.Clone(allWell)
			for i, status := range tt.want {
				want[i] = status + strings.TrimPrefix(want[i], "ok")
			}
			run(t, load(t, p.Root), x, Options{}).shows(want...).says(tt.says)
		})
	}
}

func TestGoLineThatIsTooNewFailsEveryCommand(t *testing.T) {
	x := newProxy(t, world())
	p := newProject(t, nil, files{"go.mod": "module corp.example/app\n\ngo 1.99.0\n", "main.go": "package main\n\nfunc main() {}\n"})
	got := run(t, p, x, Options{}).says("go.mod requires go >= 1.99.0", "GOTOOLCHAIN=local")
	for _, r := range got.results {
		if !r.Failed() && r.Command != "go mod verify" {
			t.Errorf("%s did not fail", r.Command)
		}
	}
	if got := x.missing(); len(got) > 0 {
		t.Errorf("missing: %q", got)
	}
}

func TestPackagesOfNoPlatformAreSkipped(t *testing.T) {
	x := newProxy(t, world())
	p := newProject(t, x, files{"go.mod": "module corp.example/app\n\ngo 1.24\n", "a_windows.go": "package a\n", "b_tagged.go": "//go:build extra\n\npackage a\n"})
	run(t, p, x, Options{Platforms: []string{"linux/arm64", "windows/amd64"}}).shows(
		"ok go mod download", "skipped go build ./... for linux/arm64", "skipped go vet ./... for linux/arm64",
		"ok go build ./... for windows/amd64", "ok go vet ./... for windows/amd64",
		"ok go mod verify", "ok go mod tidy", "ok go list -m all",
	)
	run(t, p, x, Options{Platforms: []string{"linux/arm64"}, Tags: "extra"}).shows(
		"ok go mod download", "ok go build -tags=extra ./... for linux/arm64", "ok go vet -tags=extra ./... for linux/arm64",
		"ok go mod verify", "ok go mod tidy", "ok go list -m all",
	)
}

func TestRequestsToOthersAreRefusedAndNamed(t *testing.T) {
	t.Run("by the go command", func(t *testing.T) {
		x := newProxy(t, world()) // serves no checksum database
		p := newProject(t, x, app())
		must(t, os.Remove(filepath.Join(p.Root, "go.sum")))
		t.Setenv("GOSUMDB", "sum.golang.org")
		got := run(t, load(t, p.Root), x, Options{})
		if !slices.Equal(got.dialled, []string{"sum.golang.org:443"}) {
			t.Errorf("dialled %q\n%s", got.dialled, got.said())
		}
	})
	t.Run("by what a build starts", func(t *testing.T) {
		if runtime.GOOS == "windows" {
			t.Skip("needs cgo")
		}
		x := newProxy(t, world())
		p := newProject(t, x, files{
			"go.mod": "module corp.example/app\n\ngo 1.24\n",
			"c.go":   "package app\n\n// #cgo pkg-config: something\nimport \"C\"\n",
		})
		self, err := os.Executable()
		must(t, err)
		t.Setenv("CGO_ENABLED", "1")
		t.Setenv("PKG_CONFIG", self)
		for url, want := range map[string]string{
			"http://telemetry.example/ping": "telemetry.example:80", "https://telemetry.example:8443/": "telemetry.example:8443",
			x.URL + "/": "", // the shim may be asked
		} {
			t.Setenv(envDial, url)
			got := run(t, p, x, Options{})
			if !slices.Equal(got.dialled, slices.DeleteFunc([]string{want}, func(s string) bool { return s == "" })) {
				t.Errorf("%s: dialled %q\n%s", url, got.dialled, got.said())
			}
		}
	})
}

func TestWithoutAGoCommandNothingIsProved(t *testing.T) {
	x := newProxy(t, world())
	p := newProject(t, x, app())
	t.Setenv("PATH", t.TempDir())
	if results, _, err := Run(t.Context(), Options{Project: p, Proxy: x.URL, TempDir: t.TempDir()}); !errors.Is(err, gocmd.ErrNoGo) || len(results) > 0 {
		t.Errorf("%v, %v", results, err)
	}
}

func TestWhatKeepsFromProvingIsAnError(t *testing.T) {
	x := newProxy(t, world())
	p := newProject(t, x, app())
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		o    Options
		want error
	}{
		{"interrupted", cancelled, Options{Project: p, Proxy: x.URL}, context.Canceled},
		{"no proxy", t.Context(), Options{Project: p}, nil},
		{"no project", t.Context(), Options{Proxy: x.URL}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.TempDir = t.TempDir()
			results, _, err := Run(tt.ctx, tt.o)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || len(results) > 0 {
				t.Errorf("%v, %v", results, err)
			}
			if left, _ := os.ReadDir(tt.o.TempDir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}
