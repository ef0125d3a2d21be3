package gitsource

import (
	"archive/zip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWhereAMetaTagLeads is about module paths that do not say where the repository is.
func TestWhereAMetaTagLeads(t *testing.T) {
	for _, c := range []struct {
		name, meta string
		steps      []string
		query      string
		o          Options
	}{
		{"gopkg.in", "gopkg.in/yaml.v2 git https://corp.example/mod", []string{`+go.mod module gopkg.in/yaml.v2\n`, ".", "tag v2.1.0"}, "gopkg.in/yaml.v2@v2.1.0", Options{Version: "v2.1.0"}},
		{"gopkg.in, no go.mod", "gopkg.in/yaml.v2 git https://corp.example/mod", []string{code, ".", "tag v2.1.0"}, "gopkg.in/yaml.v2@v2.1.0", Options{Module: "gopkg.in/yaml.v2"}},
		{"gopkg.in, retraction elsewhere", "gopkg.in/yaml.v2 git https://corp.example/mod", []string{`+go.mod module gopkg.in/yaml.v2\n`, `+.v2/go.mod module gopkg.in/yaml.v2\nretract v2.1.0\n`, ".", "tag v2.1.0", code, "."}, "gopkg.in/yaml.v2@main", Options{}},
		{"gopkg.in, no tag", "gopkg.in/yaml.v2 git https://corp.example/mod", []string{`+go.mod module gopkg.in/yaml.v2\n`, ".", "tag v2.1.0", code, "."}, "gopkg.in/yaml.v2@main", Options{}},
		{"path of the root ends in /v2", "lib.example/x/v2 git https://corp.example/mod", []string{`+go.mod module lib.example/x/v2\n`, ".", "tag v2.1.0"}, "lib.example/x/v2@v2.1.0", Options{}},
		{"other name", "lib.example/x git https://corp.example/mod", []string{`+sub/go.mod module lib.example/x/sub\n`, subGo, ".", "tag sub/v1.1.0"}, "lib.example/x/sub@v1.1.0", Options{Dir: "sub"}},
		{"leads into a directory", "lib.example/x git https://corp.example/mod go/lib", []string{`+go/lib/go.mod module lib.example/x\n`, "+LICENSE x", ".", "tag go/lib/v1.1.0"}, "lib.example/x@v1.1.0", Options{Dir: "go/lib", Module: "lib.example/x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			c.o.Dir = filepath.Join(b.checkout(c.steps...), filepath.FromSlash(c.o.Dir))
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodConnect {
					http.Error(w, "no TLS here", http.StatusForbidden)
					return
				}
				_, _ = io.WriteString(w, `<meta name="go-import" content="`+c.meta+`">`)
			}))
			defer proxy.Close()
			want := b.download(c.query, "GOINSECURE=gopkg.in,lib.example", "HTTP_PROXY="+proxy.URL, "HTTPS_PROXY="+proxy.URL, "NO_PROXY=")
			equal(t, packed(t, c.o), want)
		})
	}
}

// The go command knows the addresses of some hosts, and does not ask for a meta tag.
func TestHostThatTheGoCommandKnows(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.env = append(b.env, "GIT_CONFIG_VALUE_0=https://github.com/ann/")
	dir := b.checkout(`+go.mod module github.com/ann/mod\n`, `+sub/go.mod module github.com/ann/mod/sub/v2\n`, "+LICENSE free", ".",
		"tag v1.0.0", "tag sub/v2.0.0", "config remote.origin.url https://github.com/ann/mod")
	equal(t, packed(t, Options{Dir: dir}), b.download("github.com/ann/mod@v1.0.0"))
	equal(t, packed(t, Options{Dir: filepath.Join(dir, "sub")}), b.download("github.com/ann/mod/sub/v2@v2.0.0"))
}

