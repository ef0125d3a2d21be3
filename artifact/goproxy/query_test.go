package goproxy

import (
	"strings"
	"testing"

	"golang.org/x/mod/semver"
)

func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{"latest", "v1", "v1.2", "v1.2.3", "<v1", "<=v1.2.3-rc", ">v1.2.3+meta", ">=v0", "main", "v1-rc", "v01", "<", ""} {
		f.Add(s, "v1.2.3")
	}
	f.Fuzz(func(t *testing.T, text, version string) {
		q, err := ParseQuery("example.com/a", text)
		if err != nil {
			return
		}
		choice := isComparison(text) || semver.IsValid(text) && isPrefix(text)
		if (q.Revision || q.Latest) == choice {
			t.Errorf("%q: %+v", text, q)
		}
		if (q.Revision || q.Latest) && !q.Allows(version) {
			t.Errorf("%q does not allow %q: what upstream makes of it is for upstream to say", text, version)
		}
	})
}

func TestHashesAndTheirBeginnings(t *testing.T) {
	for s, want := range map[string]struct{ hash, abbreviated bool }{
		strings.Repeat("a", 40):       {true, true},
		strings.Repeat("0", 64):       {true, true},
		strings.Repeat("a", 41):       {false, true},
		"0123456":                     {false, true},
		"012345":                      {},
		strings.Repeat("A", 40):       {},
		"main":                        {},
		strings.Repeat("a", 39) + "g": {},
		"":                            {},
	} {
		if hash, abbreviated := IsHash(s), IsAbbreviatedHash(s); hash != want.hash || abbreviated != want.abbreviated {
			t.Errorf("%q: %v, %v; want %+v", s, hash, abbreviated, want)
		}
	}
}
