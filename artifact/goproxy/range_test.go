package goproxy

import (
	"strings"
	"testing"

	"golang.org/x/mod/semver"
)

func TestRangeContains(t *testing.T) {
	tests := []struct {
		text, canonical string
		in, out         []string
	}{
		{">=v1.4.0 <v2", "", []string{"v1.4.0", "v1.9.9", "v1.9.9-rc.1"}, []string{"v1.3.9", "v2.0.0", "v1.4.0-rc.1", "v2.0.0-rc.1", "v2.0.0-0", "v2.0.0-0.20260101000000-aaaaaaaaaaaa", "v2.0.0-rc.1+incompatible"}},
		{">=v2", "", []string{"v2.0.0", "v3.1.0", "v2.0.0-rc.1", "v2.0.0-0.20260101000000-aaaaaaaaaaaa", "v2.0.0-rc.1+incompatible"}, []string{"v1.9.9"}},
		{"<v1.2.0", "", []string{"v1.1.9", "v1.2.0-rc.1"}, []string{"v1.2.0"}},
		{">=v1.4.0,<v2", ">=v1.4.0 <v2", []string{"v1.4.0"}, []string{"v2.0.0"}},
		{" >=v1.4.0 ,  <v2 ", ">=v1.4.0 <v2", []string{"v1.4.0"}, []string{"v2.0.0"}},
		{"v1.2.3", "", []string{"v1.2.3", "v1.2.3+incompatible"}, []string{"v1.2.4", "v1.2.3-rc.1"}},
		{"v1.2.3-rc.1", "", []string{"v1.2.3-rc.1"}, []string{"v1.2.3"}},
		{"<=v1.4.1", "", []string{"v1.4.1", "v0.1.0", "v0.0.0-20200101000000-0123456789ab"}, []string{"v1.4.2", "v1.4.2-0"}},
		{">v1.4.1", "", []string{"v1.4.2", "v1.4.2-0", "v10.0.0"}, []string{"v1.4.1", "v1.4.1+incompatible"}},
		{"!=v1.3.0", "", []string{"v1.3.1", "v0.0.1"}, []string{"v1.3.0", "v1.3.0+incompatible"}},
		{">=v1 !=v1.3.0 <v1.5", "", []string{"v1.0.0", "v1.4.9"}, []string{"v1.3.0", "v1.5.0", "v0.9.0"}},
		{"v1", "", []string{"v1.0.0", "v1.9.0", "v1.2.0-rc.1", "v1.0.0-rc.1"}, []string{"v10.0.0", "v2.0.0", "v0.9.0"}},
		{"v1.2", "", []string{"v1.2.0", "v1.2.30", "v1.2.3-rc.1", "v1.2.0-rc.1"}, []string{"v1.20.0", "v1.3.0", "v1.3.0-rc.1"}},
		{">=v2 <v3", "", []string{"v2.0.0+incompatible", "v2.1.0"}, []string{"v3.0.0+incompatible"}},
		{">=v2.0.0+incompatible", "", []string{"v2.0.0+incompatible", "v2.0.0"}, []string{"v1.0.0"}},
		{">=v1.2.3 <=v1.2.3", "", []string{"v1.2.3"}, []string{"v1.2.4", "v1.2.2"}},
		{"v1 <v1.2", "", []string{"v1.1.0"}, []string{"v1.2.0"}},
	}
	for _, tt := range tests {
		r, err := ParseRange(tt.text)
		if err != nil {
			t.Errorf("ParseRange(%q): %v", tt.text, err)
			continue
		}
		for _, v := range tt.in {
			if !r.Contains(v) {
				t.Errorf("%q does not contain %s", tt.text, v)
			}
		}
		for _, v := range append(tt.out, "", "main", "1.4.0") {
			if r.Contains(v) {
				t.Errorf("%q contains %q", tt.text, v)
			}
		}
		want := tt.canonical
		if want == "" {
			want = tt.text
		}
		if got := r.String(); got != want {
			t.Errorf("%q is written %q, want %q", tt.text, got, want)
		}
	}
}

func TestExplicitWritesPrefixesOut(t *testing.T) {
	for text, want := range map[string]string{
		"<v2": "<v2.0.0-0", ">=v1.4": ">=v1.4.0-0", ">=v1 !=v1.3.0 <v1.5": ">=v1.0.0-0 !=v1.3.0 <v1.5.0-0",
		"<v1.2.3": "<v1.2.3", ">v1.2.3-rc.1": ">v1.2.3-rc.1", "v1.2": "v1.2", "v1.2.3": "v1.2.3",
	} {
		r, err := ParseRange(text)
		if err != nil || r.Explicit() != want {
			t.Errorf("%q is %q, %v; want %q", text, r.Explicit(), err, want)
		}
	}
}

