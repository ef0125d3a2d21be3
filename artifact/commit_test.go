package artifact

import (
	"strings"
	"testing"
)

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

func TestOriginHash(t *testing.T) {
	for info, want := range map[string]string{
		`{"Version":"v1.0.0","Origin":{"VCS":"git","Hash":"0123"}}`: "0123",
		`{"Version":"v1.0.0","Origin":{"VCS":"git"}}`:               "",
		`{"Version":"v1.0.0"}`:                                      "",
		`{"Origin":{"Hash":1}}`:                                     "",
		`no JSON`:                                                   "",
	} {
		if got := OriginHash([]byte(info)); got != want {
			t.Errorf("%s: got %q; want %q", info, got, want)
		}
	}
}
