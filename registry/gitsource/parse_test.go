package gitsource

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact"
)

func TestPublicURL(t *testing.T) {
	for address, want := range map[string]string{
		"https://corp.example/mod.git":                    "https://corp.example/mod.git",
		"https://ann:secret@corp.example/mod":             "https://corp.example/mod",
		"https://token@corp.example/mod":                  "https://corp.example/mod",
		"https://corp.example/mod?private_token=secret#x": "https://corp.example/mod",
		"ssh://git@corp.example:2222/mod.git":             "ssh://corp.example:2222/mod.git",
		"git@corp.example:team/mod.git":                   "ssh://corp.example/team/mod.git",
		"corp.example:/team/mod.git":                      "ssh://corp.example/team/mod.git",
		"git://corp.example/mod.git":                      "git://corp.example/mod.git",
		"":                                                "",
		".":                                               "",
		"../mod":                                          "",
		"/srv/git/mod.git":                                "",
		"/srv/a:b/mod.git":                                "",
		`C:\git\mod.git`:                                  "",
		"C:/git/mod.git":                                  "",
		"file:///srv/git/mod.git":                         "",
		"ext::sh -c 'cat secret'":                         "",
		"https://":                                        "",
		"https://corp.example/\x00":                       "",
		"s3://key:secret@bucket/mod":                      "",
		"oauth2:TOKEN@corp.example:team/mod.git":          "",
		"https:ann:secret@corp.example/mod":               "",
		"https:/corp.example/mod":                         "",
		"ssh://corp.example/ann:secret@other.example/mod": "",
		"https://corp.example/ann%3asecret%40x/mod":       "",
	} {
		if got := publicURL(address); got != want {
			t.Errorf("publicURL(%q) = %q; want %q", address, got, want)
		}
	}
}

func TestVersionOf(t *testing.T) {
	for _, c := range []struct {
		tag, prefix, version string
		canonical            bool
	}{
		{"v1.2.3", "", "v1.2.3", true},
		{"sub/v1.2.3", "sub/", "v1.2.3", true},
		{"sub/v1.2.3", "", "", false},
		{"v1.2.3", "sub/", "", false},
		{"v1.2.3-rc.1", "", "v1.2.3-rc.1", true},
		{"v1.2.3+meta", "", "v1.2.3", false},
		{"v2.0.0+incompatible", "", "v2.0.0", false},
		{"v1.2", "", "", false},
		{"v1", "", "", false},
		{"1.2.3", "", "", false},
		{"v01.2.3", "", "", false},
		{"v0.0.0-20200101000000-abcdefabcdef", "", "", false},
		{"sub/v0.0.0-20200101000000-abcdefabcdef", "sub/", "v0.0.0-20200101000000-abcdefabcdef", true},
		{"", "", "", false},
	} {
		if v, canonical := versionOf(c.tag, c.prefix); v != c.version || canonical != c.canonical {
			t.Errorf("versionOf(%q, %q) = %q, %v; want %q, %v", c.tag, c.prefix, v, canonical, c.version, c.canonical)
		}
	}
}

func TestCandidates(t *testing.T) {
	for _, c := range []struct{ at, want, dirs string }{
		{"", "", ""},
		{"sub", "", "sub"},
		{"", "corp.example/mod", "|mod"},
		{"", "corp.example/mod/v2", "|v2|mod|mod/v2"},
		{"sub", "corp.example/mod/sub/v2", "sub|sub/v2|sub/sub|sub/sub/v2|sub/mod/sub|sub/mod/sub/v2"},
	} {
		if got := strings.Join(candidates(c.at, c.want), "|"); got != c.dirs {
			t.Errorf("candidates(%q, %q) = %s; want %s", c.at, c.want, got, c.dirs)
		}
	}
}

const someHash = "0123456789abcdef0123456789abcdef01234567"

func TestParsersRefuseWhatGitNeverPrints(t *testing.T) {
	for _, out := range []string{"", "x", "x blob 5\nabc\n", "x blob -1\n\n", "x blob 99999999999999999999\n\n", "x blob 1\nab\n", "x blob 1\nab", "x\n"} {
		if data, err := parseObject("x", []byte(out)); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("parseObject(%q) = %q, %v", out, data, err)
		}
	}
	for _, out := range []string{"x missing\n", "x tree 2\nab\n"} {
		if _, err := parseObject("x", []byte(out)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("parseObject(%q): %v; want fs.ErrNotExist", out, err)
		}
	}
	for _, out := range []string{"x\n", someHash + "\n", someHash + " refs/heads/main\n", "abc refs/tags/v1.0.0\n", "\n"} {
		if tags, err := parseTags([]byte(out)); err == nil {
			t.Errorf("parseTags(%q) = %v", out, tags)
		}
	}
	for _, out := range []string{"", someHash, someHash + " x", "abc 1", someHash + " 1 2"} {
		if c, err := parseCommit([]byte(out)); err == nil {
			t.Errorf("parseCommit(%q) = %v", out, c)
		}
	}
}

func FuzzParseObject(f *testing.F) {
	f.Add([]byte("x blob 3\nabc\n"))
	f.Add([]byte("x missing\n"))
	f.Fuzz(func(t *testing.T, out []byte) {
		data, err := parseObject("x", out)
		if err == nil && !bytes.HasSuffix(out, append(slices.Clone(data), '\n')) {
			t.Errorf("%q is not at the end of %q", data, out)
		}
	})
}

func FuzzParseTags(f *testing.F) {
	f.Add([]byte(someHash + " refs/tags/v1.0.0\n" + strings.Repeat("a", 40) + " refs/tags/v1.0.0^{}\n"))
	f.Add([]byte(strings.Repeat("b", 64) + " refs/tags/sub/v1.0.0\n"))
	f.Fuzz(func(t *testing.T, out []byte) {
		tags, err := parseTags(out)
		if err != nil {
			return
		}
		for _, one := range tags {
			if !artifact.IsHash(one.hash) {
				t.Errorf("tag %q has the hash %q", one.name, one.hash)
			}
			if v, canonical := versionOf(one.name, ""); canonical && v != one.name {
				t.Errorf("tag %q stands for %q", one.name, v)
			}
		}
	})
}

func FuzzParseCommit(f *testing.F) {
	f.Add([]byte(someHash + " 1714557600"))
	f.Fuzz(func(t *testing.T, out []byte) {
		if c, err := parseCommit(out); err == nil && len(c.short()) != 12 {
			t.Errorf("short hash %q", c.short())
		}
	})
}

func FuzzParseStatus(f *testing.F) {
	f.Add([]byte(" M a.go\x00?? b.go\x00"))
	f.Fuzz(func(t *testing.T, out []byte) {
		for _, name := range parseStatus(out) {
			if name == "" || !bytes.Contains(out, []byte(name)) {
				t.Errorf("name %q", name)
			}
		}
	})
}

func FuzzPublicURL(f *testing.F) {
	f.Add("https://ann:secret@corp.example/mod?token=x")
	f.Add("git@corp.example:mod.git")
	f.Add("ssh://a@b@c/d")
	f.Fuzz(func(t *testing.T, address string) {
		got := publicURL(address)
		if again := publicURL(got); again != got {
			t.Errorf("publicURL(%q) = %q, and of that %q", address, got, again)
		}
		if rest, _, _ := strings.Cut(strings.TrimPrefix(got, "https://"), "/"); strings.Contains(rest, "@") && strings.HasPrefix(got, "https://") {
			t.Errorf("publicURL(%q) = %q", address, got)
		}
	})
}
