package safetext

import (
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
