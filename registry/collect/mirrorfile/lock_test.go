package mirrorfile

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/mod/module"
)

const (
	sumA = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	sumB = "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
)

func mod(path, version string) module.Version { return module.Version{Path: path, Version: version} }

// withoutLines forgets where the sources of a lock were read.
func withoutLines(l *Lock) *Lock {
	if l == nil {
		return nil
	}
	for i := range l.Sources {
		l.Sources[i].Line = 0
	}
	return l
}

func testLock() *Lock {
	return &Lock{
		Sources: []Locked{
			{ID: "module example.com/a@latest", Needs: []Need{
				{Module: mod("example.com/a", "v1.9.0")},
				{Module: mod("example.com/a", "v1.10.0")},
				{Module: mod("example.com/b", "v2.0.0+incompatible"), ModOnly: true},
			}},
			{
				ID: "project ./my service # 1 +all", Fingerprint: "sha256:00",
				Needs:     []Need{{Module: mod("example.com/c/v3", "v3.0.0-20260101000000-0123456789ab")}},
				Revisions: []Revision{{"example.com/c/v3", "feature/x", "v3.0.0-20260101000000-0123456789ab"}, {"example.com/c/v3", "main", "v3.1.0"}},
			},
			{ID: "tool example.com/t@latest", Means: []module.Version{mod("example.com/t", "v1.9.0"), mod("example.com/t", "v1.10.0")}},
			{ID: "toolchain go1.26 linux/amd64"},
		},
		Sums: map[module.Version]Sums{
			mod("example.com/a", "v1.10.0"):                            {Zip: sumA, GoMod: sumB},
			mod("example.com/a", "v1.9.0"):                             {Zip: sumA},
			mod("example.com/b", "v2.0.0+incompatible"):                {GoMod: sumB},
			mod("golang.org/toolchain", "v0.0.1-go1.26.8.linux-amd64"): {Zip: sumB},
		},
	}
}

const testLockText = lockHeader + `
source module example.com/a@latest
	need example.com/a v1.9.0
	need example.com/a v1.10.0
	need example.com/b v2.0.0+incompatible/go.mod

source project ./my service # 1 +all
	fingerprint sha256:00
	need example.com/c/v3 v3.0.0-20260101000000-0123456789ab
	revision example.com/c/v3 feature/x v3.0.0-20260101000000-0123456789ab
	revision example.com/c/v3 main v3.1.0

source tool example.com/t@latest
	means example.com/t v1.9.0
	means example.com/t v1.10.0

source toolchain go1.26 linux/amd64

sums
example.com/a v1.9.0 ` + sumA + `
example.com/a v1.10.0 ` + sumA + `
example.com/a v1.10.0/go.mod ` + sumB + `
example.com/b v2.0.0+incompatible/go.mod ` + sumB + `
golang.org/toolchain v0.0.1-go1.26.8.linux-amd64 ` + sumB + `
`

func TestLockFormatIsReadBackAsItWas(t *testing.T) {
	l := testLock()
	if got := string(l.Format()); got != testLockText {
		t.Errorf("got\n%s", got)
	}
	for name, text := range map[string]string{"as written": testLockText, "with CRLF": strings.ReplaceAll(testLockText, "\n", "\r\n")} {
		back, err := ParseLock("modferry.lock", []byte(text))
		if err != nil || !reflect.DeepEqual(withoutLines(back), l) {
			t.Errorf("%s: got %+v, %v", name, back, err)
		}
	}
	empty, err := ParseLock("modferry.lock", (&Lock{}).Format())
	if err != nil || len(empty.Sources) != 0 || len(empty.Sums) != 0 {
		t.Errorf("the empty lock: %+v, %v", empty, err)
	}
}

func TestLockFormatDoesNotDependOnOrderNorDoubles(t *testing.T) {
	l := testLock()
	l.Sources[0], l.Sources[2] = l.Sources[2], l.Sources[0]
	needs := &l.Sources[2].Needs
	(*needs)[0], (*needs)[1] = (*needs)[1], (*needs)[0]
	*needs = append(*needs, Need{Module: mod("example.com/a", "v1.9.0"), ModOnly: true}, Need{Module: mod("example.com/a", "v1.9.0")})
	before := fmt.Sprint(l)
	if got := string(l.Format()); got != testLockText {
		t.Errorf("got\n%s", got)
	}
	if after := fmt.Sprint(l); after != before {
		t.Errorf("Format changed the lock from %s to %s", before, after)
	}
}

func TestLockFindsSourcesByID(t *testing.T) {
	l := testLock()
	if s := l.Source("project ./my service # 1 +all"); s != &l.Sources[1] {
		t.Errorf("got %+v", s)
	}
	if s := l.Source("project ./other"); s != nil {
		t.Errorf("got %+v", s)
	}
}

