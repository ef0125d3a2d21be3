package gitsource

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/artifact"
)

func TestDirectoryWithoutGit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		steps []string
		o     Options
		path  string
		files string // in the zip
		want  error
		says  string
	}{
		{name: "module", steps: []string{goMod, code, "+d/x.txt x"}, path: "corp.example/mod.git@v1.2.3", files: "a.go d/x.txt go.mod"},
		{name: "v2", steps: []string{goMod2}, o: Options{Version: "v2.0.0"}, path: "corp.example/mod.git/v2@v2.0.0", files: "go.mod"},
		{name: "pre-release", steps: []string{goMod}, o: Options{Version: "v0.1.0-dev"}, path: "corp.example/mod.git@v0.1.0-dev", files: "go.mod"},
		{
			name: "what is never part of a module", steps: []string{goMod, code, subMod, subGo, "+vendor/a/a.go x", "+.hg/x x", "+.svn/x x", "+third/.git gitdir: /home/ann/third", "@l.go a.go", "@d sub"},
			path: "corp.example/mod.git@v1.2.3", files: "a.go go.mod",
		},
		{name: "nested, with the licence above", steps: []string{goMod, "+LICENSE x", subMod, subGo}, o: Options{Module: "corp.example/mod.git/sub"}, path: "corp.example/mod.git/sub@v1.2.3", files: "LICENSE a.go go.mod"},
		{name: "no go.mod", steps: []string{code}, o: Options{Module: "corp.example/x"}, path: "corp.example/x@v1.2.3", files: "a.go"},
		{name: "no go.mod but in directories", steps: []string{code, `+sub/go.mod module corp.example/x/sub/v2\n`}, o: Options{Module: "corp.example/x"}, path: "corp.example/x@v1.2.3", files: "a.go"},
		{name: "misspelt module", steps: []string{code, subMod}, o: Options{Module: "corp.example/mod.git/sup"}, want: ErrNoModule, says: "sub/go.mod"},
		{name: "incompatible", steps: []string{code}, o: Options{Module: "corp.example/x", Version: "v2.0.0"}, path: "corp.example/x@v2.0.0+incompatible", files: "a.go"},
		{name: "no version", steps: []string{goMod}, o: Options{Version: "-"}, want: ErrVersion, says: "must be given"},
		{name: "revision", steps: []string{goMod}, o: Options{Revision: "main"}, want: ErrVersion, says: "not in a git repository"},
		{name: "v2 without /v2", steps: []string{goMod}, o: Options{Version: "v2.0.0"}, want: ErrVersion, says: "corp.example/mod.git/v2"},
		{name: "incompatible with go.mod", steps: []string{goMod}, o: Options{Version: "v2.0.0+incompatible"}, want: ErrVersion, says: "corp.example/mod.git/v2"},
		{name: "v1 of a /v2", steps: []string{goMod2}, want: ErrVersion, says: "v1.2.3 of corp.example/mod.git/v2"},
		{name: "no module", steps: []string{code}, want: ErrNoModule, says: "go.mod"},
		{name: "go.mod is a link", steps: []string{"+x.mod module corp.example/x", "@go.mod x.mod"}, want: ErrNoModule, says: "go.mod"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			dir := filepath.Join(b.dir, "src")
			b.do(dir, append([]string{"+go.sum "}, c.steps...)...)
			c.o.Dir = dir
			switch c.o.Version {
			case "":
				c.o.Version = "v1.2.3"
			case "-":
				c.o.Version = ""
			}
			if c.want != nil {
				refused(t, c.o, c.want, c.says)
				return
			}
			p := packed(t, c.o)
			if p.Files.Module.String() != c.path {
				t.Errorf("packed %s; want %s", p.Files.Module, c.path)
			}
			if want := `{"Version":"` + p.Files.Module.Version + `"}`; string(p.Files.Info) != want {
				t.Errorf(".info is %s; want %s", p.Files.Info, want)
			}
			files := content(t, p)
			delete(files, "go.sum")
			if got := strings.Join(slices.Sorted(maps.Keys(files)), " "); got != c.files {
				t.Errorf("files %q; want %q", got, c.files)
			}
			_, err := artifact.Build(p.Files)
			must(t, err)
		})
	}
}

