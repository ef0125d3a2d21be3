package source

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestLinksToDirectoriesLeadNowhere(t *testing.T) {
	b := newBench(t).isolate()
	b.write(b.dir, "other/x.go", "package secret")
	b.write(b.dir, "other/go.mod", "module corp.example/mod.git/sub\n")
	dir := b.checkout(goMod, code, "+d/e/x.go package e", "+.gitignore /d/e\\n/sub\\n", "add -f .", "commit -q -m x")
	must(t, os.RemoveAll(filepath.Join(dir, "d", "e")))
	must(t, os.Symlink(filepath.Join(b.dir, "other"), filepath.Join(dir, "d", "e")))
	must(t, os.Symlink(filepath.Join(b.dir, "other"), filepath.Join(dir, "sub")))
	p := packed(t, Options{Dir: dir, Version: "v1.1.0", AllowDirty: true})
	if got := slices.Sorted(maps.Keys(content(t, p))); !slices.Equal(got, []string{".gitignore", "a.go", "go.mod"}) {
		t.Errorf("files %q", got)
	}
	refused(t, Options{Dir: dir, Module: "corp.example/mod.git/sub", Version: "v1.1.0", AllowDirty: true}, ErrNoModule)
}

// A repository among the files of another one comes with a clone, and its configuration with it.
func TestRepositoryAmongTheFilesCannotRunCommands(t *testing.T) {
	b := newBench(t).isolate()
	ran := filepath.Join(b.dir, "ran")
	dir := b.checkout(goMod, "+sub/HEAD ref: refs/heads/main", "+sub/objects/x x", "+sub/refs/heads/main 1111111111111111111111111111111111111111",
		`+sub/config [core]\nrepositoryformatversion = 1\nbare = true\nsshCommand = touch `+ran+`;\n`+
			`[extensions]\npartialClone = origin\n[remote "origin"]\nurl = ssh://corp.example/x\npromisor = true\n`, ".")
	refused(t, Options{Dir: filepath.Join(dir, "sub")}, nil)
	if _, err := os.Stat(ran); err == nil {
		t.Error("a command from the configuration was run")
	}
}

func TestPartialCloneIsNotFetchedFrom(t *testing.T) {
	b := newBench(t).isolate()
	dir := b.checkout(goMod, code, subMod, "+LICENSE old", ".", "tag v1.0.0", "tag sub/v1.0.0", "+a.go package b", "+LICENSE new", ".", "tag v1.1.0", "config uploadpack.allowFilter true")
	b.do(dir, "clone -q --filter=blob:none file://"+dir+" ../partial")
	partial := filepath.Join(b.dir, "partial")
	refused(t, Options{Dir: partial, Version: "v1.0.0"}, ErrPartial, "partial clone")
	refused(t, Options{Dir: filepath.Join(partial, "sub"), Version: "v1.0.0"}, ErrPartial) // the LICENSE is missing, not absent
	equal(t, withURL(packed(t, Options{Dir: partial, Version: "v1.1.0"})), b.download("corp.example/mod.git@v1.1.0"))
	b.do(partial, "checkout -q v1.0.0")
	equal(t, withURL(packed(t, Options{Dir: partial, Version: "v1.0.0"})), b.download("corp.example/mod.git@v1.0.0"))
}

func TestRevisionThatIsNoCommit(t *testing.T) {
	b := newBench(t).isolate()
	dir := b.checkout(goMod, ".")
	for _, rev := range []string{"^main", "-x", "--output=x", "main..main", "HEAD:go.mod", "HEAD^{tree}"} {
		refused(t, Options{Dir: dir, Revision: rev}, ErrRevision)
	}
}
