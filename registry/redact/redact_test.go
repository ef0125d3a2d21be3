package redact

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestTextHidesCredentials(t *testing.T) {
	for text, want := range map[string]string{
		"https://me:secret@proxy.example/x":             "https://xxxxx@proxy.example/x",
		"https://token@proxy.example/x":                 "https://xxxxx@proxy.example/x",
		"HTTPS://me:secret@proxy.example":               "HTTPS://xxxxx@proxy.example",
		"git+ssh://git@vcs.example/x":                   "git+ssh://xxxxx@vcs.example/x",
		"://me:secret@proxy.example":                    "://xxxxx@proxy.example",
		"https://:secret@[::1]:8080/":                   "https://xxxxx@[::1]:8080/",
		"https://user:xxxxx@proxy.example":              "https://xxxxx@proxy.example",
		"https://me:***@proxy.example":                  "https://xxxxx@proxy.example",
		"redirected from https://a:b@c to https://d@e.": "redirected from https://xxxxx@c to https://xxxxx@e.",

		// Passwords of which a URL would have some characters escaped.
		"https://me:p@ss@proxy.example/x":         "https://xxxxx@proxy.example/x",
		"https://me:p/a/s@proxy.example/x":        "https://xxxxx@proxy.example/x",
		"https://me:12/ss@proxy.example/x":        "https://xxxxx@proxy.example/x",
		"https://me:p:a%zz%@proxy.example/x":      "https://xxxxx@proxy.example/x",
		"https://me:p?a#s@proxy.example/x":        "https://xxxxx@proxy.example/x",
		`"https://me:p\"a,b|c'd@proxy.example"`:   `"https://xxxxx@proxy.example"`,
		"https://me:a://b@proxy.example":          "https://xxxxx@proxy.example",
		"https://me:p s@proxy.example is down":    "https://xxxxx@proxy.example is down",
		"https://me:\x00\x1b[1mp@proxy.example/":  "https://xxxxx@proxy.example/",
		"https://m\u00e9:p\u00e4ss@proxy.example": "https://xxxxx@proxy.example",

		// Lists.
		"https://a:b@c.example,https://d:e@f.example|direct":      "https://xxxxx@c.example,https://xxxxx@f.example|direct",
		"https://c.example,https://d:e@f.example":                 "https://c.example,https://xxxxx@f.example",
		"https://c.example:8080|https://d@f.example,off":          "https://c.example:8080|https://xxxxx@f.example,off",
		"file:///home/a@b,https://d:e@f.example":                  "file:///home/a@b,https://xxxxx@f.example",
		"file:///home/a@b,d:e@f.example":                          "file:///home/a@b,xxxxx@f.example",
		"https://c.example/@v/list https://d:e@f.example/@v/list": "https://c.example/@v/list https://xxxxx@f.example/@v/list",

		// The scheme is missing, or not quite there.
		"me:p@s/s@proxy.example:3128":        "xxxxx@proxy.example:3128",
		`invalid "me:p%zz@proxy.example"`:    `invalid "xxxxx@proxy.example"`,
		"/dir/https:/token@proxy.example/x":  "/dir/https:/xxxxx@proxy.example/x",
		`https:\\me:secret@proxy.example`:    "xxxxx@proxy.example",
		"to user:secret@host/x@v1.2.3, now.": "to xxxxx@host/x@v1.2.3, now.",

		// Cut off, or not a URL.
		"Get https://me:secr":                                    "Get https://xxxxx",
		"https://me:secret/@v/list":                              "https://xxxxx@v/list",
		"https://me:secret then":                                 "https://xxxxx then",
		`parse "https://me:s/t@h": invalid port ":s" after host`: `parse "https://xxxxx@h": invalid port "xxxxx" after host`,
		`parse "https://me:%zz@h": invalid URL escape "%zz"`:     `parse "https://xxxxx@h": invalid URL escape "xxxxx"`,
	} {
		if got := Text(text); got != want {
			t.Errorf("%q is shown as\n%q, want\n%q", text, got, want)
		}
	}
}

