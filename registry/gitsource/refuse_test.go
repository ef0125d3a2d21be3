package gitsource

import (
	"errors"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestRefusesWhatTheGoCommandRefuses asks the go command as well, so that nothing is refused for no reason.
func TestRefusesWhatTheGoCommandRefuses(t *testing.T) {
	newBench(t).isolate()
	const sub2 = `+sub/v2/go.mod module corp.example/mod.git/sub/v2\n`
	const lib = "corp.example/mod.git"
	for _, c := range []struct {
		name  string
		steps []string
		query string
		o     Options
		want  error
		says  string
	}{
		{"v2 without /v2", []string{goMod, ".", "tag v2.0.0"}, "@v2.0.0", Options{Version: "v2.0.0"}, ErrVersion, "corp.example/mod.git/v2"},
		{"v2 without /v2, as revision", []string{goMod, ".", "tag v2.0.0"}, "@v2.0.0", Options{Revision: "v2.0.0"}, ErrVersion, "corp.example/mod.git/v2"},
		{"nested v2 without /v2", []string{subMod, ".", "tag sub/v2.0.0"}, "/sub@v2.0.0", Options{Dir: "sub", Version: "v2.0.0"}, ErrVersion, "sub/v2"},
		{"v1 of a /v2", []string{goMod2, ".", "tag v1.0.0"}, "/v2@v1.0.0", Options{Version: "v1.0.0"}, ErrVersion, "/v2"},
		{"v3 of a /v2", []string{goMod2, ".", "tag v3.0.0"}, "/v2@v3.0.0", Options{Version: "v3.0.0"}, ErrVersion, "/v2"},
		{"incompatible with go.mod", []string{goMod, ".", "tag v2.0.0"}, "@v2.0.0+incompatible", Options{Version: "v2.0.0+incompatible"}, ErrVersion, "from v2 on"},
		{"incompatible v1", []string{code, ".", "tag v1.0.0"}, "@v1.0.0+incompatible", Options{Module: lib, Version: "v1.0.0+incompatible"}, ErrVersion, "is compatible"},
		{"incompatible beside v2/go.mod, not asked for", []string{code, `+v2/go.mod module corp.example/mod.git/v2\n`, ".", "tag v2.0.0"}, "@v2.0.0", Options{Module: lib, Version: "v2.0.0"}, ErrVersion, "from v2 on"},
		{"short version", []string{goMod, ".", "tag v1.0"}, "@v1.0", Options{Version: "v1.0"}, ErrVersion, "canonical"},
		{"metadata", []string{goMod, ".", "tag v1.0.0+meta"}, "@v1.0.0+other", Options{Version: "v1.0.0+other"}, ErrVersion, "canonical"},
		{"both places of v2", []string{goMod2, `+v2/go.mod module corp.example/mod.git/v2\n`, ".", "tag v2.0.0"}, "/v2@v2.0.0", Options{Version: "v2.0.0"}, ErrNoModule, "v2/go.mod"},
		{"both places of v2, from the directory", []string{goMod2, `+v2/go.mod module corp.example/mod.git/v2\n`, ".", "tag v2.0.0"}, "/v2@v2.0.0", Options{Dir: "v2", Version: "v2.0.0"}, ErrNoModule, "besides v2/go.mod"},
		{"both places of v2, by path", []string{goMod2, `+v2/go.mod module corp.example/mod.git/v2\n`, ".", "tag v2.0.0"}, "/v2@v2.0.0", Options{Module: lib + "/v2", Version: "v2.0.0"}, ErrNoModule, "both declare"},
		{"v2 directory of another module", []string{goMod2, `+v2/go.mod module corp.example/other\n`, ".", "tag v2.0.0"}, "/v2@v2.0.0", Options{Version: "v2.0.0"}, ErrNoModule, "corp.example/other"},
		{"no go.mod in a directory", []string{goMod, subGo, ".", "tag sub/v1.0.0"}, "/sub@v1.0.0", Options{Dir: "sub", Version: "v1.0.0"}, ErrNoModule, "sub/go.mod"},
		{"no go.mod and /v2", []string{code, ".", "tag v2.0.0"}, "/v2@v2.0.0", Options{Module: lib + "/v2", Version: "v2.0.0"}, ErrNoModule, "/v2"},
		{"go.mod without a path", []string{`+go.mod go 1.24\n`, ".", "tag v1.0.0"}, "@v1.0.0", Options{Version: "v1.0.0"}, ErrNoModule, "no module path"},
		{"tag with the directory's v2", []string{subMod, sub2, ".", "tag sub/v2/v2.0.0"}, "/sub/v2@v2.0.0", Options{Dir: "sub/v2", Version: "v2.0.0"}, ErrVersion, `"sub/"`},
		{"unknown revision", []string{goMod, "."}, "@nothing", Options{Revision: "nothing"}, ErrRevision, "nothing"},
		{"unknown hash", []string{goMod, "."}, "@1234567890ab", Options{Revision: "1234567890ab"}, ErrRevision, "1234567890ab"},
		{"tag of no commit", []string{goMod, ".", "tag v1.0.0 HEAD:go.mod"}, "@v1.0.0", Options{Revision: "v1.0.0"}, ErrRevision, "v1.0.0"},
		{"nested with a tag that looks like a pseudo-version", []string{subMod, ".", "tag sub/v0.0.0-20200101000000-abcdefabcdef"}, "/sub@main", Options{Dir: "sub"}, ErrVersion, "pseudo-version"},
		{"version's tag of no commit", []string{goMod, ".", "tag v1.0.0 HEAD:go.mod"}, "@v1.0.0", Options{Version: "v1.0.0"}, ErrRevision, "is no commit"},
		{"version's tag of a tree", []string{goMod, ".", "tag v1.0.0 HEAD^{tree}"}, "@v1.0.0", Options{Version: "v1.0.0"}, ErrRevision, "is no commit"},
		{"names that differ by case", []string{goMod, "+a.txt x", "+A.txt x", ".", "tag v1.0.0"}, "@v1.0.0", Options{}, nil, "case-insensitive"},
		{"name that no system takes", []string{goMod, "+con.txt x", "+aux x", ".", "tag v1.0.0"}, "@v1.0.0", Options{}, nil, "aux"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			c.o.Dir = filepath.Join(b.checkout(c.steps...), filepath.FromSlash(c.o.Dir))
			if d := b.download(lib + c.query); d.Error == "" {
				t.Errorf("the go command takes %s%s", lib, c.query)
			}
			refused(t, c.o, c.want, c.says)
		})
	}
}

