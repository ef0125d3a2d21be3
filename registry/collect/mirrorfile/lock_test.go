package mirrorfile

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/strictyaml"
	"github.com/modferry/modferry/registry/requirement"
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
			{ID: "module example.com/a@latest", Needs: []requirement.Requirement{
				{Module: mod("example.com/a", "v1.9.0")},
				{Module: mod("example.com/a", "v1.10.0")},
				{Module: mod("example.com/b", "v2.0.0+incompatible"), ModOnly: true},
			}},
			{
				ID: `project ./my "service" # 1 +all`, Fingerprint: "sha256:00",
				Needs: []requirement.Requirement{
					{Module: mod("example.com/c/v3", "v3.0.0-20260101000000-0123456789ab"), Revisions: []string{"feature/x"}},
					{Module: mod("example.com/c/v3", "v3.1.0"), ModOnly: true, Revisions: []string{"main"}},
				},
			},
			{ID: "tool example.com/t@latest", Means: []module.Version{mod("example.com/t", "v1.9.0"), mod("example.com/t", "v1.10.0")}},
			{ID: "toolchain go1.26 linux/amd64"},
		},
		Sums: map[module.Version]requirement.Sums{
			mod("example.com/a", "v1.10.0"):                            {Zip: sumA, GoMod: sumB},
			mod("example.com/a", "v1.9.0"):                             {Zip: sumA},
			mod("example.com/b", "v2.0.0+incompatible"):                {GoMod: sumB},
			mod("golang.org/toolchain", "v0.0.1-go1.26.8.linux-amd64"): {Zip: sumB},
		},
	}
}

const testLockText = lockHeader + `version: 1
sources:
  - source: "module example.com/a@latest"
    needs:
      - example.com/a v1.9.0
      - example.com/a v1.10.0
      - example.com/b v2.0.0+incompatible/go.mod
  - source: "project ./my \"service\" # 1 +all"
    fingerprint: "sha256:00"
    needs:
      - example.com/c/v3 v3.0.0-20260101000000-0123456789ab
      - example.com/c/v3 v3.1.0/go.mod
    revisions:
      - "example.com/c/v3 feature/x v3.0.0-20260101000000-0123456789ab"
      - "example.com/c/v3 main v3.1.0"
  - source: "tool example.com/t@latest"
    means:
      - example.com/t v1.9.0
      - example.com/t v1.10.0
  - source: "toolchain go1.26 linux/amd64"
sums:
  - example.com/a v1.9.0 ` + sumA + `
  - example.com/a v1.10.0 ` + sumA + `
  - example.com/a v1.10.0/go.mod ` + sumB + `
  - example.com/b v2.0.0+incompatible/go.mod ` + sumB + `
  - golang.org/toolchain v0.0.1-go1.26.8.linux-amd64 ` + sumB + `
`

