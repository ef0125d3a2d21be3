package project

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"
)

func TestParseSumsKeepsGoodLinesBesideBadOnes(t *testing.T) {
	const text = "example.com/a v1.0.0 h1:zip=\nexample.com/a v1.0.0/go.mod h1:mod=\n\nexample.com/b v1.0.0 h9:new=\n" +
		"example.com/c v1.0.0\nexample.com/c v1.0 h1:x=\n../etc v1.0.0 h1:x=\nexample.com/d v1.0.0 h1:d="
	lines, problems := ParseSums("go.sum", []byte(text))
	want := []SumLine{
		{module.Version{Path: "example.com/a", Version: "v1.0.0"}, false, "h1:zip=", "go.sum:1"},
		{module.Version{Path: "example.com/a", Version: "v1.0.0"}, true, "h1:mod=", "go.sum:2"},
		{module.Version{Path: "example.com/d", Version: "v1.0.0"}, false, "h1:d=", "go.sum:8"},
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got %+v, want %+v", lines, want)
	}
	said := strings.Split(errors.Join(problems...).Error(), "\n")
	if len(said) != 3 || !strings.HasPrefix(said[0], "go.sum:5: not a line") || !strings.HasPrefix(said[1], "go.sum:6: ") || !strings.HasPrefix(said[2], "go.sum:7: ") {
		t.Errorf("problems: %q", said)
	}
}

func FuzzParseSums(f *testing.F) {
	f.Add("example.com/a v1.0.0 h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
	f.Add("example.com/a v1.0.0/go.mod h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
	f.Add("a b\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines, problems := ParseSums("go.sum", []byte(text))
		for _, l := range lines {
			if err := module.Check(l.Module.Path, l.Module.Version); err != nil || !strings.HasPrefix(l.Sum, "h1:") || !strings.HasPrefix(l.From, "go.sum:") {
				t.Errorf("%q: %+v, %v", text, l, err)
			}
		}
		for _, err := range problems {
			if !strings.HasPrefix(err.Error(), "go.sum:") {
				t.Errorf("%q: %v", text, err)
			}
		}
	})
}
