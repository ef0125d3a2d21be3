package goproxy

import (
	"strings"
	"testing"

	"golang.org/x/mod/module"
)

func TestPatternMatchesPaths(t *testing.T) {
	tests := []struct {
		pattern string
		matches []string
		doesNot []string
	}{
		{
			"github.com/evil/**",
			[]string{"github.com/evil", "github.com/evil/x", "github.com/evil/x/y"},
			[]string{"github.com/evilx", "github.com", "github.com/good/evil", "xgithub.com/evil", "github.com/Evil/x"},
		},
		{"**", []string{"example.com", "example.com/a/b/c"}, nil},
		{"github.com/*", []string{"github.com/x"}, []string{"github.com", "github.com/x/y", "github.com/"}},
		{"github.com/*/*", []string{"github.com/x/y"}, []string{"github.com/x", "github.com/x/y/z"}},
		{"example.com/lib", []string{"example.com/lib"}, []string{"example.com/lib/v2", "example.com/li", "example.com/libs", ""}},
		{"gopkg.in/yaml.*", []string{"gopkg.in/yaml.v2", "gopkg.in/yaml.v3"}, []string{"gopkg.in/yaml.", "gopkg.in/yaml", "gopkg.in/x.yaml.v3/y"}},
		{"*.corp.example/x", []string{"git.corp.example/x", "a.b.corp.example/x"}, []string{"corp.example/x", ".corp.example/x"}},
		{"*/x", []string{"a.example/x"}, []string{"a.example/b/x"}},
		{"example.com/a*b*c", []string{"example.com/axbxc", "example.com/abbbcc", "example.com/aXbcbYc"}, []string{"example.com/abc", "example.com/axbc", "example.com/axbxcd"}},
		{"example.com/*-go", []string{"example.com/a-go", "example.com/-go-go"}, []string{"example.com/-go", "example.com/a-gox"}},
		{"**/internal/**", []string{"example.com/internal", "example.com/a/internal/b", "internal"}, []string{"example.com/internals"}},
		{"example.com/**/b/**/d", []string{"example.com/b/d", "example.com/a/b/c/d", "example.com/b/b/d/d"}, []string{"example.com/a/d", "example.com/b/d/c"}},
		{"**/**", []string{"example.com", "example.com/a"}, nil},
		{"**/*", []string{"example.com", "example.com/a"}, nil},
	}
	for _, tt := range tests {
		p, err := ParsePattern(tt.pattern)
		if err != nil {
			t.Errorf("ParsePattern(%q): %v", tt.pattern, err)
			continue
		}
		for _, path := range tt.matches {
			if !p.Match(module.Version{Path: path, Version: "v1.0.0"}) {
				t.Errorf("%s does not match %s", tt.pattern, path)
			}
		}
		for _, path := range tt.doesNot {
			if p.Match(module.Version{Path: path, Version: "v1.0.0"}) {
				t.Errorf("%s matches %q", tt.pattern, path)
			}
		}
		if got := p.String(); got != tt.pattern {
			t.Errorf("%q is written %q", tt.pattern, got)
		}
	}
}

func TestPatternWithARangeMatchesSomeVersions(t *testing.T) {
	p, err := ParsePattern("example.com/lib/**@<v1.4.2")
	if err != nil {
		t.Fatal(err)
	}
	for version, want := range map[string]bool{
		"v1.4.1": true, "v1.4.2": false, "v1.4.2-rc.1": true, "v2.0.0+incompatible": false,
		"v0.0.0-20200101000000-0123456789ab": true, "main": false, "": false,
	} {
		if got := p.Match(module.Version{Path: "example.com/lib/x", Version: version}); got != want {
			t.Errorf("%s: %v, want %v", version, got, want)
		}
	}
	if p.Match(module.Version{Path: "example.com/other", Version: "v1.0.0"}) {
		t.Error("another path matches")
	}
}

func TestZeroPatternMatchesNothing(t *testing.T) {
	var p Pattern
	if p.Match(module.Version{}) || p.Match(module.Version{Path: "example.com", Version: "v1.0.0"}) || p.MatchFold(module.Version{}) {
		t.Error("it matches something")
	}
}

