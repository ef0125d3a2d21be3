package gitsource

import (
	"archive/zip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact"
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
			b := newBench(t).isolate()
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

// TestAnyFormOfRepository is about repositories that are not the plain one that git init makes.
func TestAnyFormOfRepository(t *testing.T) {
	b := newBench(t).isolate()
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
	b := newBench(t).isolate()
	b.env = append(b.env, "GIT_DEFAULT_HASH=sha256")
	dir := b.checkout(goMod, code, ".", "tag v1.0.0", subMod, ".")
	equal(t, packed(t, Options{Dir: dir, Version: "v1.0.0"}), b.download("corp.example/mod.git@v1.0.0"))
	equal(t, packed(t, Options{Dir: dir}), b.download("corp.example/mod.git@main"))
}

func TestRevisions(t *testing.T) {
	b := newBench(t).isolate()
	dir := b.checkout(goMod, ".", "tag v1.0.0", code, ".", "branch v1.0.0", "branch both", "tag both HEAD~1", "update-ref refs/remotes/origin/next HEAD~1", "update-ref ORIG_HEAD HEAD~1")
	first, head := b.git(dir, "rev-parse", "HEAD~1"), b.git(dir, "rev-parse", "HEAD")
	for rev, want := range map[string]struct{ commit, public string }{
		"HEAD": {head, ""}, "main": {head, "main"}, "HEAD~1": {first, ""}, "main~1": {first, ""}, "main@{0}": {head, ""}, "@": {head, ""},
		"origin/next": {first, ""}, "v1.0.0": {first, "v1.0.0"}, "v1.0.0^{}": {first, ""}, "both": {first, "both"}, "ORIG_HEAD": {first, ""},
		head: {head, head}, head[:7]: {head, head}, head[:5]: {head, head}, first[:12]: {first, first}, "refs/heads/v1.0.0": {head, ""},
	} {
		p := packed(t, Options{Dir: dir, Revision: rev})
		if !strings.Contains(string(p.Files.Info), want.commit) || p.Revision != want.public {
			t.Errorf("%s is %s, called %q; want %+v", rev, p.Files.Info, p.Revision, want)
		}
	}
	for rev, public := range map[string]string{"": "", "both": "both", "HEAD~1": "", first: first} {
		if p := packed(t, Options{Dir: dir, Version: "v1.0.0", Revision: rev}); p.Revision != public {
			t.Errorf("%s of a version is called %q; want %q", rev, p.Revision, public)
		}
	}
}

func TestHooksAndReplacementsDoNotLeadElsewhere(t *testing.T) {
	b := newBench(t).isolate()
	dir := b.checkout(goMod, code, ".", "tag v1.0.0", "+a.go package changed", ".", "replace HEAD~1 HEAD")
	other := b.checkoutAs("other", `+go.mod module corp.example/other\n`, ".")
	t.Setenv("GIT_DIR", filepath.Join(other, ".git"))
	t.Setenv("GIT_WORK_TREE", other)
	t.Setenv("GIT_INDEX_FILE", filepath.Join(other, ".git", "index"))
	b.env = append(b.env, "GIT_NO_REPLACE_OBJECTS=") // of the go command's clone
	equal(t, packed(t, Options{Dir: dir, Version: "v1.0.0"}), b.download("corp.example/mod.git@v1.0.0"))
}

func TestGraftsDoNotChangeTheHistory(t *testing.T) {
	b := newBench(t).isolate()
	dir := b.checkout(goMod, ".", "tag v1.0.0", code, ".")
	b.write(dir, ".git/info/grafts", b.git(dir, "rev-parse", "HEAD"))
	equal(t, packed(t, Options{Dir: dir}), b.download("corp.example/mod.git@main"))
}

func TestConfigurationOfTheUserCountsAsForTheGoCommand(t *testing.T) {
	b := newBench(t).isolate()
	b.git(b.home, "config", "--global", "filter.up.smudge", "tr a-z A-Z")
	b.git(b.home, "config", "--global", "core.autocrlf", "true")
	dir := b.checkout(goMod, "+b.txt small", `+c.md a\nb\n`, `+d.md a\n`, `+.gitattributes *.txt filter=up\nc.md text\n`, ".", "tag v1.0.0")
	p := packed(t, Options{Dir: dir, Version: "v1.0.0"})
	equal(t, p, b.download("corp.example/mod.git@v1.0.0"))
	if got := content(t, p); got["b.txt"] != "SMALL" || got["c.md"] != "a\nb\n" {
		t.Errorf("files %q", got)
	}
}

// The filter here does what that of Git LFS does with lfs.storage.
func TestLargeFilesOfTheRepositoryAreFound(t *testing.T) {
	b := newBench(t).isolate()
	b.git(b.home, "config", "--global", "filter.lfs.smudge", `cat "$(git config lfs.storage)/$(cat)"`)
	dir := b.checkout(goMod, "+b.bin object", "+.gitattributes *.bin filter=lfs", "+.git/lfs/object large", ".", "tag v1.0.0")
	if got := content(t, packed(t, Options{Dir: dir, Version: "v1.0.0"}))["b.bin"]; got != "large" {
		t.Errorf("b.bin is %q", got)
	}
}

func TestShallowCloneHasNoPseudoVersions(t *testing.T) {
	b := newBench(t).isolate()
	dir := b.checkout(goMod, ".", "tag v1.0.0", code, ".", "tag v1.1.0", "+b.go package a", ".")
	b.do(dir, "clone -q --depth=1 file://"+dir+" ../shallow")
	shallow := filepath.Join(b.dir, "shallow")
	refused(t, Options{Dir: shallow}, ErrShallow, "git fetch --unshallow --tags")
	refused(t, Options{Dir: shallow, Version: "v1.1.0"}, ErrShallow, "tag v1.1.0", "git fetch --tags")
	packed(t, Options{Dir: shallow, Version: "v1.2.0", Revision: "HEAD"})
	b.do(shallow, "fetch -q --depth=2 --tags", "fetch -q --unshallow")
	equal(t, withURL(packed(t, Options{Dir: shallow, Revision: "HEAD"})), b.download("corp.example/mod.git@main"))
}

func TestCloneWithoutTagsDoesNotKnowVersions(t *testing.T) {
	b := newBench(t).isolate()
	dir := b.checkout(goMod, ".", "tag v1.0.0", code, ".")
	b.do(dir, "clone -q --no-tags file://"+dir+" ../tagless")
	tagless := filepath.Join(b.dir, "tagless")
	refused(t, Options{Dir: tagless, Version: "v1.0.0"}, ErrNoTags, "git fetch --tags", "tag v1.0.0", "remote.origin.tagOpt")
	refused(t, Options{Dir: tagless}, ErrNoTags, "git fetch --tags")
	packed(t, Options{Dir: tagless, Version: "v1.1.0", Revision: "HEAD"})
	b.do(tagless, "remote rename origin upstream")
	refused(t, Options{Dir: tagless, Version: "v1.1.0"}, ErrNoTags, "remote.upstream.tagOpt")
	b.do(tagless, "config --unset remote.upstream.tagOpt", "fetch -q --tags")
	equal(t, withURL(packed(t, Options{Dir: tagless})), b.download("corp.example/mod.git@main"))
}

// withURL puts the URL in that a clone of a local directory has not.
func withURL(p *Package) *Package {
	p.Files.Info = []byte(strings.Replace(string(p.Files.Info), `"VCS":"git",`, `"VCS":"git","URL":"https://corp.example/mod",`, 1))
	return p
}

func TestUntrustedRepositoryIsNotTakenForADirectory(t *testing.T) {
	b := newBench(t).isolate()
	dir := b.checkout(goMod, ".")
	t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
	refused(t, Options{Dir: dir, Version: "v1.0.0"}, nil, "dubious ownership")
}

func TestWithoutGit(t *testing.T) {
	b := newBench(t).isolate()
	dir := b.checkout(goMod, ".")
	t.Setenv("PATH", b.home)
	refused(t, Options{Dir: dir, Version: "v1.0.0"}, nil, "git is needed")
	b.write(b.dir, "plain/go.mod", "module corp.example/plain\n")
	packed(t, Options{Dir: filepath.Join(b.dir, "plain"), Version: "v1.0.0"})
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
	b := newBench(t).isolate()
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
	refused(t, Options{Dir: dir, TempDir: temp}, nil)
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestLimitedWriterStopsTheCommand(t *testing.T) {
	b := newBench(t).isolate()
	g, err := newGit("", b.checkout("+big "+strings.Repeat("x", 1<<16), "."))
	must(t, err)
	if _, err := g.ask(t.Context(), "", 1000, "show", "HEAD:big"); !errors.Is(err, artifact.ErrLimit) {
		t.Errorf("got %v; want ErrLimit", err)
	}
}