func TestLinkThatTakesAFilesPlaceLeadsNowhere(t *testing.T) {
	t.Parallel()
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(filepath.Join(dir, "a.go"), nil, 0o600))
	must(t, os.WriteFile(other, []byte("secret"), 0o600))
	d, err := readDirectory(dir)
	must(t, err)
	files := d.files(newLocation("corp.example/mod", ".", nil))
	must(t, os.Remove(filepath.Join(dir, "a.go")))
	must(t, os.Symlink(other, filepath.Join(dir, "a.go")))
	if f, err := files[0].Open(); err == nil || !strings.Contains(err.Error(), "escapes from parent") {
		f.Close()
		t.Error("the file behind the link was opened")
	}
}

func TestFilesThatAreTooLarge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "go.mod"), nil, 0o600))
	must(t, os.Truncate(filepath.Join(dir, "go.mod"), modzip.MaxGoMod+1))
	refused(t, Options{Dir: dir, Version: "v1.0.0"}, artifact.ErrLimit, "more than 16777216 bytes")
	must(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module corp.example/mod\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "large"), nil, 0o600))
	must(t, os.Truncate(filepath.Join(dir, "large"), modzip.MaxZipFile+1))
	refused(t, Options{Dir: dir, Version: "v1.0.0"}, nil, "module source tree too large")
}

func TestDirectoryIsTheSameAsItsCommit(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := b.checkout(goMod, code, "+d/x.txt x", "+vendor/a/a.go package a", "@l a.go", ".", "tag v1.0.0")
	want := b.download("corp.example/mod.git@v1.0.0")
	plain := filepath.Join(b.dir, "plain")
	b.do(b.dir, "clone -q mod plain")
	must(t, os.RemoveAll(filepath.Join(plain, ".git")))
	a, err := artifact.Build(packed(t, Options{Dir: plain, Version: "v1.0.0"}).Files)
	must(t, err)
	if a.Manifest.Sum != want.Sum {
		t.Errorf("sum %s; the go command has %s", a.Manifest.Sum, want.Sum)
	}
	a, err = artifact.Build(packed(t, Options{Dir: dir, Version: "v1.0.1"}).Files)
	must(t, err)
	other := content(t, packed(t, Options{Dir: dir, Version: "v1.0.0"}))
	if got := content(t, packed(t, Options{Dir: dir, Version: "v1.0.1"})); !maps.Equal(got, other) || a.Manifest.Sum == want.Sum {
		t.Errorf("the next version has %v; want %v", got, other)
	}
}

func TestVersionThatHasNoTag(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := b.checkout(goMod, code, subMod, "+LICENSE x", ".", "tag v1.0.0", "+b.go package a", ".")
	head := b.git(dir, "rev-parse", "HEAD")
	p := packed(t, Options{Dir: dir, Version: "v1.1.0"})
	want := `{"Version":"v1.1.0","Time":"2024-05-01T10:00:04Z","Origin":{"VCS":"git","URL":"https://corp.example/mod","Hash":"` + head + `"}}`
	if string(p.Files.Info) != want {
		t.Errorf(".info is\n%s\nwant\n%s", p.Files.Info, want)
	}
	notes(t, p, "there is no tag v1.1.0", head[:12])
	p = packed(t, Options{Dir: filepath.Join(dir, "sub"), Version: "v1.0.0", Revision: "v1.0.0"})
	notes(t, p, "there is no tag sub/v1.0.0")
	b.do(dir, "rm -q --cached -r sub", "commit -q -m x", "tag v1.3.0", ".")
	for _, version := range []string{"v1.0.0", "v1.3.0"} { // the root's tags, with and without a sub below it
		p = packed(t, Options{Dir: dir, Module: "corp.example/mod.git/sub", Version: version})
		notes(t, p, "there is no tag sub/"+version)
	}
	b.do(dir, "tag v1.1.0 "+head, "tag sub/v1.0.0 "+head)
	equal(t, packed(t, Options{Dir: dir, Version: "v1.1.0"}), b.download("corp.example/mod.git@v1.1.0"))
}

func TestFileWithConflictsIsPackedOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := b.checkout(goMod, "+a.go package a", ".")
	b.do(dir, "checkout -q -b other", "+a.go package other", ".", "checkout -q -", "+a.go package ours", ".")
	merge := exec.Command("git", "merge", "-q", "other")
	merge.Dir, merge.Env = dir, b.env
	if err := merge.Run(); err == nil {
		t.Fatal("there is no conflict")
	}
	p := packed(t, Options{Dir: dir, Version: "v1.1.0", AllowDirty: true})
	if got := content(t, p); !strings.Contains(got["a.go"], "<<<<<<<") {
		t.Errorf("files %v", got)
	}
}