// Who has private repositories often has git ask for them in another way.
func TestUserWhoseGitGoesElsewhereForTheAddress(t *testing.T) {
	b := newUser(t, "url.ssh://git@corp.example/.insteadOf=https://corp.example/", "http.proxy=http://127.0.0.1:1")
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "filter.up.smudge")
	t.Setenv("GIT_CONFIG_VALUE_0", "tr a-z A-Z")
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("no_proxy", "*")
	dir := b.checkout(`+go.mod module corp.example/team/mod\n`, "+b.txt small", "+.gitattributes *.txt filter=up", ".", "tag v1.0.0")
	if got := content(t, packed(t, Options{Dir: dir}))["b.txt"]; got != "SMALL" {
		t.Errorf("b.txt is %q", got)
	}
}

// TestAnyFormOfRepository is about repositories that are not the plain one that git init makes.
func TestAnyFormOfRepository(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	main := b.checkout(goMod, code, "+.gitattributes a.go export-ignore", ".", "tag v1.0.0", "+b.go package a", ".")
	want := b.download("corp.example/mod.git@v1.0.0")
	b.do(main,
		"clone -q --shared . ../shared",
		"clone -q --shared ../shared ../shared-twice",
		"worktree add -q --detach ../linked",
		"clone -q --depth=1 --branch=v1.0.0 file://"+main+" ../shallow",
		"clone -q . ../packed",
		"clone -q --separate-git-dir=../elsewhere . ../apart")
	b.do(filepath.Join(b.dir, "packed"), "gc -q", "pack-refs --all")
	for _, name := range []string{"shared", "shared-twice", "linked", "shallow", "packed", "apart"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(b.dir, name)
			b.git(dir, "config", "remote.origin.url", "ssh://git@corp.example/mod?x=1#y")
			p := packed(t, Options{Dir: dir, Version: "v1.0.0"})
			p.Files.Info = []byte(strings.Replace(string(p.Files.Info), "ssh://", "https://", 1))
			equal(t, p, want)
		})
	}
}

func TestRepositoryWithSHA256(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.config = "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = sha256\n"
	dir := b.checkout(goMod, code, ".", "tag v1.0.0", subMod, ".")
	equal(t, packed(t, Options{Dir: dir, Version: "v1.0.0"}), b.download("corp.example/mod.git@v1.0.0"))
	equal(t, packed(t, Options{Dir: dir}), b.download("corp.example/mod.git@main"))
}

func TestRevisions(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := b.checkout(goMod, ".", "tag v1.0.0", code, ".", "branch v1.0.0", "branch both", "tag both HEAD~1", "update-ref refs/remotes/origin/next HEAD~1", "update-ref ORIG_HEAD HEAD~1")
	first, head := b.git(dir, "rev-parse", "HEAD~1"), b.git(dir, "rev-parse", "HEAD")
	r, err := openRepo(t.Context(), dir)
	must(t, err)
	for rev, want := range map[string]revision{
		"HEAD": {hash: head}, "@": {hash: head}, "main@{0}": {hash: head}, "refs/heads/v1.0.0": {hash: head},
		"HEAD~1": {hash: first}, "main~1": {hash: first}, "origin/next": {hash: first}, "v1.0.0^{}": {hash: first}, "ORIG_HEAD": {hash: first},
		"main": {hash: head, public: "main"}, "v1.0.0": {first, "v1.0.0", "v1.0.0"}, "both": {first, "both", "both"},
		head: {hash: head, public: head}, head[:7]: {hash: head, public: head}, head[:5]: {hash: head, public: head}, first[:12]: {hash: first, public: first},
	} {
		if got, err := r.resolve(t.Context(), rev); err != nil || *got != want {
			t.Errorf("%s is %+v, %v; want %+v", rev, got, err, want)
		}
	}
	for rev, public := range map[string]string{"": "", "both": "both", "HEAD~1": "", first: first} {
		if p := packed(t, Options{Dir: dir, Version: "v1.0.0", Revision: rev}); p.Revision != public {
			t.Errorf("%s of a version is called %q; want %q", rev, p.Revision, public)
		}
	}
}

