package gitsource

import (
	"strings"
	"testing"
)

func TestPublicURL(t *testing.T) {
	t.Parallel()
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

func FuzzPublicURL(f *testing.F) {
	f.Add("https://ann:secret@corp.example/mod?token=x")
	f.Add("git@corp.example:mod.git")
	f.Add("ssh://a@b@c/d")
	f.Fuzz(func(t *testing.T, address string) {
		got := publicURL(address)
		if again := publicURL(got); again != got {
			t.Errorf("publicURL(%q) = %q, and of that %q", address, got, again)
		}
		if strings.Contains(got, "@") {
			t.Errorf("publicURL(%q) = %q", address, got)
		}
	})
}