func TestUncommittedChangesThatAreAllowed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := b.checkout(goMod, code, "+gone.go package a", "+.gitignore .env", subMod, "+LICENSE free", ".", "tag v1.0.0",
		`+a.go package changed\n`, "+new.go package a", "+.env SECRET=1", "-gone.go", "@l a.go", "+sub/s.go package sub", "add new.go")
	b.do(dir, "init -q lib", "config status.relativePaths false")
	b.write(dir, "lib/x.go", "package lib\n")

	p := packed(t, Options{Dir: dir, Version: "v1.1.0", AllowDirty: true})
	want := map[string]string{".gitignore": ".env", "LICENSE": "free", "a.go": "package changed\n", "go.mod": "module corp.example/mod.git\n\ngo 1.24\n", "new.go": "package a"}
	if got := content(t, p); !maps.Equal(got, want) {
		t.Errorf("files %v; want %v", got, want)
	}
	if want := `{"Version":"v1.1.0","Origin":{"VCS":"git","URL":"https://corp.example/mod"}}`; string(p.Files.Info) != want {
		t.Errorf(".info is %s; want %s", p.Files.Info, want)
	}
	notes(t, p, "no commit has this")

	p = packed(t, Options{Dir: filepath.Join(dir, "sub"), Version: "v1.1.0", AllowDirty: true})
	want = map[string]string{"LICENSE": "free", "go.mod": "module corp.example/mod.git/sub\n\ngo 1.24\n", "s.go": "package sub"}
	if got := content(t, p); !maps.Equal(got, want) {
		t.Errorf("files of the nested module %v; want %v", got, want)
	}

	// A tag, and a pseudo-version, say which commit they mean.
	p = packed(t, Options{Dir: dir, Version: "v1.0.0", AllowDirty: true})
	notes(t, p, "the uncommitted changes are not in it")
	b.do(dir, "commit -q --allow-empty -m x")
	p = packed(t, Options{Dir: dir, AllowDirty: true})
	notes(t, p, "the uncommitted changes are not in it", "stands for commit")
}

func TestSubmodulesAndWhatGitIgnoresAreNotPackaged(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	lib := b.checkoutAs("lib", `+go.mod module corp.example/mod.git/lib\n`, ".")
	dir := b.checkout(goMod, "+.gitignore ign", `+ign/go.mod module corp.example/mod.git/ign\n`, ".", "-c protocol.file.allow=always submodule add -q "+lib+" lib", ".", code)
	for _, name := range []string{"ign", "lib"} {
		refused(t, Options{Dir: dir, Module: "corp.example/mod.git/" + name, Version: "v1.0.0", AllowDirty: true}, ErrNoModule, "there is no corp.example/mod.git/"+name, "go.mod (corp.example/mod.git)")
	}
	b.write(dir, "lib/a.go", "package lib")
	p := packed(t, Options{Dir: filepath.Join(dir, "lib"), Version: "v1.0.0", AllowDirty: true})
	if got := slices.Sorted(maps.Keys(content(t, p))); !slices.Equal(got, []string{"a.go", "go.mod"}) {
		t.Errorf("files of the submodule %q", got)
	}
	b.do(dir, "-a.go")
	refused(t, Options{Dir: filepath.Join(dir, "ign")}, ErrNoModule, "ign/go.mod", "git ignores")
	refused(t, Options{Dir: filepath.Join(dir, "ign"), Version: "v1.0.0"}, ErrNoModule, "git ignores")
}

func TestNotesSayWhatIsNotExpected(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := b.checkout(goMod+`replace corp.example/x => ../x\nreplace corp.example/y => ../y\n`, code, "@l a.go", ".", "tag v1.0.0")
	notes(t, packed(t, Options{Dir: dir}), "go.mod replaces corp.example/x (and 2 in all)")
	dir = b.checkoutAs("legacy", code, ".", "tag v1.0.0")
	notes(t, packed(t, Options{Dir: dir, Module: "corp.example/legacy"}), "there is no go.mod")
	dir = b.checkoutAs("calm", goMod, code, ".", "tag v1.0.0")
	if p := packed(t, Options{Dir: dir}); len(p.Notes) > 0 {
		t.Errorf("notes %q; want none", p.Notes)
	}
}

func notes(t *testing.T, p *Package, want ...string) {
	t.Helper()
	all := strings.Join(p.Notes, "\n")
	for _, w := range want {
		if !strings.Contains(all, w) {
			t.Errorf("notes %q lack %q", all, w)
		}
	}
}