func TestLockNameIsBesideTheFile(t *testing.T) {
	for file, want := range map[string]string{
		"modferry.yaml": "modferry.lock", "a.b/c.yml": "a.b/c.lock", "a.b/c": "a.b/c.lock", "x.lock": "x.lock.lock",
	} {
		if got := LockName(file); got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
	}
}

func TestParseLockSaysWhatIsWrongOnWhichLine(t *testing.T) {
	for _, tt := range []struct{ lines, want string }{
		{"need example.com/a v1.0.0", ":2: this must be a line source or sums"},
		{"source", ":2: the source is missing"},
		{"source a\nsource a", `:3: the source "a" is there already, on line 2`},
		{"source a\nsums\nsource b", ":4: this must be PATH VERSION h1:…"},
		{"source a\nwant example.com/a v1.0.0", ":3: this must be one of need PATH VERSION"},
		{"source a\nneed example.com/a", ":3: this must be one of need"},
		{"source a\nneed example.com/a v1", ":3: example.com/a@v1: the version is not canonical"},
		{"source a\nneed example.com/a latest", ":3: example.com/a@latest"},
		{"source a\nneed example.com/a v2.0.0", ":3: example.com/a@v2.0.0: invalid version"},
		{"source a\nneed a/../b v1.0.0", ":3: malformed module path"},
		{"source a\nneed example.com/a v1.0.0\nneed example.com/a v1.0.0/go.mod", ":4: the source says this twice"},
		{"source a\nrevision example.com/a main v1.0.0\nrevision example.com/a main v1.1.0", ":4: the source says this twice"},
		{"source a\nrevision example.com/a main v1.0.0/go.mod", ":3: a revision is of a version"},
		{"source a\nmeans example.com/a v1.0.0\nneed example.com/a v1.0.0", ":2: the source has lines means as well as need"},
		{"source a\nfingerprint x\nfingerprint x", ":4: the source says this twice"},
		{"source a\nfingerprint", ":3: this must be one of"},
		{"source a\xff", ":2: the line is not UTF-8 text"},
		{"sums\nsums", ":3: this must be PATH VERSION"},
		{"sums\nexample.com/a v1.0.0 h1:abc", `:3: example.com/a@v1.0.0: "h1:abc" is not a sum`},
		{"sums\nexample.com/a v1.0.0 " + strings.Replace(sumA, "h1:", "h2:", 1), "is not a sum"},
		{"sums\nexample.com/a v1.0.0 " + strings.Replace(sumA, "U=", "V=", 1), "is not a sum"},
		{"sums\nexample.com/a v1.0.0 h1:" + strings.Repeat("A", 4000), "is not a sum"},
		{"sums\nexample.com/a v1.0.0 " + sumA + "\nexample.com/a v1.0.0 " + sumA, ":4: example.com/a@v1.0.0: this sum is there already"},
		{"<<<<<<< HEAD\nsource a\n=======\nsource b\n>>>>>>> other", ":2: this is a merge conflict"},
	} {
		_, err := ParseLock("modferry.lock", []byte("version 1\n"+tt.lines+"\n"))
		if err == nil || !strings.HasPrefix(err.Error(), "modferry.lock:") || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 300 {
			t.Errorf("%q:\n got %v\nwant %s", tt.lines, err, tt.want)
		}
	}
	for text, want := range map[string]string{
		"":               "modferry.lock:1: the file is empty: a lock begins with version 1; delete it to make a new one",
		"# x\n\n":        "modferry.lock:1: the file is empty: a lock begins with version 1; delete it to make a new one",
		"# x\nversion 2": `modferry.lock:2: this modferry reads version 1 of locks, not "2"; a newer one may`,
		"{}":             "modferry.lock:1: this is no modferry.lock: it begins with version 1",
	} {
		if _, err := ParseLock("modferry.lock", []byte(text)); fmt.Sprint(err) != want {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}

func TestParseLockReportsEveryProblemButNotForEver(t *testing.T) {
	_, err := ParseLock("modferry.lock", []byte("version 1\nsource a\nbad\nsource b\nworse\n"))
	if want := 2; err == nil || strings.Count(err.Error(), "\n") != want-1 {
		t.Errorf("got %v, want %d problems", err, want)
	}
	_, err = ParseLock("modferry.lock", []byte("version 1\n"+strings.Repeat("bad\n", 1_000_000)))
	if err == nil || strings.Count(err.Error(), "\n") != maxProblems || !strings.HasSuffix(err.Error(), "and 999900 more problems") {
		t.Errorf("got %.200v", err)
	}
	_, err = ParseLock("modferry.lock", bytes.Repeat([]byte("\n"), MaxLockSize+1))
	if err == nil || !strings.Contains(err.Error(), "at most 67108864 are read") {
		t.Errorf("got %v", err)
	}
}
