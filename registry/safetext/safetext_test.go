package safetext

import (
	"errors"
	"strings"
	"testing"
)

func TestWhatOthersWroteIsMadeFitForATerminal(t *testing.T) {
	if got := Lines([]byte("a\x1b[31mb\nc\x00\xffd")); got != "a[31mb; cd" {
		t.Errorf("Lines: %q", got)
	}
	if got := Lines([]byte("\x1b[31mred\r\n\n  second\tline  \nthird")); got != "[31mred; second line; third" {
		t.Errorf("Lines: %q", got)
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	if n := len(Lines([]byte(long))); n != maxBytes {
		t.Errorf("Lines: %d bytes", n)
	}
	if got := Lines([]byte(strings.Repeat("line\n", 100))); strings.Count(got, "line") != 8 {
		t.Errorf("Lines: %q", got)
	}
}

func TestASubjectIsNamedOnce(t *testing.T) {
	for _, test := range []struct{ subject, text, want string }{
		{"a.example/m@v1.2.0", "it is gone", "a.example/m@v1.2.0: it is gone"},
		{"a.example/m@v1.2.0", "fetching the zip of a.example/m@v1.2.0: it is gone", "fetching the zip of a.example/m@v1.2.0: it is gone"},
		{"a.example/m@v1.2.0", "it needs a.example/m@v1.2.0.", "it needs a.example/m@v1.2.0."},
		{"a.example/m@v1.2.0", "there is a.example/m@v1.2.0-rc1", "a.example/m@v1.2.0: there is a.example/m@v1.2.0-rc1"},
		{"a.example/m@v1.2.0", "b/a.example/m@v1.2.0, a.example/m@v1.2.0", "b/a.example/m@v1.2.0, a.example/m@v1.2.0"},
		{"a.example/m", "a.example/m/v2 is there", "a.example/m: a.example/m/v2 is there"},
		{"a.example/m", "a.example/m@v1.0.0 is there", "a.example/m: a.example/m@v1.0.0 is there"},
	} {
		if got := Naming(test.subject, errors.New(test.text)).Error(); got != test.want {
			t.Errorf("%q about %s: %q", test.text, test.subject, got)
		}
	}
}
