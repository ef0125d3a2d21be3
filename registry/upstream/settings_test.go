package upstream

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry/safetext"
)

func TestNoUpstreamIsMadeUp(t *testing.T) {
	if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), "set GOPROXY") {
		t.Error(err)
	}
}

func TestNetrcIsReadAsTheGoCommandDoes(t *testing.T) {
	const file = `machine one.example login a password b
machine two.example
	login c
	password d
machine two.example login x password y
macdef init
machine macro.example login no password no

machine half.example login only
machine three.example account z login e password f
default login g password h
machine late.example login i password j
`
	for host, want := range map[string]string{
		"one.example": "a:b", "two.example": "c:d", "three.example": "e:f",
		"macro.example": "", "half.example": "", "late.example": "", "other.example": "",
	} {
		got := ""
		if user := parseNetrc(file, host); user != nil {
			got = user.String()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
	if netrcFor(filepath.Join(t.TempDir(), "absent"), "one.example") != nil {
		t.Error("credentials from nowhere")
	}
}

func FuzzNetrcAndGOPROXY(f *testing.F) {
	f.Add("machine a login b password c\nmacdef x\n\ndefault login d password e", "a")
	f.Add("GOPROXY=https://proxy.example,direct\n=\nX", "https://u:p@proxy.example:1,file:///x|off")
	f.Add("machine", "sum.golang.org https://x.example")
	f.Fuzz(func(t *testing.T, file, value string) {
		parseNetrc(file, value)
		if text := safetext.Lines([]byte(value)); strings.ContainsAny(text, "\n\r\x00\x1b") {
			t.Errorf("%q", text)
		}
		entries, err := (&Upstream{}).parseGOPROXY(value)
		if err == nil && len(entries) == 0 {
			t.Error("no entries and no error")
		}
	})
}