// TestRefusesWhatNobodyCouldUse is about what the go command has no occasion to see.
func TestRefusesWhatNobodyCouldUse(t *testing.T) {
	newBench(t).isolate()
	for _, c := range []struct {
		name  string
		steps []string
		o     Options
		want  error
		says  string
	}{
		{"misspelt module below a root without one", []string{`+tools/lint/go.mod module corp.example/mono/tools/lint\n`, "."}, Options{Module: "corp.example/mono/tool/lint", Version: "v0.3.0"}, ErrNoModule, "tools/lint/go.mod"},
		{"misspelt root", []string{`+tools/lint/go.mod module corp.example/mono/tools/lint\n`, "."}, Options{Module: "corp.example/mon"}, ErrNoModule, "tools/lint/go.mod"},
		{"misspelt module, with changes", []string{`+tools/lint/go.mod module corp.example/mono/tools/lint\n`, ".", code}, Options{Module: "corp.example/mono/tool/lint", Version: "v0.3.0", AllowDirty: true}, ErrNoModule, "tools/lint/go.mod"},
		{"misspelt module beside a broken one", []string{`+tools/lint/go.mod module\n`, "."}, Options{Module: "corp.example/mono/tool/lint"}, ErrNoModule, "tools/lint/go.mod"},
		{"no go.mod below the repository's path", []string{code, "."}, Options{Module: "corp.example/mod/sub"}, ErrNoModule, "https://corp.example/mod"},
		{"no go.mod below the repository's path with .git", []string{code, ".", "remote set-url origin git@corp.example:x/mod.git"}, Options{Module: "corp.example/x/mod/sub"}, ErrNoModule, "ssh://corp.example/x/mod.git"},
		{"go.mod that gets carriage returns", []string{goMod, "+.gitattributes * text eol=crlf", "."}, Options{}, ErrAttributes, "go.mod -text"},
		{"nested go.mod that gets carriage returns", []string{subMod, "+.gitattributes * text eol=crlf", "."}, Options{Dir: "sub"}, ErrAttributes, "sub/go.mod"},
		{"no commits", []string{goMod}, Options{AllowDirty: true}, ErrRevision, "nothing is committed"},
		{"module path of another directory", []string{`+sub/go.mod module corp.example/other\n`, "."}, Options{Dir: "sub"}, ErrNoModule, "go-import"},
		{"other module than named", []string{goMod, "."}, Options{Module: "corp.example/other"}, ErrNoModule, "corp.example/mod.git"},
		{"no path named, no go.mod", []string{code, "."}, Options{}, ErrNoModule, "needs its path given"},
		{"go.mod that does not parse", []string{`+go.mod module corp.example/mod.git\nrequire\n`, "."}, Options{}, ErrNoModule, "go.mod:2"},
		{"path that is none", []string{`+go.mod module mod\n`, "."}, Options{}, ErrNoModule, "missing dot"},
		{"gopkg.in in a directory", []string{`+yaml/go.mod module gopkg.in/yaml.v2\n`, "."}, Options{Dir: "yaml"}, ErrNoModule, "gopkg.in/yaml.v2"},
		{"gopkg.in of another version", []string{`+go.mod module gopkg.in/yaml.v2\n`, ".", "tag v3.0.0"}, Options{Version: "v3.0.0"}, ErrVersion, ".v2"},
		{"go.mod not committed", []string{code, ".", goMod}, Options{Revision: "HEAD"}, ErrNoModule, "no go.mod"},
		{"version's tag elsewhere than the revision", []string{goMod, ".", "tag v1.0.0", "."}, Options{Version: "v1.0.0", Revision: "main"}, ErrVersion, "tag v1.0.0 is on commit"},
		{"option as revision", []string{goMod, "."}, Options{Revision: "--all"}, ErrRevision, "--all"},
		{"range as revision", []string{goMod, ".", "."}, Options{Revision: "HEAD~1..HEAD"}, ErrRevision, "HEAD~1..HEAD"},
		{"changes", []string{goMod, ".", `+go.mod module x\n`}, Options{}, ErrDirty, "go.mod"},
		{"changes beside a tag", []string{goMod, ".", "tag v1.0.0", `+go.mod module x\n`}, Options{Version: "v1.0.0"}, ErrDirty, "go.mod"},
		{"new file", []string{goMod, ".", code}, Options{}, ErrDirty, "a.go"},
		{"new file, hidden by configuration", []string{goMod, ".", code, "config status.showUntrackedFiles no"}, Options{}, ErrDirty, "a.go"},
		{"removed file", []string{goMod, code, ".", "-a.go"}, Options{}, ErrDirty, "a.go"},
		{"staged changes", []string{goMod, ".", code, "add ."}, Options{Version: "v1.0.0"}, ErrDirty, "a.go"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.o.Dir = filepath.Join(newBench(t).checkout(c.steps...), filepath.FromSlash(c.o.Dir))
			refused(t, c.o, c.want, c.says)
		})
	}
}

