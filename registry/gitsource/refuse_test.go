package gitsource

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry/safetext"
)

// TestRefusesWhatTheGoCommandRefuses asks the go command as well, so that nothing is refused for no reason.
func TestRefusesWhatTheGoCommandRefuses(t *testing.T) {
	t.Parallel()
	const sub2 = `+sub/v2/go.mod module corp.example/mod.git/sub/v2\n`
	const lib = "corp.example/mod.git"
	cases := []struct {
		row
		want error
		says string // empty for what the go command says
	}{
		{row{"v2 without /v2", []string{goMod, ".", "tag v2.0.0"}, "@v2.0.0", Options{Version: "v2.0.0"}}, ErrRefused, ""},
		{row{"v2 without /v2, as revision", []string{goMod, ".", "tag v2.0.0"}, "@v2.0.0", Options{Revision: "v2.0.0"}}, ErrRefused, ""},
		{row{"nested v2 without /v2", []string{subMod, ".", "tag sub/v2.0.0"}, "/sub@v2.0.0", Options{Dir: "sub", Version: "v2.0.0"}}, ErrRefused, ""},
		{row{"v1 of a /v2", []string{goMod2, ".", "tag v1.0.0"}, "/v2@v1.0.0", Options{Version: "v1.0.0"}}, ErrRefused, ""},
		{row{"v3 of a /v2", []string{goMod2, ".", "tag v3.0.0"}, "/v2@v3.0.0", Options{Version: "v3.0.0"}}, ErrRefused, ""},
		{row{"incompatible with go.mod", []string{goMod, ".", "tag v2.0.0"}, "@v2.0.0+incompatible", Options{Version: "v2.0.0+incompatible"}}, ErrRefused, ""},
		{row{"incompatible v1", []string{code, ".", "tag v1.0.0"}, "@v1.0.0+incompatible", Options{Module: lib, Version: "v1.0.0+incompatible"}}, ErrRefused, ""},
		{row{"incompatible beside v2/go.mod, not asked for", []string{code, `+v2/go.mod module corp.example/mod.git/v2\n`, ".", "tag v2.0.0"}, "@v2.0.0", Options{Module: lib, Version: "v2.0.0"}}, ErrRefused, ""},
		{row{"short version", []string{goMod, ".", "tag v1.0"}, "@v1.0", Options{Version: "v1.0"}}, ErrVersion, "canonical"},
		{row{"metadata", []string{goMod, ".", "tag v1.0.0+meta"}, "@v1.0.0+other", Options{Version: "v1.0.0+other"}}, ErrVersion, "canonical"},
		{row{"both places of v2", []string{goMod2, `+v2/go.mod module corp.example/mod.git/v2\n`, ".", "tag v2.0.0"}, "/v2@v2.0.0", Options{Version: "v2.0.0"}}, ErrRefused, ""},
		{row{"both places of v2, from the directory", []string{goMod2, `+v2/go.mod module corp.example/mod.git/v2\n`, ".", "tag v2.0.0"}, "/v2@v2.0.0", Options{Dir: "v2", Version: "v2.0.0"}}, ErrRefused, ""},
		{row{"both places of v2, by path", []string{goMod2, `+v2/go.mod module corp.example/mod.git/v2\n`, ".", "tag v2.0.0"}, "/v2@v2.0.0", Options{Module: lib + "/v2", Version: "v2.0.0"}}, ErrNoModule, "both declare"},
		{row{"v2 directory of another module", []string{goMod2, `+v2/go.mod module corp.example/other\n`, ".", "tag v2.0.0"}, "/v2@v2.0.0", Options{Version: "v2.0.0"}}, ErrRefused, ""},
		{row{"no go.mod in a directory", []string{goMod, subGo, ".", "tag sub/v1.0.0"}, "/sub@v1.0.0", Options{Dir: "sub", Version: "v1.0.0"}}, ErrNoModule, "sub/go.mod"},
		{row{"no go.mod and /v2", []string{code, ".", "tag v2.0.0"}, "/v2@v2.0.0", Options{Module: lib + "/v2", Version: "v2.0.0"}}, ErrRefused, ""},
		{row{"go.mod without a path", []string{`+go.mod go 1.24\n`, ".", "tag v1.0.0"}, "@v1.0.0", Options{Version: "v1.0.0"}}, ErrNoModule, `malformed module path ""`},
		{row{"tag with the directory's v2", []string{subMod, sub2, ".", "tag sub/v2/v2.0.0"}, "/sub/v2@v2.0.0", Options{Dir: "sub/v2", Version: "v2.0.0"}}, ErrVersion, "that of corp.example/mod.git/sub/v2 in sub/v2/go.mod is sub/v2.0.0"},
		{row{"unknown revision", []string{goMod, "."}, "@nothing", Options{Revision: "nothing"}}, ErrRevision, "nothing"},
		{row{"unknown hash", []string{goMod, "."}, "@1234567890ab", Options{Revision: "1234567890ab"}}, ErrRevision, "1234567890ab"},
		{row{"tag of no commit", []string{goMod, ".", "tag v1.0.0 HEAD:go.mod"}, "@v1.0.0", Options{Revision: "v1.0.0"}}, ErrRevision, "v1.0.0"},
		{row{"nested with a tag that looks like a pseudo-version", []string{subMod, ".", "tag sub/v0.0.0-20200101000000-abcdefabcdef"}, "/sub@main", Options{Dir: "sub"}}, ErrRefused, ""},
		{row{"version's tag of no commit", []string{goMod, ".", "tag v1.0.0 HEAD:go.mod"}, "@v1.0.0", Options{Version: "v1.0.0"}}, ErrRevision, `"v1.0.0"`},
		{row{"version's tag of a tree", []string{goMod, ".", "tag v1.0.0 HEAD^{tree}"}, "@v1.0.0", Options{Version: "v1.0.0"}}, ErrRevision, `"v1.0.0"`},
		{row{"names that differ by case", []string{goMod, "+a.txt x", "+A.txt x", ".", "tag v1.0.0"}, "@v1.0.0", Options{}}, ErrRefused, ""},
		{row{"name that no system takes", []string{goMod, "+con.txt x", "+aux x", ".", "tag v1.0.0"}, "@v1.0.0", Options{}}, ErrRefused, ""},
	}
	rows := make([]row, len(cases))
	for i, c := range cases {
		rows[i] = c.row
	}
	for i, d := range newBench(t).prepare(rows) {
		c := cases[i]
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if d.Error == "" {
				t.Error("the go command takes it")
			}
			if c.want == ErrRefused {
				c.says = safetext.Lines([]byte(d.Error))
			}
			refused(t, rows[i].o, c.want, strings.ReplaceAll(c.says, "mod.git", fmt.Sprintf("mod%d.git", i)))
		})
	}
}

