package sumdb

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
)

const (
	zipSum = "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	modSum = "h1:BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	oldSum = "h1:CAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
)

func TestParseRecord(t *testing.T) {
	long := strings.Repeat("x", MaxRecord)
	for _, c := range []struct {
		name, data string
		want       error
	}{
		{"two lines", "12\na b c\nd e f\n\n", nil},
		{"record 0", "0\na\n\n", nil},
		{"no text", "0\n\n\n", nil}, // as tlog has it; no module's sums are in it
		{"empty", "", artifact.ErrCorrupt},
		{"no ID", "a b c\n\n", artifact.ErrCorrupt},
		{"no blank line", "12\na b c\n", artifact.ErrCorrupt},
		{"something behind", "12\na b c\n\nx", artifact.ErrCorrupt},
		{"a tree head behind", "12\na b c\n\ngo.sum database tree\n", artifact.ErrCorrupt},
		{"negative", "-1\na\n\n", artifact.ErrCorrupt},
		{"sign", "+1\na\n\n", artifact.ErrCorrupt},
		{"leading zero", "01\na\n\n", artifact.ErrCorrupt},
		{"huge ID", "9223372036854775807\na\n\n", artifact.ErrCorrupt},
		{"over-long ID", "99999999999999999999\na\n\n", artifact.ErrCorrupt},
		{"carriage return", "12\na b c\r\n\n", artifact.ErrCorrupt},
		{"not UTF-8", "12\n\xff\n\n", artifact.ErrCorrupt},
		{"as long as allowed", "1\n" + long[4:] + "\n\n", nil},
		{"too long", "1\n" + long[3:] + "\n\n", artifact.ErrLimit},
		{"far too long", "1\n" + long + long + "\n\n", artifact.ErrLimit},
	} {
		r, err := ParseRecord([]byte(c.data))
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err != nil {
			continue
		}
		if back, err := r.Format(); err != nil || string(back) != c.data {
			t.Errorf("%s: formatted again: %.40q, %v", c.name, back, err)
		}
	}
}

func TestRecordIsCutFromALookup(t *testing.T) {
	l := bigLog()
	r, note, err := cutRecord(l.lookup(t, 7, 1000))
	if err != nil || r.ID != 7 || string(note) != string(l.Note(t, 1000)) {
		t.Errorf("record %d, note %q, %v", r.ID, note, err)
	}
	long := append(l.lookup(t, 7, 1000), make([]byte, MaxRecord+MaxNote)...)
	if _, _, err := cutRecord(long); !errors.Is(err, artifact.ErrLimit) {
		t.Errorf("long answer: %v, want ErrLimit", err)
	}
}

func TestRecordIsReadAsTheGoCommandReadsIt(t *testing.T) {
	m := module.Version{Path: "example.com/m", Version: "v1.0.0"}
	zip, mod := "example.com/m v1.0.0 "+zipSum+"\n", "example.com/m v1.0.0/go.mod "+modSum+"\n"
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"both lines", zip + mod, nil},
		{"other order", mod + zip, nil},
		{"a line about something else", "example.com/other v1.0.0 " + oldSum + "\n" + zip + mod, nil},
		{"another kind of hash", "example.com/m v1.0.0 h2:xyz\n" + zip + mod, nil},
		{"the first h1 counts", zip + mod + "example.com/m v1.0.0 " + oldSum + "\n", nil},
		{"another h1 comes first", "example.com/m v1.0.0 " + oldSum + "\n" + zip + mod, artifact.ErrCorrupt},
		{"another go.mod sum comes first", "example.com/m v1.0.0/go.mod " + oldSum + "\n" + zip + mod, artifact.ErrCorrupt},
		{"no go.mod line", zip, artifact.ErrIdentity},
		{"no zip line", mod, artifact.ErrIdentity},
		{"another version", strings.ReplaceAll(zip+mod, "v1.0.0", "v1.0.1"), artifact.ErrIdentity},
		{"zip line of another version", strings.Replace(zip+mod, "v1.0.0", "v1.0.1", 1), artifact.ErrIdentity},
		{"another path", strings.ReplaceAll(zip+mod, "example.com/m", "example.com/M"), artifact.ErrIdentity},
		{"path in front", strings.ReplaceAll(zip+mod, "example.com/m", "x/example.com/m"), artifact.ErrIdentity},
		{"malformed sum", strings.Replace(zip+mod, zipSum, "h1:xyz", 1), artifact.ErrCorrupt},
		{"trailing blank", strings.ReplaceAll(zip+mod, "=\n", "= \n"), artifact.ErrCorrupt},
		{"nothing", "\n", artifact.ErrIdentity},
	} {
		err := Record{Text: []byte(c.text)}.Check(m, zipSum, modSum)
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestRecordMismatchNamesBothSums(t *testing.T) {
	m := module.Version{Path: "example.com/m", Version: "v1.0.0"}
	r := Record{Text: []byte("example.com/m v1.0.0 " + zipSum + "\nexample.com/m v1.0.0/go.mod " + modSum + "\n")}
	for _, c := range []struct {
		zip, mod, file string
	}{{zipSum, oldSum, "go.mod"}, {oldSum, modSum, "zip"}, {"", oldSum, "go.mod"}, {zipSum, "", "go.mod"}} {
		err := r.Check(m, c.zip, c.mod)
		have, log := c.zip, zipSum
		if c.file == "go.mod" {
			have, log = c.mod, modSum
		}
		if !errors.Is(err, ErrMismatch) || !errors.Is(err, artifact.ErrCorrupt) {
			t.Errorf("zip %q, go.mod %q: %v, want ErrMismatch", c.zip, c.mod, err)
			continue
		}
		for _, part := range []string{"example.com/m@v1.0.0", c.file, "have " + have, "the log says " + log} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not name %q", err, part)
			}
		}
	}
	if err := r.Check(m, "", modSum); err != nil {
		t.Errorf("go.mod only: %v", err)
	}
}