func TestCommitOfAFarYearIsRefused(t *testing.T) {
	b := newBench(t).isolate()
	dir := b.checkout(goMod, ".")
	cmd := exec.Command("git", "commit", "--quiet", "--allow-empty", "-m", "far")
	cmd.Dir = dir
	cmd.Env = append(b.env, "PWD="+dir, "GIT_COMMITTER_DATE=@253402300800 +0000")
	must(t, cmd.Run())
	b.do(dir, "tag v1.0.0")
	refused(t, Options{Dir: dir}, ErrVersion, "year 10000")
}

func TestChecksPseudoVersionsAsTheGoCommandDoes(t *testing.T) {
	b := newBench(t).isolate()
	dir := b.checkout(goMod, ".", "tag v1.0.0", code, ".", "+b.go package a", ".", "tag v1.4.0")
	const path = "corp.example/mod.git"
	hash := b.git(dir, "rev-parse", "HEAD~1")[:12]
	time := b.git(dir, "log", "-n1", "--date=format-local:%Y%m%d%H%M%S", "--format=%cd", "HEAD~1")
	for _, c := range []struct{ version, says string }{
		{"v1.0.1-0." + time + "-" + hash, ""},
		{"v0.0.0-" + time + "-" + hash, ""},
		{"v1.0.0-" + time + "-" + hash, "v0"},
		{"v1.0.1-0.20200101000000-" + hash, "the time of commit"},
		{"v1.4.1-0." + time + "-" + hash, "not behind"},
		{"v1.3.1-0." + time + "-" + hash, "no tag v1.3.0"},
		{"v1.0.1-0." + time + "-" + hash[:11], "must end in"},
		{"v1.0.1-0." + time + "-123456789012", "no tag, branch or commit"},
		{"v2.0.0-" + time + "-" + hash, "from v2 on"},
	} {
		want := b.download(path + "@" + c.version)
		o := Options{Dir: dir, Version: c.version}
		if (want.Error != "") != (c.says != "") {
			t.Errorf("%s: the go command says %q", c.version, want.Error)
		}
		if c.says == "" {
			equal(t, packed(t, o), want)
			continue
		}
		_, err := Pack(t.Context(), o)
		if !errors.Is(err, ErrVersion) && !errors.Is(err, ErrRevision) {
			t.Errorf("%s: %v", c.version, err)
		}
		refused(t, o, nil, c.says)
	}
	// The highest tag's own commit has a better name, and another revision is not what it stands for.
	head := "v1.0.1-0." + b.git(dir, "log", "-n1", "--date=format-local:%Y%m%d%H%M%S", "--format=%cd") + "-" + b.git(dir, "rev-parse", "HEAD")[:12]
	refused(t, Options{Dir: dir, Version: "v1.4.1-0" + head[len("v1.0.1-0"):]}, ErrVersion, "has the tag v1.4.0 itself")
	refused(t, Options{Dir: dir, Version: head, Revision: "HEAD~1"}, ErrVersion, "must end in "+hash)
}