func TestLockFormatIsReadBackAsItWas(t *testing.T) {
	l := testLock()
	if got := string(l.Format()); got != testLockText {
		t.Errorf("got\n%s", got)
	}
	for name, text := range map[string]string{
		"as written":    testLockText,
		"with CRLF":     strings.ReplaceAll(testLockText, "\n", "\r\n"),
		"with comments": strings.ReplaceAll(strings.TrimPrefix(testLockText, lockHeader), "\n", "\n# why\n\n"),
	} {
		t.Run(name, func(t *testing.T) {
			back, err := ParseLock("modferry.lock", []byte(text))
			if err != nil || !reflect.DeepEqual(withoutLines(back), l) {
				t.Errorf("got %+v, %v", back, err)
			}
		})
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
	*needs = append(*needs, requirement.Requirement{Module: mod("example.com/a", "v1.9.0")})
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
	if s := l.Source(`project ./my "service" # 1 +all`); s != &l.Sources[1] {
		t.Errorf("got %+v", s)
	}
	if s := l.Source("project ./other"); s != nil {
		t.Errorf("got %+v", s)
	}
}

func TestLockNameIsBesideTheFile(t *testing.T) {
	for file, want := range map[string]string{
		"modferry.yaml": "modferry.lock", "a.b/c.yml": "a.b/c.lock", "a.b/c": "a.b/c.lock",
	} {
		if got := LockName(file); got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
	}
}

func TestParseLockRefusesWhatWasEdited(t *testing.T) {
	const (
		a    = "version: 1\nsources:\n  - source: \"a\"\n"
		sums = "version: 1\nsums:\n"
		b1   = "  - example.com/b v1.0.0 " + sumA + "\n"
	)
	for _, tt := range []struct{ name, text, want string }{
		{"a conflict", a + "<<<<<<< HEAD\n    needs:\n", ":4: this is a merge conflict: resolve it"},
		{"the end of a conflict", a + ">>>>>>> other\n", ":4: this is a merge conflict"},
		{"a source twice", a + "  - source: \"a\"\n", ":4: this line is not as modferry wrote it: a lock is sorted and says nothing twice"},
		{"sources out of order", "version: 1\nsources:\n  - source: \"b\"\n  - source: \"a\"\n", ":3: this line is not as modferry wrote it"},
		{"a need twice", a + "    needs:\n      - example.com/a v1.0.0\n      - example.com/a v1.0.0/go.mod\n", ":6: this line is not as modferry wrote it"},
		{"needs out of order", a + "    needs:\n      - example.com/a v1.10.0\n      - example.com/a v1.9.0\n", ":5: this line is not as modferry wrote it"},
		{"two meanings of a revision", a + "    needs:\n      - example.com/a v1.0.0\n      - example.com/a v1.1.0\n    revisions:\n      - \"example.com/a main v1.0.0\"\n      - \"example.com/a main v1.1.0\"\n", ":9: this line is not as modferry wrote it"},
		{"a revision of a version that is not needed", a + "    revisions:\n      - \"example.com/a main v1.0.0\"\n", ":5: example.com/a@v1.0.0 is not among the needs of the source"},
		{"two sums of a version", sums + b1 + "  - example.com/b v1.0.0 " + sumB + "\n", ":3: this line is not as modferry wrote it"},
		{"sums out of order", sums + b1 + "  - example.com/a v1.0.0 " + sumA + "\n", ":3: this line is not as modferry wrote it"},
		{"sums before sources", sums + b1 + "sources:\n  - source: \"a\"\n", ":2: this line is not as modferry wrote it"},
		{"a comment behind a fact", sums + strings.TrimSuffix(b1, "\n") + " # why\n", `# why" is not a sum`},
		{"an unknown field", a + "    want: x\n", ":4: this line is not as modferry wrote it"},
		{"an anchor", a + "    needs: &x\n      - example.com/a v1.0.0\n", ":4: this line is not as modferry wrote it"},
		{"an alias", a + "    needs:\n      - &x example.com/a v1.0.0\n      - *x\n", ":6: malformed module path"},
		{"a second document", a + "---\nversion: 1\n", ":4: this line is not as modferry wrote it"},
		{"an empty list", a + "    needs: []\n", ":4: this line is not as modferry wrote it"},
		{"a field twice", a + "    needs:\n      - example.com/a v1.0.0\n    needs:\n      - example.com/a v1.0.0\n", ":6: this line is not as modferry wrote it"},
		{"no version", a + "    needs:\n      - example.com/a\n", ":5: example.com/a@: invalid version"},
		{"a version that is not canonical", a + "    needs:\n      - example.com/a v1\n", ":5: \"v1\" is not a whole version"},
		{"a query", a + "    needs:\n      - example.com/a latest\n", ":5: example.com/a@latest"},
		{"a version of another module", a + "    needs:\n      - example.com/a v2.0.0\n", ":5: example.com/a@v2.0.0: invalid version"},
		{"a path that is none", a + "    needs:\n      - a/../b v1.0.0\n", ":5: malformed module path"},
		{"a fact of another type", a + "    needs:\n      - {x: y}\n", ":5: malformed module path"},
		{"a revision of a go.mod", a + "    revisions:\n      - \"example.com/a main v1.0.0/go.mod\"\n", ":5: example.com/a@v1.0.0/go.mod"},
		{"a go.mod that is meant", a + "    means:\n      - example.com/a v1.0.0/go.mod\n", ":5: this line is not as modferry wrote it"},
		{"means and needs", a + "    means:\n      - example.com/a v1.0.0\n    needs:\n      - example.com/a v1.0.0\n", ":7: the source has means as well as needs"},
		{"a short sum", sums + "  - example.com/a v1.0.0 h1:abc\n", `:3: example.com/a@v1.0.0: "h1:abc" is not a sum`},
		{"a sum of another kind", sums + strings.Replace(b1, "h1:", "h2:", 1), ":3: example.com/b@v1.0.0: "},
		{"a sum with bits behind its end", sums + strings.Replace(b1, "U=", "V=", 1), "is not a sum"},
		{"a very long sum", sums + "  - example.com/a v1.0.0 h1:" + strings.Repeat("A", 4000) + "\n", "is not a sum"},
		{"a list for a mapping", "version: 1\nsources: x\n", ":2: this line is not as modferry wrote it"},
		{"half a line", "version: 1\nsources:\n  - \"", ":2: this line is not as modferry wrote it"},
		{"nothing", "", ": this is not a lock of version: 1"},
		{"comments alone", "# x\n\n", ": this is not a lock of version: 1"},
		{"a newer version", "version: 2\nnews: x\n", ": this is not a lock of version: 1"},
		{"something else", "- a\n", ": this is not a lock of version: 1"},
		{"not UTF-8", "version: 1\nsources:\n  - source: \"\xff\"\n", ":3: the line is not UTF-8 text"},
		{"broken indentation", a + "   needs:\n", ":4: this line is not as modferry wrote it"},
		{"a break that only YAML knows", a + "# x\u2028    needs:\n", ":4: the line has a control character"},
		{"too much", strings.Repeat("\n", MaxLockSize+1), ": the file has 33554433 bytes; at most 33554432 are read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := ParseLock("modferry.lock", []byte(tt.text))
			if err == nil || !strings.HasPrefix(err.Error(), "modferry.lock:") || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 300 {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
			if l != nil {
				t.Errorf("there is a lock nevertheless: %+v", l)
			}
		})
	}
}

func TestParseLockTellsEveryFalseFactButNotForEver(t *testing.T) {
	const head = "version: 1\nsums:\n"
	for facts, want := range map[int]int{2: 4, 1000: strictyaml.MaxProblems} { // of each, the version and the sum
		_, err := ParseLock("modferry.lock", []byte(head+strings.Repeat("  - example.com/a v1 x\n", facts)))
		if err == nil || strings.Count(err.Error(), "modferry.lock:") != want {
			t.Errorf("%d facts: got %.300v, want %d problems", facts, err, want)
		}
	}
}
