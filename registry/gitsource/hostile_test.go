package gitsource

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLinksToDirectoriesLeadNowhere(t *testing.T) {
	t.Parallel()
	b := newBench(t)
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
	t.Parallel()
	b := newBench(t)
	ran := filepath.Join(b.dir, "ran")
	dir := b.checkout(goMod, "+sub/HEAD ref: refs/heads/main", "+sub/objects/x x", "+sub/refs/heads/main 1111111111111111111111111111111111111111",
		`+sub/config [core]\nrepositoryformatversion = 1\nbare = true\nsshCommand = touch `+ran+`;\n`+
			`[extensions]\npartialClone = origin\n[remote "origin"]\nurl = ssh://corp.example/x\npromisor = true\n`, ".")
	refused(t, Options{Dir: filepath.Join(dir, "sub")}, ErrNoModule, "sub/go.mod")
	if _, err := os.Stat(ran); err == nil {
		t.Error("a command from the configuration was run")
	}
}

// A bare repository can be committed as files are. Git would find it on its way up from the module, with an index that
// makes it run the filter in its configuration.
func TestRepositoryOnTheWayUpIsNotUsed(t *testing.T) {
	const refs, objects, head = "+sub/refs/x x", "+sub/objects/x x", "+sub/HEAD ref: refs/heads/none"
	for _, c := range []struct {
		name     string
		dir      string // of the module
		worktree string
		file     string // in the index
		steps    []string
	}{
		{"above the module", "sub/x", "x", "a.go", []string{head, refs, objects}},
		{"with the clone's work tree", "sub/x", "..", "sub/x/a.go", []string{head, refs, objects}},
		{"HEAD is a link to nothing", "sub", ".", "a.go", []string{"@sub/HEAD refs/heads/none", refs, objects}},
		{"objects are elsewhere", "sub", ".", "a.go", []string{head, "+sub/commondir other", "+sub/other/refs/x x", "+sub/other/objects/x x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			ran := filepath.Join(b.dir, "ran")
			config := "[core]\nrepositoryformatversion = 0\nworktree = " + c.worktree + "\n[filter \"f\"]\nclean = \"touch " + ran + "; cat\"\n"
			b.write(b.dir, "mod/sub/config", config)
			b.write(b.dir, "mod/sub/other/config", config)
			mod := b.checkout(append(c.steps, "+"+c.dir+"/.gitattributes *.go filter=f", "+"+c.dir+`/go.mod module corp.example/mod.git/`+c.dir, "+"+c.dir+"/a.go package x")...)
			b.git(mod, "--git-dir=sub", "update-index", "--add", "--cacheinfo", "100644,1111111111111111111111111111111111111111,"+c.file)
			b.do(mod, ".", "clone -q . ../clone")
			clone := filepath.Join(b.dir, "clone")
			b.git(clone, "tag", c.dir+"/v1.0.0")
			dir := filepath.Join(clone, filepath.FromSlash(c.dir))
			for _, o := range []Options{{Dir: dir}, {Dir: dir, Version: "v1.1.0", AllowDirty: true}} {
				p, err := Pack(t.Context(), o)
				if err != nil {
					t.Error(err)
				} else {
					must(t, p.Close())
				}
				b.write(dir, "b.go", "package b")
			}
			if _, err := os.Stat(ran); err == nil {
				t.Error("a command from the configuration was run")
			}
		})
	}
}

