package project

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/registry/requirement"
)

func TestParseSumsKeepsGoodLinesBesideBadOnes(t *testing.T) {
	const text = "example.com/a v1.0.0 h1:zip=\nexample.com/a v1.0.0/go.mod h1:mod=\n\nexample.com/b v1.0.0 h9:new=\n" +
		"example.com/c v1.0.0\nexample.com/c v1.0 h1:x=\n../etc v1.0.0 h1:x=\nexample.com/d v1.0.0 h1:d="
	lines, problems := ParseSums("go.sum", []byte(text))
	want := []requirement.Requirement{
		{Module: module.Version{Path: "example.com/a", Version: "v1.0.0"}, Sum: "h1:zip=", From: "go.sum:1"},
		{Module: module.Version{Path: "example.com/a", Version: "v1.0.0"}, ModOnly: true, GoModSum: "h1:mod=", From: "go.sum:2"},
		{Module: module.Version{Path: "example.com/d", Version: "v1.0.0"}, Sum: "h1:d=", From: "go.sum:8"},
	}
	if !reflect.DeepEqual(lines, want) {
		t.Errorf("got %+v, want %+v", lines, want)
	}
	texts := strings.Split(errors.Join(problems...).Error(), "\n")
	if len(texts) != 3 || !strings.HasPrefix(texts[0], "go.sum:5: not a line") || !strings.HasPrefix(texts[1], "go.sum:6: ") || !strings.HasPrefix(texts[2], "go.sum:7: ") {
		t.Errorf("problems: %q", texts)
	}
}

func FuzzParseSums(f *testing.F) {
	f.Add("example.com/a v1.0.0 h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
	f.Add("example.com/a v1.0.0/go.mod h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
	f.Add("a b\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines, problems := ParseSums("go.sum", []byte(text))
		for _, l := range lines {
			if err := module.Check(l.Module.Path, l.Module.Version); err != nil || !strings.HasPrefix(l.Sum+l.GoModSum, "h1:") || !strings.HasPrefix(l.From, "go.sum:") {
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