func TestParseSaysWhatIsWrongWithAPattern(t *testing.T) {
	for pattern, want := range map[string]string{
		"":                              "the path is missing",
		"@v1.0.0":                       "the path is missing",
		"https://github.com/x/y":        "leave out what is before the host",
		"github.com/x/":                 "did you mean github.com/x/**?",
		"github.com/x/...":              "did you mean github.com/x/**?",
		"github.com//x/*":               "an element of the path is empty",
		"/github.com/*":                 "an element of the path is empty",
		"github.com/x**":                "** must be an element of its own",
		"github.com/***":                "** must be an element of its own",
		"corp/**":                       "missing dot in first path element",
		"GitHub.com/**":                 "invalid char 'G' in first path element",
		"github.com/x y/*":              "no module path has the element",
		"github.com/x!*":                "no module path has the characters",
		"github.com/../*":               "no module path has the element",
		"example.com/lib/v1":            "malformed module path",
		"example.com/lib@":              "after the @ of example.com/lib: the range is empty",
		"example.com/lib@latest":        `"latest" is not a semantic version`,
		"example.com/lib@<1.4.2":        "did you mean v1.4.2?",
		"example.com/lib@<=v1":          "ambiguous",
		"example.com/lib@v1.0.0@v2.0.0": "is not a semantic version",
		"example.com/" + strings.Repeat("x", maxPattern): "longer than 1024 bytes",
	} {
		_, err := ParsePattern(pattern)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePattern(%q): %v, want %q", pattern, err, want)
		}
	}
}

func TestMatchingManyStarsDoesNotTakeForEver(t *testing.T) {
	for pattern, path := range map[string]string{
		"a.b/" + strings.Repeat("**/x/", 200) + "y": "a.b/" + strings.Repeat("x/", 5_000) + "z",
		"a.b/" + strings.Repeat("*x", 500) + "y":    "a.b/" + strings.Repeat("x", 10_000) + "z",
	} {
		p, err := ParsePattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if p.Match(module.Version{Path: path, Version: "v1.0.0"}) {
			t.Errorf("%s matches", pattern)
		}
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{"**", "github.com/evil/**", "example.com/lib@<v1.4.2", "*.x/y*z", "gopkg.in/yaml.v3@>=v3 !=v3.0.1", "a.b/**/c@v1,v1.2"} {
		f.Add(s, "github.com/evil/x", "v1.4.1")
	}
	f.Fuzz(func(t *testing.T, s, path, version string) {
		p, err := ParsePattern(s)
		if err != nil {
			return
		}
		again, err := ParsePattern(p.String())
		if err != nil {
			t.Fatalf("%q is written %q: %v", s, p, err)
		}
		m := module.Version{Path: path, Version: version}
		if p.Match(m) != again.Match(m) || again.String() != p.String() {
			t.Fatalf("%q and %q differ on %v", s, p, m)
		}
		if p.Match(m) && !p.MatchFold(m) {
			t.Fatalf("%q matches %v only if upper and lower case differ", s, m)
		}
		if len(path)+len(s) > 40 {
			return // the definition takes for ever
		}
		p.versions = Range{}
		if got, want := p.Match(m), slowMatch(strings.Split(p.glob, "/"), strings.Split(path, "/")); got != want {
			t.Fatalf("%q on %q: %v, want %v", s, path, got, want)
		}
	})
}

// slowMatch is the definition of matching, without any cleverness.
func slowMatch(glob, path []string) bool {
	switch {
	case len(glob) == 0:
		return len(path) == 0
	case glob[0] == "**":
		return slowMatch(glob[1:], path) || len(path) > 0 && slowMatch(glob, path[1:])
	}
	return len(path) > 0 && slowElement(glob[0], path[0]) && slowMatch(glob[1:], path[1:])
}

func slowElement(glob, name string) bool {
	switch {
	case glob == "":
		return name == ""
	case name == "":
		return false
	case glob[0] == '*':
		return slowElement(glob[1:], name[1:]) || slowElement(glob, name[1:])
	}
	return glob[0] == name[0] && slowElement(glob[1:], name[1:])
}