func TestLookupPath(t *testing.T) {
	for m, want := range map[module.Version]string{
		{Path: "example.com/m", Version: "v1.0.0"}:                                "lookup/example.com/m@v1.0.0",
		{Path: "example.com/Upper", Version: "v1.0.0-RC1"}:                        "lookup/example.com/!upper@v1.0.0-!r!c1",
		{Path: "example.com/old", Version: "v2.0.0+incompatible"}:                 "lookup/example.com/old@v2.0.0+incompatible",
		{Path: "gopkg.in/yaml.v3", Version: "v3.0.1"}:                             "lookup/gopkg.in/yaml.v3@v3.0.1",
		{Path: "golang.org/toolchain", Version: "v0.0.1-go1.26.2.linux-amd64"}:    "lookup/golang.org/toolchain@v0.0.1-go1.26.2.linux-amd64",
		{Path: "example.com/m/v2", Version: "v2.0.0-20260102030405-0123456789ab"}: "lookup/example.com/m/v2@v2.0.0-20260102030405-0123456789ab",
	} {
		path, err := LookupPath(m)
		if err != nil || path != want {
			t.Errorf("LookupPath(%s) = %q, %v; want %q", m, path, err, want)
		}
		if back, err := ParseLookupPath(want); err != nil || back != m {
			t.Errorf("ParseLookupPath(%q) = %v, %v", want, back, err)
		}
	}
	for _, path := range []string{
		"", "lookup/", "lookup/example.com/m", "lookup/example.com/m@", "lookup/@v1.0.0", "lookup/example.com/m@latest",
		"lookup/example.com/m@v1", "lookup/example.com/Upper@v1.0.0", "lookup/example.com/../m@v1.0.0", "lookup/m@v1.0.0@v1.0.0",
		"/lookup/example.com/m@v1.0.0", "tile/8/0/000", "lookup/example.com/m@v2.0.0", "lookup/example.com/m@v1.0.0/go.mod",
	} {
		if m, err := ParseLookupPath(path); err == nil || !strings.Contains(err.Error(), "malformed lookup") {
			t.Errorf("ParseLookupPath(%q) = %v, want an error", path, m)
		}
	}
	if path, err := LookupPath(module.Version{Path: "example.com/m", Version: "latest"}); err == nil || !strings.Contains(err.Error(), "not a semantic version") {
		t.Errorf("a lookup of latest: %q, want an error", path)
	}
}

func TestParseGOSUMDBShowsNoCredentials(t *testing.T) {
	for _, value := range []string{
		"https://me:canary@sums.example", "https://canary@sums.example x", "me:canary@sums.example",
		DefaultLog + " https://me:canary@sums.example:canary", DefaultLog + " https://me:canary canary@sums.example",
	} {
		if _, _, err := ParseGOSUMDB(value); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestParseLog(t *testing.T) {
	own := bigLog().Key()
	for _, c := range []struct {
		value, name, url string
	}{
		{"sum.golang.org", DefaultLog, ""},
		{" sum.golang.org\n", DefaultLog, ""},
		{"sum.golang.google.cn", DefaultLog, "https://sum.golang.google.cn"},
		{"sum.golang.org https://sums.corp.example", DefaultLog, "https://sums.corp.example"},
		{defaultKey, DefaultLog, ""},
		{own, "sums.corp.example/log", ""},
		{own + " https://elsewhere.example/x", "sums.corp.example/log", "https://elsewhere.example/x"},
	} {
		l, url, err := ParseGOSUMDB(c.value)
		if err != nil || l.Name() != c.name || url != c.url {
			t.Errorf("ParseGOSUMDB(%q) = %v, %q, %v", c.value, l, url, err)
		}
	}
	for _, value := range []string{"", "  ", "on", "sum.example.org", own + "x", "a b c", own + " http://[", own + " x y", "sum.golang.org+033de0ae+xyz", "off http://x.example"} {
		if l, _, err := ParseGOSUMDB(value); err == nil || errors.Is(err, ErrOff) {
			t.Errorf("ParseGOSUMDB(%q) = %v, %v; want an error about the value", value, l, err)
		}
	}
	if _, _, err := ParseGOSUMDB("off"); !errors.Is(err, ErrOff) {
		t.Errorf("off: %v, want ErrOff", err)
	}
	l, err := ParseLog(DefaultLog)
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Repository(); got != "sumdb/sum.golang.org" {
		t.Errorf("repository %q", got)
	}
	if got, want := l.TileEntry(281249), "sumdb/sum.golang.org/tile/8/0/x281/249"; got != want {
		t.Errorf("tile entry %q, want %q", got, want)
	}
}