func TestHooksAndReplacementsDoNotLeadElsewhere(t *testing.T) {
	b := newBench(t)
	dir := b.checkout(goMod, code, ".", "tag v1.0.0", "+a.go package changed", ".", "replace HEAD~1 HEAD")
	other := b.checkoutAs("other", `+go.mod module corp.example/other\n`, ".")
	t.Setenv("GIT_DIR", filepath.Join(other, ".git"))
	t.Setenv("GIT_WORK_TREE", other)
	t.Setenv("GIT_INDEX_FILE", filepath.Join(other, ".git", "index"))
	b.env = append(b.env, "GIT_NO_REPLACE_OBJECTS=") // of the go command's clone
	equal(t, packed(t, Options{Dir: dir, Version: "v1.0.0"}), b.download("corp.example/mod.git@v1.0.0"))
}

func TestGraftsDoNotChangeTheHistory(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := b.checkout(goMod, ".", "tag v1.0.0", code, ".")
	b.write(dir, ".git/info/grafts", b.git(dir, "rev-parse", "HEAD"))
	equal(t, packed(t, Options{Dir: dir}), b.download("corp.example/mod.git@main"))
}

func TestConfigurationOfTheUserCountsAsForTheGoCommand(t *testing.T) {
	b := newUser(t, "filter.up.smudge=tr a-z A-Z", "core.autocrlf=true")
	dir := b.checkout(goMod, "+b.txt small", `+c.md a\nb\n`, `+d.md a\n`, `+.gitattributes *.txt filter=up\nc.md text\n`, ".", "tag v1.0.0")
	p := packed(t, Options{Dir: dir, Version: "v1.0.0"})
	equal(t, p, b.download("corp.example/mod.git@v1.0.0"))
	if got := content(t, p); got["b.txt"] != "SMALL" || got["c.md"] != "a\nb\n" {
		t.Errorf("files %q", got)
	}
}

// The filter here does what that of Git LFS does with lfs.storage.
func TestLargeFilesOfTheRepositoryAreFound(t *testing.T) {
	b := newUser(t, `filter.lfs.smudge=cat "$(git config lfs.storage)/$(cat)"`)
	dir := b.checkout(goMod, "+b.bin object", "+.gitattributes *.bin filter=lfs", "+.git/lfs/object large", ".", "tag v1.0.0")
	if got := content(t, packed(t, Options{Dir: dir, Version: "v1.0.0"}))["b.bin"]; got != "large" {
		t.Errorf("b.bin is %q", got)
	}
}

func TestShallowCloneHasNoPseudoVersions(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := b.checkout(goMod, ".", "tag v1.0.0", code, ".", "tag v1.1.0", "+b.go package a", ".")
	b.do(dir, "clone -q --depth=1 file://"+dir+" ../shallow")
	shallow := filepath.Join(b.dir, "shallow")
	refused(t, Options{Dir: shallow}, ErrShallow, "git fetch --unshallow --tags")
	refused(t, Options{Dir: shallow, Version: "v1.1.0"}, ErrShallow, "tag v1.1.0", "git fetch --unshallow --tags")
	packed(t, Options{Dir: shallow, Version: "v1.2.0", Revision: "HEAD"})
	b.do(shallow, "fetch -q --depth=2 --tags", "fetch -q --unshallow")
	equal(t, withURL(packed(t, Options{Dir: shallow, Revision: "HEAD"})), b.download("corp.example/mod.git@main"))
}

func TestCloneWithoutTagsDoesNotKnowVersions(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := b.checkout(goMod, ".", "tag v1.0.0", code, ".")
	b.do(dir, "clone -q --no-tags file://"+dir+" ../tagless")
	tagless := filepath.Join(b.dir, "tagless")
	refused(t, Options{Dir: tagless, Version: "v1.0.0"}, ErrNoTags, "git fetch --tags", "tag v1.0.0", "remote.origin.tagOpt")
	refused(t, Options{Dir: tagless}, ErrNoTags, "git fetch --tags")
	packed(t, Options{Dir: tagless, Version: "v1.1.0", Revision: "HEAD"})
	b.do(tagless, "config --unset remote.origin.tagOpt", "fetch -q --tags")
	equal(t, withURL(packed(t, Options{Dir: tagless})), b.download("corp.example/mod.git@main"))
}