// A repository on disk can name programs for git to run. None of them is, but for filters that clean files, to see what is changed:
// without them all files would seem to be.
func TestProgramsInTheConfigurationAreNotRun(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ran := filepath.Join(b.dir, "ran")
	hook := "#!/bin/sh\ntouch " + ran + "\n"
	dir := b.checkout(goMod, "+a.txt x", "+.gitattributes *.txt filter=f diff=f merge=f", ".", "tag v1.0.0", "+b.go package b", ".")
	config := "\n[core]\nfsmonitor = touch X\nhooksPath = hooks\nalternateRefsCommand = touch X #\nsshCommand = touch X\npager = touch X\n" +
		"[uploadpack]\npackObjectsHook = touch X\n[diff]\nexternal = touch X\n[diff \"f\"]\ntextconv = touch X\n" +
		"[filter \"f\"]\nsmudge = touch X\n[log]\nshowSignature = true\n[gpg]\nprogram = touch X\n" +
		"[credential]\nhelper = !touch X\n[extensions]\npartialClone = origin\n[remote \"origin\"]\npromisor = true\nuploadpack = touch X #\n"
	old, err := os.ReadFile(filepath.Join(dir, ".git", "config"))
	must(t, err)
	b.write(dir, ".git/config", string(old)+strings.ReplaceAll(config, "touch X", "touch "+ran))
	for _, name := range []string{"post-index-change", "reference-transaction", "post-checkout", "pre-auto-gc", "fsmonitor-watchman"} {
		b.write(dir, "hooks/"+name, hook)
		must(t, os.Chmod(filepath.Join(dir, "hooks", name), 0o755))
	}
	for _, o := range []Options{{Revision: "HEAD"}, {Version: "v1.0.0", AllowDirty: true}, {Version: "v1.1.0", AllowDirty: true}} {
		o.Dir = dir
		packed(t, o)
		if _, err := os.Stat(ran); err == nil {
			t.Errorf("%+v: a program was run", o)
		}
	}
}

func TestWorkTreeElsewhereIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := b.checkout(goMod, ".", "config core.worktree "+t.TempDir())
	refused(t, Options{Dir: dir}, nil, "work tree")
	plain := filepath.Join(b.dir, "plain")
	b.do(plain, goMod, "+.git/x x")
	refused(t, Options{Dir: plain, Version: "v1.0.0"}, nil, "not a git repository")
}

func TestPartialCloneIsNotFetchedFrom(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := b.checkout(goMod, code, subMod, "+LICENSE old", ".", "tag v1.0.0", "tag sub/v1.0.0", "+a.go package b", "+LICENSE new", ".", "tag v1.1.0", "config uploadpack.allowFilter true")
	b.do(dir, "clone -q --filter=blob:none file://"+dir+" ../partial")
	partial := filepath.Join(b.dir, "partial")
	refused(t, Options{Dir: partial, Version: "v1.0.0"}, ErrPartial, "partial clone")
	refused(t, Options{Dir: filepath.Join(partial, "sub"), Version: "v1.0.0"}, ErrPartial) // the LICENSE is missing, not absent
	equal(t, withURL(packed(t, Options{Dir: partial, Version: "v1.1.0"})), b.download("corp.example/mod.git@v1.1.0"))
	b.do(partial, "checkout -q v1.0.0")
	equal(t, withURL(packed(t, Options{Dir: partial, Version: "v1.0.0"})), b.download("corp.example/mod.git@v1.0.0"))
}

// Monorepos are often cloned so for a build: with all commits, and only the files of the one that is checked out.
func TestPartialCloneHasPseudoVersions(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := b.checkout(goMod, code, "+old.txt x", ".", "tag v1.0.0", "-old.txt", ".", "tag v1.2.0", "+b.go package b", ".", "config uploadpack.allowFilter true")
	b.do(dir, "clone -q --filter=blob:none file://"+dir+" ../partial")
	equal(t, withURL(packed(t, Options{Dir: filepath.Join(b.dir, "partial")})), b.download("corp.example/mod.git@main"))
}

func TestRevisionThatIsNoCommit(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := b.checkout(goMod, ".")
	for _, rev := range []string{"^main", "-x", "--output=x", "main..main", "HEAD:go.mod", "HEAD^{tree}"} {
		refused(t, Options{Dir: dir, Revision: rev}, ErrRevision)
	}
}
