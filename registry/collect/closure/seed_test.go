package closure

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// consumerOf writes a fresh module, as "go mod init" would, that imports packages.
func consumerOf(t testing.TB, packages ...string) string {
	t.Helper()
	var imports []string
	for _, p := range packages {
		imports = append(imports, fmt.Sprintf("\nimport _ %q\n", p))
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"go.mod":        freshGoMod(),
		"fresh.go":      "package consumer\n" + strings.Join(imports, ""),
		"fresh_test.go": "package consumer\n\nimport \"testing\"\n\nfunc TestFresh(*testing.T) {}\n",
	})
	return dir
}

// freshGoMod is the go.mod that "go mod init" writes.
var freshGoMod = sync.OnceValue(func() string {
	cmd := exec.Command("go", "mod", "init", "corp.example/fresh")
	cmd.Dir = filepath.Join(worldDir, "fresh")
	err := os.MkdirAll(cmd.Dir, 0o755)
	if err == nil {
		err = cmd.Run()
	}
	data, readErr := os.ReadFile(filepath.Join(cmd.Dir, "go.mod"))
	if err := errors.Join(err, readErr); err != nil {
		panic(err)
	}
	return string(data)
})

func seedOf(t testing.TB, up tree, m string) *Result {
	t.Helper()
	r, err := newRunner(t, Options{Source: up}).Seed(t.Context(), mod(m), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range r.Warnings {
		t.Errorf("warning: %v", w)
	}
	return r
}

// resolvingCommands are those that need every module that any command needs; the others of consumerCommands compile, or need less.
var (
	resolvingCommands = []string{"mod tidy", "list -deps -test ./...", "list -m all", "mod download all", "mod vendor"}
	consumerCommands  = append([]string{"build ./...", "vet ./...", "test ./...", "mod download", "mod verify", "mod graph"}, resolvingCommands...)
)

// TestASeedServesUnknownConsumers has fresh modules import all packages of a seed, or some, or none. Those that import
// all ask for the seed in every way there is.
func TestASeedServesUnknownConsumers(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	for seed, imports := range map[string][]string{
		"example.com/lib@v1.0.0": {
			"example.com/lib example.com/lib/sub", "example.com/lib", "example.com/lib/sub", "example.com/lib/only", "",
		},
		"example.com/wide@v1.0.0": {
			"example.com/wide/a example.com/wide/b example.com/wide/c example.com/wide/d", "example.com/wide/a", "example.com/wide/b",
			"example.com/wide/c", "example.com/wide/d", "example.com/wide/e", "example.com/wide/f", "example.com/wide/a example.com/wide/e", "",
		},
		"example.com/old@v1.0.0":                                {"example.com/old", "example.com/old/x", ""},
		"example.com/older@v1.0.0":                              {"example.com/older", "example.com/older/y", ""},
		"example.com/Inc@v2.0.0+incompatible":                   {"example.com/Inc", ""},
		"example.com/two/v2@v2.1.0":                             {"example.com/two/v2", ""},
		"example.com/leaf@v1.3.0":                               {"example.com/leaf", ""},
		"example.com/leaf@v1.4.0-rc.1":                          {"example.com/leaf", ""},
		"example.com/lib/nested@v1.0.0":                         {"example.com/lib/nested", ""},
		"example.com/pseudo@v0.0.0-20260102030405-abcdefabcdef": {"example.com/pseudo", ""},
	} {
		t.Run(strings.NewReplacer("/", "_", "+", "_").Replace(seed), func(t *testing.T) {
			t.Parallel()
			r := seedOf(t, up, seed)
			off := up.offline(t, r)
			for i, packages := range imports {
				commands := resolvingCommands
				dir := consumerOf(t, strings.Fields(packages)...)
				if i == 0 {
					if len(imports) > 2 { // the others are but one package
						commands = consumerCommands
					}
					worksOffline(t, off, dir, nil, "get", mod(seed).Path)
					for _, p := range strings.Fields(packages) {
						worksOffline(t, off, dir, nil, "get", p+"@"+mod(seed).Version)
					}
				}
				worksOffline(t, off, dir, nil, "get", seed)
				for _, c := range commands {
					if packages == "example.com/lib/only" && strings.Contains(c, "/...") {
						continue // it is for Plan 9 only
					}
					worksOffline(t, off, dir, nil, strings.Fields(c)...)
				}
			}
		})
	}
}

// TestASeedServesConsumersFromBeforeGraphPruning has modules with old go lines import packages of a seed.
func TestASeedServesConsumersFromBeforeGraphPruning(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	off := up.offline(t, seedOf(t, up, "example.com/deep@v1.0.0"))
	for _, goLine := range []string{"go 1.16\n", "go 1.14\n", "go 1.18\n", "go 1.20\n"} {
		for _, packages := range []string{"example.com/deep example.com/deep/z", "example.com/deep", "example.com/deep/z"} {
			dir := consumerOf(t, strings.Fields(packages)...)
			write(t, dir, map[string]string{"go.mod": "module corp.example/fresh\n\n" + goLine})
			worksOffline(t, off, dir, nil, "get", "example.com/deep@v1.0.0")
			for _, c := range []string{"mod tidy", "list -deps -test ./...", "list -m all", "mod vendor"} {
				worksOffline(t, off, dir, nil, strings.Fields(c)...)
			}
		}
	}
}

func TestTheProgramsOfASeedAreTools(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	off := up.offline(t, seedOf(t, up, "example.com/lib@v1.0.0"))
	for _, version := range []string{"v1.0.0", "latest", "v1", ""} {
		dir := consumerOf(t)
		worksOffline(t, off, dir, nil, "get", "-tool", strings.TrimSuffix("example.com/lib/cmd/libtool@"+version, "@"))
		commands := resolvingCommands
		if version == "" {
			commands = append([]string{"tool libtool", "install tool", "get -u ./...", "get -u tool"}, consumerCommands...)
		}
		for _, c := range commands {
			worksOffline(t, off, dir, nil, strings.Fields(c)...)
		}
	}
}

func TestASeedAloneIsFullAndItsGraphIsNotMissed(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	r := seedOf(t, up, "example.com/wide@v1.0.0")
	for _, m := range []string{"example.com/wide@v1.0.0", "example.com/hidden@v0.1.0", "example.com/hidden@v0.2.0"} {
		if n := find(t, r, m); n == nil || n.ModOnly {
			t.Errorf("%s is not a full need: %v", m, n)
		}
	}
}
