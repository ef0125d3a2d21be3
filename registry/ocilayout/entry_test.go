package ocilayout

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestEntriesHaveOneForm(t *testing.T) {
	e := entry{ref: "corp.example/lib_u1:v1.2.3-rc.1_incompatible", mediaType: ocispec.MediaTypeImageManifest, digest: zeros, size: 90}
	if got, ok := parseEntry(e.line()); !ok || got != e {
		t.Fatalf("%s became %+v", e.line(), got)
	}
	for name, change := range map[string][2]string{
		"space":                      {`,"size"`, `, "size"`},
		"member more":                {`}`, `,"platform":{}}`},
		"member between":             {`,"size"`, `,"x":1,"size"`},
		"escape":                     {`corp`, `\u0063orp`},
		"quote":                      {`corp`, `co"rp`},
		"no tag":                     {`:v1.2.3-rc.1_incompatible`, ``},
		"empty tag":                  {`:v1.2.3-rc.1_incompatible`, `:`},
		"no repository":              {`corp.example/lib_u1:`, `:`},
		"port":                       {`corp.example/`, `corp.example:5000/`},
		"upper case in a repository": {`corp`, `Corp`},
		"slash in a tag":             {`rc.1`, `rc/1`},
		"short digest":               {`00"`, `0"`},
		"another algorithm":          {`sha256:`, `sha512:`},
		"upper case in a digest":     {`00"`, `0A"`},
		"negative size":              {`:90`, `:-90`},
		"size with a sign":           {`:90`, `:+90`},
		"size with a zero":           {`:90`, `:090`},
		"size that is too large":     {`:90`, `:99999999999999999999`},
		"no size":                    {`:90`, `:`},
		"text behind":                {`}`, `} `},
	} {
		line := e.line()
		i := strings.LastIndex(line, change[0])
		if i < 0 {
			t.Fatalf("%s: no %s in %s", name, change[0], line)
		}
		line = line[:i] + change[1] + line[i+len(change[0]):]
		if got, ok := parseEntry(line); ok {
			t.Errorf("%s: %s is taken for %+v", name, line, got)
		}
	}
}

func FuzzEntry(f *testing.F) {
	f.Add(entry{ref: "a.b/c:v1", mediaType: "x/y", digest: zeros}.line())
	f.Fuzz(func(t *testing.T, line string) {
		if e, ok := parseEntry(line); ok && e.line() != line {
			t.Errorf("%q became %q", line, e.line())
		}
	})
}

// What a start costs must not grow with what nobody looks up: the entries stay text.
func TestOpeningALargeIndexAllocatesLittle(t *testing.T) {
	x, err := parseIndex(emptyIndex)
	if err != nil {
		t.Fatal(err)
	}
	const repositories, versions = 200, 10
	for i := range repositories * versions {
		x.journal.add(entry{ref: fmt.Sprintf("example.com/m%d:v1.%d.0", i/versions, i), mediaType: "x/y", digest: zeros, size: 5})
	}
	var text strings.Builder
	if err := x.write(&text); err != nil {
		t.Fatal(err)
	}
	allocations := testing.AllocsPerRun(5, func() { x, err = parseIndex(text.String()) })
	if err != nil || len(x.repositories()) != repositories || len(x.tags("example.com/m7")) != versions {
		t.Fatalf("%v, %d repositories", err, len(x.repositories()))
	}
	if allocations > 100 {
		t.Errorf("%v allocations for %d entries", allocations, repositories*versions)
	}
}

// A store that mirror fills has all its tags in the journal until the end.
func TestTagsTakeLittleMemory(t *testing.T) {
	var lines strings.Builder
	const repos = 5000
	for i := range repos {
		for _, tag := range []string{"v1.0.0", "sha256-" + zeros[len("sha256:"):] + ".sig"} {
			e := entry{ref: fmt.Sprintf("example.com/m%d:%s", i, tag), mediaType: "x/y", digest: zeros, size: 5}
			lines.WriteString(e.line() + "\n")
		}
	}
	x := &index{journal: tags{}}
	before := heapInUse()
	x.apply(lines.String())
	if got := (heapInUse() - before) / (2 * repos); len(x.journal) != repos || got > 150 {
		t.Errorf("%d repositories, and %d bytes for each tag beside its line; want %d, and at most 150", len(x.journal), got, repos)
	}
	runtime.KeepAlive(x)
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