func TestTextLeavesAloneWhatIsNoCredential(t *testing.T) {
	for _, text := range []string{
		"", "x", "a@b.example", "git@vcs.example:org/x.git", "example.com/a@main: not found", "go: example.com/a@<v2",
		`Get "https://proxy.example:8443/example.com/a/@v/list": EOF`, "(see https://proxy.example:8443).",
		"https://proxy.example/example.com/a/@latest", "https://proxy.example/example.com/a/@v/v1.2.3.info: 404",
		"https://sum.example/lookup/example.com/a@v1.2.3: 404 Not Found", "https://sum.example/lookup/a/b@v2.0.0+incompatible",
		"https://sum.example:443/lookup/a/b@v0.0.0-20260102030405-abcdefabcdef",
		"harbor.example:5000/golang/a@sha256:0123abcd", "http://127.0.0.1:5000/golang/a@sha256:0123abcd.",
		"mirror.yaml:12: example.com/a@main", "list.txt:3:example.com/a@v1.2.3", "/ci/job@2/go.mod:3: unknown directive",
		"oci:/ci/job@2/store", "corp.example=oci:/ci/job@2/store,oci:./b@c", "file:///ci/job@2/upstream", "https://[fe80::1%25eth0]:80/x",
		`{"Path":"example.com/a@main"}`, "https://x.example and a@b.example", "invalid port \":x\" after host", "http://127.0.0.1:8080: refused",
		"https://x.example?go-get=1", "https://", "://", "@", ":@", "a:b",
	} {
		if got := Text(text); got != text {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
}

// canary is what must not survive.
const canary = "CANARY"

func FuzzTextHidesTheCanary(f *testing.F) {
	for _, user := range []string{"", "me:", "me:p@", "me:1234/", "me:p%zz:", "a.b/c:8080/@v/", "me:x://", `me:"`, "[", "\x00", "me:p,", "m\xff:"} {
		f.Add("Get \"", user, "", "/example.com/a/@v/list\": EOF", uint8(0))
		f.Add("https://x.example,", user, "@", ",direct", uint8(1))
		f.Add("file:///", "", user, "@v1.2.3", uint8(2))
	}
	hosts := []string{"proxy.example", "proxy.example:8443", "localhost", "[::1]:8080", "10.0.0.1"}
	f.Fuzz(func(t *testing.T, before, user, password, after string, host uint8) {
		secret := user + canary + password
		if urlEnd.MatchString(secret) || strings.Contains(before+after, canary) {
			t.Skip()
		}
		text := before + "https://" + secret + "@" + hosts[int(host)%len(hosts)] + after
		if got := Text(text); strings.Contains(got, canary) {
			t.Errorf("%q is shown as %q", text, got)
		}
		// Of what a # is in, net/url repeats the part before only, which may look like a host.
		if _, err := url.Parse("https://" + secret + "@proxy.example"); err != nil && !strings.Contains(secret, "#") {
			if got := Text(err.Error()); strings.Contains(got, canary) {
				t.Errorf("%q is shown as %q", err, got)
			}
		}
		quoted := fmt.Sprintf("invalid proxy %q", "https://"+secret+"@proxy.example")
		if got := Text(quoted); strings.Contains(got, canary) {
			t.Errorf("%q is shown as %q", quoted, got)
		}
	})
}

func FuzzTextIsIdempotentAndLeavesOtherTextAlone(f *testing.F) {
	for _, s := range []string{
		"https://a:b@c,https://d@e|f:g@h", "https://me:pa ss@h x@y", "file:///a@b,c:d@e", "a:b@c invalid port \":b\" after host",
		"https://a:b/@v/list", "harbor:5000/a@sha256:00", "oci:a@b", "0:/@:@sha256:0", "://:A @://@", "\"a:b\"@c", "://://@", "https://a:https://b@c",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := Text(s)
		if twice := Text(once); twice != once {
			t.Errorf("%q is shown as %q, and that as %q", s, once, twice)
		}
		if !strings.Contains(s, ":/") && !mayBeURL(s) && once != s {
			t.Errorf("%q has no URL and is shown as %q", s, once)
		}
	})
}

// mayBeURL reports whether a word has a colon before an @.
func mayBeURL(s string) bool {
	for _, w := range word.FindAllString(s, -1) {
		if colon := strings.IndexByte(w, ':'); colon >= 0 && strings.Contains(w[colon:], "@") {
			return true
		}
	}
	return false
}