// withURL puts the URL in that a clone of a local directory has not.
func withURL(p *Package) *Package {
	p.Files.Info = []byte(strings.Replace(string(p.Files.Info), `"VCS":"git",`, `"VCS":"git","URL":"https://corp.example/mod",`, 1))
	return p
}

func TestUntrustedRepositoryIsNotTakenForADirectory(t *testing.T) {
	b := newBench(t)
	dir := b.checkout(goMod, ".")
	t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
	refused(t, Options{Dir: dir, Version: "v1.0.0"}, nil, "dubious ownership")
}

func TestWithoutGit(t *testing.T) {
	b := newBench(t)
	dir := b.checkout(goMod, ".")
	b.write(b.dir, "plain/go.mod", "module corp.example/plain\n")
	t.Setenv("PATH", t.TempDir())
	refused(t, Options{Dir: dir, Version: "v1.0.0"}, exec.ErrNotFound, "git is needed")
	packed(t, Options{Dir: filepath.Join(b.dir, "plain"), Version: "v1.0.0"})
}

func TestWithoutGo(t *testing.T) {
	dir := newBench(t).checkout(goMod, ".")
	git, err := exec.LookPath("git")
	must(t, err)
	bin := t.TempDir()
	must(t, os.Symlink(git, filepath.Join(bin, "git")))
	t.Setenv("PATH", bin)
	refused(t, Options{Dir: dir}, exec.ErrNotFound, "takes the go command")
}

// A toolchain by the name that the go line of go.mod asks for is run; here it is one that says so.
func TestModuleThatNeedsANewerGo(t *testing.T) {
	dir := newBench(t).checkout(`+go.mod module corp.example/mod.git\n\ngo 1.99.1\n`, ".")
	t.Setenv("GOTOOLCHAIN", "local")
	refused(t, Options{Dir: dir}, nil, "go >= 1.99.1")
	bin := t.TempDir()
	for name, script := range map[string]string{
		"go1.99.1": "echo " + bin,
		"bin/go":   `echo '{"Error": "this is go1.99.1"}'; exit 1`,
	} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(bin, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	}
	t.Setenv("GOTOOLCHAIN", "path")
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	refused(t, Options{Dir: dir}, ErrRefused, "this is go1.99.1")
}

// content returns the files in the zip, by their names in the module.
func content(t *testing.T, p *Package) map[string]string {
	t.Helper()
	z, err := zip.OpenReader(p.Files.ZipFile)
	must(t, err)
	defer z.Close()
	files := make(map[string]string)
	for _, f := range z.File {
		name, ok := strings.CutPrefix(f.Name, p.Files.Module.Path+"@"+p.Files.Module.Version+"/")
		if !ok {
			t.Errorf("%s is outside of the module", f.Name)
		}
		r, err := f.Open()
		must(t, err)
		data, err := io.ReadAll(r)
		must(t, err)
		files[name] = string(data)
	}
	return files
}

func TestCloseRemovesEverything(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir, temp := b.checkout(goMod, code, ".", "tag v1.0.0"), t.TempDir()
	p, err := Pack(t.Context(), Options{Dir: dir, TempDir: temp})
	must(t, err)
	left, err := filepath.Glob(filepath.Join(temp, "*", "*"))
	must(t, err)
	if !slices.Equal(left, []string{p.Files.ZipFile}) {
		t.Errorf("beside the zip there is %v", left)
	}
	must(t, p.Close())
	b.do(dir, "+aux x", ".", "tag v1.1.0")
	refused(t, Options{Dir: dir, TempDir: temp}, ErrRefused, "aux")
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