func TestParseRangeTakesComparatorsThatOverlap(t *testing.T) {
	for text, version := range map[string]string{
		"v1 v1.2": "v1.2.0", "v1 >v1.9.0": "v1.9.1", "v1.2 >=v1.2": "v1.2.0-0", "v1.2 >v1.2.0-0": "v1.2.0-1", "v1.2 v1.2.3": "v1.2.3",
		"v1.2 <v1.3": "v1.2.9", "v1 >v1.99.0": "v1.100.0",
	} {
		if r, err := ParseRange(text); err != nil || !r.Contains(version) {
			t.Errorf("%q: %v, and it should contain %s", text, err, version)
		}
	}
}

func TestZeroRangeContainsEverything(t *testing.T) {
	var r Range
	if !r.Contains("v1.0.0") || !r.Contains("v0.0.0-0") || !r.Contains("main") || r.String() != "" || r.HasPrerelease() {
		t.Errorf("the zero range is %q", r)
	}
}

func TestRangeSaysWhetherABoundIsAPrerelease(t *testing.T) {
	for text, want := range map[string]bool{">=v1.4.0 <v2": false, ">=v1.4.0-rc.1": true, "v1.2": false, "!=v1.0.0-beta <v2": true, "v2.0.0+incompatible": false} {
		if r, err := ParseRange(text); err != nil || r.HasPrerelease() != want {
			t.Errorf("%q: %v, %v", text, r.HasPrerelease(), err)
		}
	}
}

func TestParseRangeSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "the range is empty",
		" , ":                             "the range is empty",
		"latest":                          `"latest" is not a semantic version: give one like v1.2.3`,
		">=1.4":                           "did you mean v1.4?",
		">= v1.4.0":                       ">= lacks its version: write it like >=v1.2.3, without a space",
		"=v1.4.0":                         "is not a semantic version",
		"~v1.4.0":                         "is not a semantic version",
		"^1.4.0":                          "is not a semantic version",
		"v1.x":                            "is not a semantic version",
		"v1.02.0":                         "is not a semantic version",
		"<=v1":                            "<=v1 is ambiguous: give the bound as vX.Y.Z",
		">v1.2":                           ">v1.2 is ambiguous",
		"!=v1":                            "!=v1 is ambiguous",
		">=v2 <v1":                        "no version can be in the range >=v2 <v1: >=v2 contradicts <v1",
		">v1.0.0 <v1.0.0":                 "no version can be in",
		"v1.2.3 v1.2.4":                   "no version can be in",
		"v1.2.3 <v1.2.3":                  "no version can be in",
		"v2 <v1.5":                        "no version can be in",
		"v1,v2":                           "no version can be in the range v1 v2: v2 contradicts v1",
		"v1.2 v1.3":                       "no version can be in",
		"v1 >=v2":                         "no version can be in",
		"v1.2 >v1.3.0":                    "no version can be in",
		"v1.2 v1.3.0":                     "no version can be in",
		">=v1.0.0\t<v2":                   "is not a semantic version",
		strings.Repeat("x", maxPattern+1): "longer than 1024 bytes",
	} {
		_, err := ParseRange(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseRange(%q): %v, want %q", text, err, want)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{">=v1.4.0 <v2", "v1.2.3", "v1.2", "!=v1.3.0,>v1.0.0-rc.1", "<=v1.4.1+incompatible", ">= v1", "latest"} {
		f.Add(s, "v1.4.1")
	}
	f.Fuzz(func(t *testing.T, s, version string) {
		r, err := ParseRange(s)
		if err != nil {
			return
		}
		again, err := ParseRange(r.String())
		if err != nil || again.String() != r.String() || again.Contains(version) != r.Contains(version) {
			t.Fatalf("%q is written %q: %v", s, r, err)
		}
		explicit, err := ParseRange(r.Explicit())
		if err != nil || explicit.Contains(version) != r.Contains(version) {
			t.Fatalf("%q is %q: %v", s, explicit, err)
		}
		if r.Contains(version) && !semver.IsValid(version) {
			t.Fatalf("%q contains %q", s, version)
		}
		if plain := semver.Canonical(version); r.Contains(version) != r.Contains(plain) {
			t.Fatalf("%q judges %s and %s differently", s, version, plain)
		}
	})
}
