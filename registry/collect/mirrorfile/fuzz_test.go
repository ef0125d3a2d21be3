package mirrorfile

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/modferry/modferry/registry/requirement"
	"golang.org/x/mod/module"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte(bomb(3)))
	for _, w := range wrong {
		f.Add([]byte("version: 1\n" + w.line + "\n"))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("dir/modferry.yaml", data)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "dir/modferry.yaml:") {
					t.Fatalf("a problem without its place: %q", line)
				}
			}
			return
		}
		for _, m := range file.Modules {
			checkID(t, m.ID(), m.Line)
		}
		for _, v := range file.Tools {
			checkID(t, v.ID(), v.Line)
		}
		for _, v := range file.Toolchains {
			checkID(t, v.ID(), v.Line)
		}
		for _, v := range file.Projects {
			checkID(t, v.ID(), v.Line)
		}
		_ = file.CheckLock("modferry.lock", &Lock{})
		_ = file.Permits(module.Version{Path: "example.com/lib", Version: "v1.4.0"})
	})
}

// checkID checks that a lock can hold an ID.
func checkID(t *testing.T, id string, line int) {
	t.Helper()
	l := &Lock{Sources: []Locked{{ID: id}}, Sums: map[module.Version]requirement.Sums{}}
	back, err := ParseLock("modferry.lock", l.Format())
	if err != nil || !reflect.DeepEqual(withoutLines(back), l) || strings.ContainsFunc(id, unicode.IsControl) || line < 1 {
		t.Fatalf("line %d: ID %q: %+v, %v", line, id, back, err)
	}
}

func FuzzParseLock(f *testing.F) {
	f.Add([]byte(testLockText))
	f.Add([]byte("version: 1\nsources:\n  - source: \"a\"\n<<<<<<< HEAD\n"))
	f.Add([]byte("version: 1\nsources: [{source: a, needs: [example.com/a v1.0.0, &x y, *x]}]\n"))
	f.Add([]byte("version: 2\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := ParseLock("modferry.lock", data)
		if err != nil {
			return
		}
		text := l.Format()
		back, err := ParseLock("modferry.lock", text)
		if err != nil || !reflect.DeepEqual(withoutLines(back), withoutLines(l)) || !bytes.Equal(back.Format(), text) {
			t.Fatalf("%q is written %q: %v", data, text, err)
		}
	})
}
