package gitsource

import "testing"

const (
	goMod  = `+go.mod module corp.example/mod.git\n\ngo 1.24\n`
	goMod2 = `+go.mod module corp.example/mod.git/v2\n\ngo 1.24\n`
	subMod = `+sub/go.mod module corp.example/mod.git/sub\n\ngo 1.24\n`
	code   = `+a.go package a\n`
	subGo  = `+sub/a.go package sub\n`
)

// TestSameAsTheGoCommand compares, sum for sum and .info byte for byte, with what GOPROXY=direct
// gives for the same repository.
func TestSameAsTheGoCommand(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	rows := []row{
		// Tags.
		{"root", []string{goMod, code, ".", "tag v1.0.0"}, "@v1.0.0", Options{Version: "v1.0.0"}},
		{"annotated tag", []string{goMod, code, ".", "tag -a -m x v1.0.0"}, "@v1.0.0", Options{Version: "v1.0.0"}},
		{"tag of a tag", []string{goMod, code, ".", "tag -a -m x w", "tag -a -m x v1.0.0 w"}, "@v1.0.0", Options{Version: "v1.0.0"}},
		{"pre-release", []string{goMod, ".", "tag v1.0.0-rc.1"}, "@v1.0.0-rc.1", Options{Version: "v1.0.0-rc.1"}},
		{"old tag", []string{goMod, code, ".", "tag v1.0.0", `+a.go package b\n`, "."}, "@v1.0.0", Options{Version: "v1.0.0"}},
		{"tag that HEAD has", []string{goMod, code, ".", "tag v1.0.0"}, "@v1.0.0", Options{}},
		{"highest tag of a commit", []string{goMod, ".", "tag v1.0.0", "tag v1.2.0", "tag v1.10.0", "tag v1.10.0-rc.1"}, "@v1.10.0", Options{}},
		{"tag as revision", []string{goMod, ".", "tag v1.0.0", "tag v1.2.0"}, "@v1.0.0", Options{Revision: "v1.0.0"}},
		{"version of a branch's name", []string{goMod, ".", "tag v1.0.0", "branch v1.0.0"}, "@v1.0.0", Options{Version: "v1.0.0"}},
		{"executable and empty files", []string{goMod, "+empty ", `+run.sh #!/bin/sh\n`, "add run.sh", "update-index --chmod=+x run.sh", "."}, "@main", Options{}},

		// Nested modules.
		{"nested", []string{goMod, code, subMod, subGo, ".", "tag v1.0.0", "tag sub/v1.1.0"}, "/sub@v1.1.0", Options{Dir: "sub", Version: "v1.1.0"}},
		{"nested by its path", []string{goMod, subMod, subGo, ".", "tag sub/v1.1.0"}, "/sub@v1.1.0", Options{Module: "corp.example/mod.git/sub", Version: "v1.1.0"}},
		{"nested, licence of the root", []string{goMod, subMod, subGo, "+LICENSE free", ".", "tag sub/v1.1.0"}, "/sub@v1.1.0", Options{Dir: "sub"}},
		{"nested, licence of its own", []string{goMod, subMod, subGo, "+LICENSE free", "+sub/LICENSE own", ".", "tag sub/v1.1.0"}, "/sub@v1.1.0", Options{Dir: "sub"}},
		{"nested, licence is a link", []string{goMod, subMod, subGo, "+COPYING free", "@LICENSE COPYING", ".", "tag sub/v1.1.0"}, "/sub@v1.1.0", Options{Dir: "sub"}},
		{"nested, licence is a directory", []string{goMod, subMod, subGo, "+LICENSE/a free", ".", "tag sub/v1.1.0"}, "/sub@v1.1.0", Options{Dir: "sub"}},
		{"root without the nested one", []string{goMod, code, subMod, subGo, ".", "tag v1.0.0"}, "@v1.0.0", Options{}},
		{"nested by its path, root has the version's tag", []string{goMod, ".", "tag v1.1.0", subMod, subGo, ".", "tag v1.2.0", "tag sub/v1.1.0"}, "/sub@v1.1.0", Options{Module: "corp.example/mod.git/sub", Version: "v1.1.0"}},
		{"nested in a directory without a module", []string{`+x/y/go.mod module corp.example/mod.git/x/y\n`, "+x/a.go package x", ".", "tag x/y/v0.1.0"}, "/x/y@v0.1.0", Options{Dir: "x/y"}},
		{"nested in a nested one", []string{goMod, subMod, `+sub/in/go.mod module corp.example/mod.git/sub/in\n`, subGo, ".", "tag sub/v1.0.0", "tag sub/in/v1.0.1"}, "/sub/in@v1.0.1", Options{Dir: "sub", Module: "corp.example/mod.git/sub/in"}},
		{"tag of the root is not the nested one's", []string{goMod, subMod, ".", "tag v1.5.0"}, "/sub@main", Options{Dir: "sub"}},

		// Major versions.
		{"v2 on the branch", []string{goMod, ".", "tag v1.0.0", goMod2, ".", "tag v2.0.0"}, "/v2@v2.0.0", Options{Version: "v2.0.0"}},
		{"v1 from before v2", []string{goMod, ".", "tag v1.0.0", goMod2, ".", "tag v2.0.0"}, "@v1.0.0", Options{Version: "v1.0.0"}},
		{"v2 in its directory", []string{goMod, code, `+v2/go.mod module corp.example/mod.git/v2\n`, "+v2/a.go package a", "+LICENSE x", ".", "tag v2.0.0"}, "/v2@v2.0.0", Options{Dir: "v2", Version: "v2.0.0"}},
		{"v2 in its directory, found by HEAD", []string{goMod, `+v2/go.mod module corp.example/mod.git/v2\n`, ".", "tag v2.0.0", "tag v1.0.0"}, "/v2@v2.0.0", Options{Dir: "v2"}},
		{"v2 in its directory, by its path", []string{goMod, `+v2/go.mod module corp.example/mod.git/v2\n`, ".", "tag v2.0.0", "tag v1.0.0"}, "/v2@v2.0.0", Options{Module: "corp.example/mod.git/v2", Version: "v2.0.0"}},
		{"nested v2 on the branch", []string{`+sub/go.mod module corp.example/mod.git/sub/v2\n`, subGo, ".", "tag sub/v2.1.0"}, "/sub/v2@v2.1.0", Options{Dir: "sub", Version: "v2.1.0"}},
		{"nested v2 in its directory", []string{subMod, `+sub/v2/go.mod module corp.example/mod.git/sub/v2\n`, "+sub/v2/a.go package a", ".", "tag sub/v2.1.0"}, "/sub/v2@v2.1.0", Options{Dir: "sub/v2", Version: "v2.1.0"}},
		{"nested v2 by its path", []string{subMod, `+sub/v2/go.mod module corp.example/mod.git/sub/v2\n`, ".", "tag sub/v2.1.0"}, "/sub/v2@v2.1.0", Options{Module: "corp.example/mod.git/sub/v2", Version: "v2.1.0"}},
		{"v2 after v1 tags only", []string{goMod, ".", "tag v1.0.0", goMod2, "."}, "/v2@main", Options{}},
		{"v2 after its own tags", []string{goMod2, ".", "tag v2.3.0", code, ".", "tag v3.0.0", "+b.go package a", "."}, "/v2@main", Options{}},

		// Without go.mod.
		{"no go.mod", []string{code, ".", "tag v1.0.0"}, "@v1.0.0", Options{Module: "corp.example/mod.git", Version: "v1.0.0"}},
		{"no go.mod but in directories", []string{code, subMod, subGo, `+x/testdata/go.mod module y\n`, ".", "tag v1.0.0"}, "@v1.0.0", Options{Module: "corp.example/mod.git", Version: "v1.0.0"}},
		{"incompatible", []string{code, ".", "tag v2.0.0"}, "@v2.0.0+incompatible", Options{Module: "corp.example/mod.git", Version: "v2.0.0+incompatible"}},
		{"incompatible, not asked for", []string{code, ".", "tag v2.0.0"}, "@v2.0.0", Options{Module: "corp.example/mod.git", Version: "v2.0.0"}},
		{"incompatible by HEAD", []string{code, ".", "tag v2.0.0", "tag v1.0.0"}, "@v2.0.0+incompatible", Options{Module: "corp.example/mod.git"}},
		{"incompatible beside v2/go.mod", []string{code, `+v2/go.mod module corp.example/mod.git/v2\n`, ".", "tag v2.0.0"}, "@v2.0.0+incompatible", Options{Module: "corp.example/mod.git", Version: "v2.0.0+incompatible"}},
		{"after an incompatible one", []string{code, ".", "tag v2.0.0", "+b.go package a", "."}, "@main", Options{Module: "corp.example/mod.git"}},

		// Pseudo-versions.
		{"no tags", []string{goMod, code, "."}, "@main", Options{}},
		{"after a tag", []string{goMod, ".", "tag v1.0.0", code, "."}, "@main", Options{}},
		{"after a pre-release", []string{goMod, ".", "tag v1.1.0-rc.1", code, "."}, "@main", Options{}},
		{"after the highest tag", []string{goMod, ".", "tag v1.9.0", code, ".", "tag v1.2.0", "+b.go package a", "."}, "@main", Options{}},
		{"after a tag behind a merge", []string{goMod, ".", "checkout -q -b side", code, ".", "tag v1.3.0", "checkout -q main", "+b.go package a", ".", "merge -q --no-edit side"}, "@main", Options{}},
		{"not after a tag elsewhere", []string{goMod, ".", "checkout -q -b side", code, ".", "tag v1.3.0", "checkout -q main", "+b.go package a", "."}, "@main", Options{}},
		{"after a tag that is not canonical", []string{goMod, ".", "tag v1.0.0+meta", code, "."}, "@main", Options{}},
		{"on a tag that is not canonical", []string{goMod, ".", "tag v1.0.0+meta"}, "@main", Options{}},
		{"tag that is not canonical, as revision", []string{goMod, ".", "tag v1.0.0+meta"}, "@v1.0.0+meta", Options{Revision: "v1.0.0+meta"}},
		{"tag that is not canonical, behind a higher one", []string{goMod, ".", "tag v1.9.0", code, ".", "tag v1.0.0+meta"}, "@v1.0.0+meta", Options{Revision: "v1.0.0+meta"}},
		{"tags that are no versions", []string{goMod, ".", "tag v1", "tag v1.2", "tag release-1", "tag v0.0.0-20200101000000-abcdefabcdef", code, "."}, "@main", Options{}},
		{"tag with a wrong major version", []string{goMod, ".", "tag v1.0.0", "tag v2.0.0", code, ".", "tag v3.0.0"}, "@main", Options{}},
		{"retracted tag", []string{goMod, ".", "tag v1.0.0", code, ".", "tag v1.1.0", `+go.mod module corp.example/mod.git\nretract v1.1.0\nretract v1.2.0\n`, ".", "tag v1.2.0", "+b.go package a", "."}, "@main", Options{}},
		{"retracted tag on the commit", []string{`+go.mod module corp.example/mod.git\nretract v1.2.0\n`, ".", "tag v1.2.0"}, "@main", Options{}},
		{"retraction in a pre-release", []string{goMod, ".", "tag v1.0.0", `+go.mod module corp.example/mod.git\nretract v1.0.0\n`, ".", "tag v1.1.0-pre", "."}, "@main", Options{}},
		{"retraction in a go.mod of another major version", []string{`+go.mod module corp.example/mod.git\nretract [v1.0.0, v2.9.0]\n`, ".", "tag v2.1.0", goMod2, "."}, "/v2@main", Options{}},
		{"retraction beside the directory of the major version", []string{`+go.mod module corp.example/mod.git/v2\nretract [v2.0.0, v2.9.0]\n`, `+v2/go.mod module corp.example/mod.git\n`, ".", "tag v2.1.0", "rm -q -r v2", goMod2, "."}, "/v2@main", Options{}},
		{"retraction in the directory of the major version", []string{goMod, `+v2/go.mod module corp.example/mod.git/v2\nretract v2.1.0\n`, ".", "tag v2.1.0", code, "."}, "/v2@main", Options{Dir: "v2"}},
		{"retraction in a v1 with a gopkg.in path", []string{`+go.mod module gopkg.in/mod.v3\nretract v1.1.0\n`, ".", "tag v1.1.0", goMod, "."}, "@main", Options{}},
		{"nested after a tag that looks like a pseudo-version", []string{subMod, ".", "tag sub/v0.0.0-20200101000000-abcdefabcdef", subGo, "."}, "/sub@main", Options{Dir: "sub"}},
		{"nested in a directory of the major version's name", []string{`+v2/go.mod module corp.example/mod.git/v2/v2\n`, ".", "tag v2/v2.0.0"}, "/v2/v2@v2.0.0", Options{Dir: "v2"}},
		{"nested after its tag", []string{goMod, subMod, ".", "tag sub/v0.3.0", "tag v1.0.0", subGo, "."}, "/sub@main", Options{Dir: "sub"}},
		{"another branch", []string{goMod, ".", "checkout -q -b side", code, ".", "checkout -q main"}, "@side", Options{Revision: "side"}},

		// What git does to files.
		{"export-ignore", []string{goMod, code, "+.gitattributes a.go export-ignore", ".", "tag v1.0.0"}, "@v1.0.0", Options{}},
		{"export-subst", []string{goMod, "+b.txt $Format:%H$", "+.gitattributes b.txt export-subst", ".", "tag v1.0.0"}, "@v1.0.0", Options{}},
		{"local attributes", []string{goMod, code, ".", "tag v1.0.0", "+.git/info/attributes *.go export-ignore"}, "@v1.0.0", Options{}},
		{"eol=crlf", []string{goMod, `+b.txt a\nb\n`, "+.gitattributes *.txt text eol=crlf", ".", "tag v1.0.0"}, "@v1.0.0", Options{}},
		{"eol=crlf but for go.mod", []string{goMod, `+b.txt a\nb\n`, `+.gitattributes * text eol=crlf\ngo.mod -text\n`, ".", "tag v1.0.0"}, "@v1.0.0", Options{}},
		{"ident", []string{goMod, `+b.txt $Id$\n`, "+.gitattributes *.txt ident", ".", "tag v1.0.0"}, "@v1.0.0", Options{}},
		{"carriage returns", []string{goMod, `+b.txt a` + "\r" + `\nb\n`, ".", "tag v1.0.0"}, "@v1.0.0", Options{}},
		{"local autocrlf", []string{goMod, `+b.txt a\nb\n`, ".", "tag v1.0.0", "config core.autocrlf true"}, "@v1.0.0", Options{}},
		{"local filter", []string{goMod, `+b.txt a\n`, "+.gitattributes *.txt filter=up", ".", "tag v1.0.0", "config filter.up.smudge tr"}, "@v1.0.0", Options{}},
		{"symbolic links", []string{goMod, code, "+d/x.txt x", "@l.go a.go", "@e d", "@out ../../..", ".", "tag v1.0.0"}, "@v1.0.0", Options{}},
		{"vendor directory", []string{goMod, `+vendor/modules.txt # x\n`, "+vendor/corp.example/x/x.go package x", "+sub/vendor/y/y.go package y", ".", "tag v1.0.0"}, "@v1.0.0", Options{}},
		{"odd names", []string{goMod, "+-x.txt x", "+sp_ace/ä.txt x", "+.hidden x", "+.hg/x x", "+.hg_archival.txt x", ".", "tag v1.0.0"}, "@v1.0.0", Options{}},
		{"submodule", []string{goMod, code, ".", "update-index --add --cacheinfo 160000,1234567890123456789012345678901234567890,lib", "commit -q -m x", "tag v1.0.0"}, "@v1.0.0", Options{Revision: "v1.0.0"}},

		// Uncommitted changes do not matter to who names the revision.
		{"changes", []string{goMod, code, ".", "tag v1.0.0", `+a.go package changed\n`, "+new.go package a"}, "@v1.0.0", Options{Revision: "v1.0.0"}},
		{"changes, allowed", []string{goMod, code, ".", "tag v1.0.0", `+a.go package changed\n`, `+go.mod module corp.example/other\n`}, "@v1.0.0", Options{Version: "v1.0.0", AllowDirty: true}},
		{"changes outside", []string{goMod, code, subMod, ".", "tag sub/v1.0.0", `+a.go package changed\n`}, "/sub@v1.0.0", Options{Dir: "sub"}},
	}
	for i, want := range b.prepare(rows) {
		t.Run(rows[i].name, func(t *testing.T) {
			t.Parallel()
			equal(t, packed(t, rows[i].o), want)
		})
	}
}