// TestRefusesWhatNobodyCouldUse is about what the go command has no occasion to see.
func TestRefusesWhatNobodyCouldUse(t *testing.T) {
	t.Parallel()
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
		{"no commits", []string{goMod}, Options{AllowDirty: true}, ErrRevision, "nothing that is committed"},
		{"module path of another directory", []string{`+sub/go.mod module corp.example/other\n`, "."}, Options{Dir: "sub"}, ErrNoModule, "go-import"},
		{"other module than named", []string{goMod, "."}, Options{Module: "corp.example/other"}, ErrNoModule, "corp.example/mod.git"},
		{"no path named, no go.mod", []string{code, "."}, Options{}, ErrNoModule, "needs its path given"},
		{"go.mod that does not parse", []string{`+go.mod module corp.example/mod.git\nrequire\n`, "."}, Options{}, ErrNoModule, "go.mod:2"},
		{"path that is none", []string{`+go.mod module mod\n`, "."}, Options{}, ErrNoModule, "missing dot"},
		{"gopkg.in in a directory", []string{`+yaml/go.mod module gopkg.in/yaml.v2\n`, "."}, Options{Dir: "yaml"}, ErrNoModule, "gopkg.in/yaml.v2"},
		{"gopkg.in of another version", []string{`+go.mod module gopkg.in/yaml.v2\n`, ".", "tag v3.0.0"}, Options{Version: "v3.0.0"}, ErrRefused, ""},
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

func TestChecksPseudoVersionsAsTheGoCommandDoes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := b.checkout(goMod, ".", "tag v1.0.0", code, ".", "+b.go package a", ".", "tag v1.4.0")
	describe := func(rev string) (time, hash string) {
		time, hash, _ = strings.Cut(b.git(dir, "log", "-n1", "--date=format-local:%Y%m%d%H%M%S", "--format=%cd %H", rev), " ")
		return time, hash[:12]
	}
	time, hash := describe("HEAD~1")
	headTime, head := describe("HEAD")
	for _, c := range []struct {
		name, version string
		want          error
	}{
		{"after the tag behind", "v1.0.1-0." + time + "-" + hash, nil},
		{"after no tag", "v0.0.0-" + time + "-" + hash, nil},
		{"v1 after no tag", "v1.0.0-" + time + "-" + hash, ErrRefused},
		{"another time", "v1.0.1-0.20200101000000-" + hash, ErrRefused},
		{"after a tag that is not behind", "v1.4.1-0." + time + "-" + hash, ErrRefused},
		{"after a tag that there is not", "v1.3.1-0." + time + "-" + hash, ErrRefused},
		{"the commit's own tag", "v1.4.1-0." + headTime + "-" + head, ErrRefused},
		{"short hash", "v1.0.1-0." + time + "-" + hash[:11], ErrRefused},
		{"unknown hash", "v1.0.1-0." + time + "-123456789012", ErrRevision},
		{"another major version", "v2.0.0-" + time + "-" + hash, ErrRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			own := *b
			own.env = append(slices.Clone(b.env), "GOMODCACHE="+t.TempDir())
			want := own.download("corp.example/mod.git@" + c.version)
			o := Options{Dir: dir, Version: c.version}
			switch c.want {
			case nil:
				equal(t, packed(t, o), want)
			case ErrRefused:
				refused(t, o, ErrRefused, safetext.Lines([]byte(want.Error)))
			default:
				refused(t, o, c.want, "123456789012")
			}
		})
	}
	refused(t, Options{Dir: dir, Version: "v1.0.1-0." + headTime + "-" + head, Revision: "HEAD~1"}, ErrVersion, "must end in "+hash)
}

// An artifact has one go.mod file; the go command has one beside the zip, as it was committed, and one within, as git writes it.
func TestGoModFileThatGitChangesMakesNoArtifact(t *testing.T) {
	t.Parallel()
	dir := newBench(t).checkout(goMod, subMod, "+.gitattributes * text eol=crlf", ".")
	for _, sub := range []string{".", "sub"} {
		_, err := artifact.Build(packed(t, Options{Dir: filepath.Join(dir, sub)}).Files)
		if !errors.Is(err, artifact.ErrCorrupt) || !strings.Contains(err.Error(), "go.mod file in the module zip differs") {
			t.Errorf("%s: %v", sub, err)
		}
	}
}
