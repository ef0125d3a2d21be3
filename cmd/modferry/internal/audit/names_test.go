package audit

import (
	"reflect"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/requirement"
)

func TestGoSumSaysWhatIsNeededOfEachVersion(t *testing.T) {
	got, err := ParseNames("go.sum", []byte(`example.com/a v1.0.0 h1:zip=
example.com/a v1.0.0/go.mod h1:mod=
example.com/b v1.2.0/go.mod h1:bmod=

example.com/b v1.2.0 h9:unknown=
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []requirement.Requirement{
		{Module: module.Version{Path: "example.com/a", Version: "v1.0.0"}, Sum: "h1:zip=", GoModSum: "h1:mod=", From: "go.sum:1"},
		{Module: module.Version{Path: "example.com/b", Version: "v1.2.0"}, ModOnly: true, GoModSum: "h1:bmod=", From: "go.sum:3"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestMalformedGoSumNamesTheLine(t *testing.T) {
	for _, bad := range []string{
		"example.com/a v1.0.0",
		"example.com/a v1.0.0 h1:x extra",
		"../../etc v1.0.0 h1:x",
		"example.com/a latest h1:x",
		"example.com/a v1.0 h1:x",
	} {
		_, err := ParseNames("my.sum", []byte("\n"+bad+"\n"))
		if err == nil || !strings.HasPrefix(err.Error(), "my.sum:2: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzGoSum(f *testing.F) {
	f.Add([]byte("example.com/a v1.0.0 h1:zip=\nexample.com/a v1.0.0/go.mod h1:mod=\n"))
	f.Add([]byte("a b c d\r\n\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := ParseNames("go.sum", data)
		if err != nil {
			return
		}
		for _, w := range list {
			if err := goproxy.Check(w.Module); err != nil {
				t.Errorf("accepted %v: %v", w.Module, err)
			}
		}
	})
}
