package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry"
)

// module makes a git repository in a directory with a module that is tagged v1.0.0.
func (b *bench) module(name, path string) string {
	b.t.Helper()
	dir := b.path(name)
	must(b.t, os.Mkdir(dir, 0o700))
	b.write(filepath.Join(name, "go.mod"), "module "+path+"\n\ngo 1.24\n")
	b.write(filepath.Join(name, "a.go"), "package a\n")
	b.git(dir, "init", "-q", "-b", "main")
	b.commit(dir)
	b.git(dir, "tag", "v1.0.0")
	return dir
}

func (b *bench) commit(dir string) {
	b.t.Helper()
	b.git(dir, "add", "--all")
	b.git(dir, "commit", "-q", "-m", "change")
}

func (b *bench) git(dir string, args ...string) string {
	b.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=Ann", "-c", "user.email=ann@corp.example"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PWD="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// newPublishBench is a bench where git sees nothing of the machine.
func newPublishBench(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	return b
}

func TestPublishedModuleIsSignedAndUsable(t *testing.T) {
	b := newPublishBench(t)
	private, public := b.keys("cosign")
	dir := b.module("lib", "corp.example/lib")
	r := b.run("publish", "--key", private, dir).exits(command.ExitOK).says("published corp.example/lib@v1.0.0 h1:", " → oci:"+b.path("store"))
	if strings.Count(r.out, "\n") != 1 || r.err != "" {
		t.Errorf("want one line and no notes:\n%s%s", r.out, r.err)
	}
	b.run("verify", "--key", public, "corp.example/lib@v1.0.0").exits(command.ExitOK)
	b.run("list", "corp.example/lib").exits(command.ExitOK).prints("corp.example/lib v1.0.0\n")
	t.Setenv("GOFLAGS", "-modcacherw")
	t.Setenv("GOMODCACHE", b.path("modcache"))
	b.write("go.mod", "module corp.example/app\n\ngo 1.24\n\nrequire corp.example/lib v1.0.0\n")
	b.run("run", "--key", public, "--", "go", "mod", "download").exits(command.ExitOK)

	b.run("publish", "--key", private, dir).exits(command.ExitOK).says("exists corp.example/lib@v1.0.0 h1:")
	other, _ := b.keys("other")
	b.run("publish", "--key", other, "--version", "v1.0.0", dir).exits(command.ExitOK).says("signature added corp.example/lib@v1.0.0 h1:")
}

func TestPublishRefusesOtherContentForAVersion(t *testing.T) {
	b := newPublishBench(t)
	dir := b.module("lib", "corp.example/lib")
	b.run("publish", "--no-sign", dir).exits(command.ExitOK)
	b.write("lib/a.go", "package changed\n")
	b.commit(dir)
	b.git(dir, "tag", "-f", "v1.0.0")
	for _, args := range [][]string{{"publish"}, {"publish", "--dry-run"}} {
		b.run(append(args, "--no-sign", dir)...).exits(command.ExitFailed).complains("exists with different content", "zip sum is h1:", "a version is never changed")
	}
	b.run("publish", "--no-sign", "--version", "v1.0.1", dir).exits(command.ExitOK).says("published corp.example/lib@v1.0.1").complains("there is no tag v1.0.1")
}

func TestPublishAddsASignatureFromAnotherClone(t *testing.T) {
	b := newPublishBench(t)
	first, _ := b.keys("first")
	second, public := b.keys("second")
	dir := b.module("lib", "corp.example/lib")
	b.git(dir, "remote", "add", "origin", "https://corp.example/lib.git")
	b.run("publish", "--key", first, dir).exits(command.ExitOK).says("published corp.example/lib@v1.0.0")
	b.git(dir, "remote", "set-url", "origin", "ssh://mirror.example/lib")
	b.run("publish", "--key", second, "--dry-run", dir).exits(command.ExitOK).says("signature would be added corp.example/lib@v1.0.0")
	b.run("publish", "--key", second, dir).exits(command.ExitOK).says("signature added corp.example/lib@v1.0.0")
	b.run("verify", "--key", public, "corp.example/lib@v1.0.0").exits(command.ExitOK)

	third, _ := b.keys("third")
	b.git(dir, "commit", "-q", "--amend", "-m", "reworded")
	b.git(dir, "tag", "-f", "v1.0.0")
	for _, args := range [][]string{{"publish"}, {"publish", "--dry-run"}} {
		r := b.run(append(args, "--key", third, dir)...).exits(command.ExitFailed).complains("the sums are equal, but in .info the Origin.Hash is not", "delete the version")
		if strings.Contains(r.err, "new content") {
			t.Errorf("wrong hint: %s", r.err)
		}
	}
}

func TestPublishDryRunChangesNothingAndNeedsNoKey(t *testing.T) {
	b := newPublishBench(t)
	dir := b.module("lib", "corp.example/lib")
	b.run("publish", "--dry-run", dir).exits(command.ExitOK).says("would be published corp.example/lib@v1.0.0 h1:")
	if _, err := os.Stat(b.path("store")); !os.IsNotExist(err) {
		t.Errorf("the store was created: %v", err)
	}
	b.run("publish", "--no-sign", dir).exits(command.ExitOK)
	b.run("publish", "--dry-run", dir).exits(command.ExitOK).says("exists corp.example/lib@v1.0.0")
}

func TestPublishRecordsWhatOthersCanAskFor(t *testing.T) {
	b := newPublishBench(t)
	dir := b.module("lib", "corp.example/lib")
	b.git(dir, "branch", "both")
	b.git(dir, "tag", "both")
	b.write("lib/a.go", "package a // stashed\n")
	b.git(dir, "stash")
	b.git(dir, "stash", "apply")
	b.commit(dir)
	b.git(dir, "update-ref", "refs/remotes/origin/HEAD", "HEAD")
	for _, revision := range []string{"stash", "HEAD", "HEAD~1", "origin", "main~1", "v1.0.0"} {
		b.run("publish", "--no-sign", "--revision", revision, dir).exits(command.ExitOK)
	}
	if got := b.recorded(); len(got) > 0 {
		t.Errorf("recorded %q; want nothing", got)
	}
	hash := strings.TrimSpace(b.git(dir, "rev-parse", "main"))
	for _, revision := range []string{"main", "both", hash[:5], hash[:12]} {
		b.run("publish", "--no-sign", "--revision", revision, dir).exits(command.ExitOK)
	}
	if got, want := b.recorded(), slices.Sorted(slices.Values([]string{"both", "main", hash})); !slices.Equal(got, want) {
		t.Errorf("recorded %q; want %q", got, want)
	}
}

// recorded returns the names that are recorded in the store, sorted.
func (b *bench) recorded() []string {
	b.t.Helper()
	data, err := os.ReadFile(b.path("store", "index.json"))
	must(b.t, err)
	var names []string
	for _, m := range regexp.MustCompile(`[:"]rev-([^"]+)"`).FindAllSubmatch(data, -1) {
		names = append(names, string(m[1]))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestPublishRefusesUncommittedChangesAndSaysWhatToDo(t *testing.T) {
	b := newPublishBench(t)
	dir := b.module("lib", "corp.example/lib")
	b.write("lib/b.go", "package a\n")
	b.run("publish", "--no-sign", "--version", "v1.1.0", dir).exits(command.ExitFailed).complains("uncommitted changes", "b.go", "--revision HEAD", "--allow-dirty")
	b.run("publish", "--no-sign", "--version", "v1.1.0", "--allow-dirty", dir).exits(command.ExitOK).says("v1.1.0").complains("no commit has this")
	b.run("publish", "--no-sign", "--revision", "HEAD", dir).exits(command.ExitOK).says("v1.0.0")
}

func TestPublishSaysWhatChangesTheGoModFile(t *testing.T) {
	b := newPublishBench(t)
	dir := b.module("lib", "corp.example/lib")
	b.write("lib/.gitattributes", "* text eol=crlf\n")
	b.commit(dir)
	b.run("publish", "--no-sign", "--revision", "main", dir).exits(command.ExitFailed).complains("go.mod file in the module zip differs", "go.mod -text")
}

func TestPublishNestedLegacyAndPlainDirectories(t *testing.T) {
	b := newPublishBench(t)
	dir := b.module("lib", "corp.example/lib")
	must(t, os.Mkdir(b.path("lib", "sub"), 0o700))
	b.write("lib/sub/go.mod", "module corp.example/lib/sub\n")
	b.commit(dir)
	b.git(dir, "tag", "sub/v0.2.0")
	b.run("publish", "--no-sign", "--module", "corp.example/lib/sub", dir).exits(command.ExitOK).says("published corp.example/lib/sub@v0.2.0 ")
	b.run("publish", "--no-sign", "--module", "corp.example/lib/none", dir).exits(command.ExitFailed).complains("corp.example/lib/none", "--module PATH")

	must(t, os.Mkdir(b.path("plain"), 0o700))
	b.write("plain/a.go", "package a\n")
	b.run("publish", "--no-sign", "--module", "corp.example/old", b.path("plain")).exits(command.ExitFailed).complains("the version must be given")
	b.run("publish", "--no-sign", "--module", "corp.example/old", "--version", "v2.0.0", b.path("plain")).exits(command.ExitOK).
		says("published corp.example/old@v2.0.0+incompatible ").complains("there is no go.mod")
	b.run("list").exits(command.ExitOK).prints("corp.example/lib/sub v0.2.0\ncorp.example/old v2.0.0+incompatible\n")
}

func TestPublishJSON(t *testing.T) {
	b := newPublishBench(t)
	b.module("lib", "corp.example/lib")
	lines := jsonLines[publication](b.run("publish", "--no-sign", "--json", b.path("lib")).exits(command.ExitOK))
	if len(lines) != 1 || lines[0].Status != "published" || lines[0].Version != "v1.0.0" || !strings.HasPrefix(lines[0].GoModSum, "h1:") {
		t.Fatalf("got %+v", lines)
	}
	var info struct{ Origin struct{ Ref string } }
	must(t, json.Unmarshal(lines[0].Info, &info))
	if info.Origin.Ref != "refs/tags/v1.0.0" {
		t.Errorf("info %s", lines[0].Info)
	}
	b.git(b.path("lib"), "remote", "add", "origin", "https://corp.example/lib.git")
	lines = jsonLines[publication](b.run("publish", "--no-sign", "--json", b.path("lib")).exits(command.ExitOK))
	if len(lines) != 1 || lines[0].Status != "exists" || lines[0].Info != nil {
		t.Errorf("again: got %+v; want no info, as the store has another", lines)
	}
}

func TestPublishSaysWhenTheChecksumDatabaseWouldBeAsked(t *testing.T) {
	b := newPublishBench(t)
	dir := b.module("lib", "corp.example/lib")
	const note = "GONOSUMDB=corp.example/lib"
	for _, c := range []struct {
		noSumDB, private string
		args             []string
		want             bool
	}{
		{"", "", nil, true},
		{"other.example", "", nil, true},
		{"corp.example", "", nil, false},
		{"", "*.example", nil, false},
		{"other.example", "corp.example", nil, false},
		{"", "", []string{"--private", "corp.example/l*"}, false},
	} {
		t.Setenv("GONOSUMDB", c.noSumDB)
		t.Setenv("GOPRIVATE", c.private)
		r := b.run(append([]string{"publish", "--no-sign", dir}, c.args...)...).exits(command.ExitOK)
		if got := strings.Contains(r.err, note); got != c.want {
			t.Errorf("%+v: note %v, want %v: %s", c, got, c.want, r.err)
		}
	}
}

func TestPublishUsage(t *testing.T) {
	b := newPublishBench(t)
	dir := b.module("lib", "corp.example/lib")
	b.run("publish", "--no-sign").exits(command.ExitUsage).complains("exactly one directory")
	b.run("publish", dir).exits(command.ExitUsage).complains("--key is needed")
	b.run("publish", "--no-sign", "--version", "", dir).exits(command.ExitUsage).complains("--version is empty")
	b.run("publish", "--no-sign", b.path("nowhere")).exits(command.ExitFailed).complains("nowhere")
	b.run("publish", "--no-sign", "--version", "1.0.0", dir).exits(command.ExitFailed).complains(`"1.0.0" is not canonical`)
	b.run("publish", "--no-sign", "--module", "lib", dir).exits(command.ExitFailed).complains("missing dot")
}

func TestPublishSaysWhatToDoAboutAConflict(t *testing.T) {
	for want, c := range map[string]registry.ConflictError{
		"give the new content a new version": {HaveSum: "h1:a", WantSum: "h1:b", HaveModSum: "h1:m", WantModSum: "h1:m"},
		"the sums are the same":              {HaveSum: "h1:a", WantSum: "h1:a", HaveModSum: "h1:m", WantModSum: "h1:m", Reason: "its .info differs"},
		"it was not modferry":                {WantSum: "h1:a", WantModSum: "h1:m", Reason: "no module version"},
	} {
		err := publishHint(&c)
		if got := command.Hint(err); !strings.HasPrefix(got, want) && !strings.HasSuffix(got, want) {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
		if c.HaveModSum == "" && strings.Contains(err.Error(), "sum") {
			t.Errorf("what is no module version has no sum: %v", err)
		}
	}
}
