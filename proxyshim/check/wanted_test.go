package check

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/proxyshim"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// miss reads path@version, path@version?revision, or path?query.
func miss(text string) proxyshim.Miss {
	name, query, _ := strings.Cut(text, "?")
	path, version, _ := strings.Cut(name, "@")
	return proxyshim.Miss{Module: module.Version{Path: path, Version: version}, Query: query, Named: version != "", Count: 1, First: noon, Last: noon}
}

func TestWantedLeavesOutWhatWasMerelyTried(t *testing.T) {
	p := newProject(t, nil, files{"go.mod": "module corp.example/app\n\ngo 1.24\n\n" +
		"require (\n\tcorp.example/group/lib v1.0.0\n\tcorp.example/a v1.0.0\n)\n\nreplace corp.example/a => corp.example/group v1.0.0\n"})
	for _, tt := range []struct {
		name       string
		miss, want string // separated by spaces; own paths begin with "own:"
	}{
		{"nothing", "", ""},
		{"versions and revisions are always wanted", "example.com/a@v1.0.0 example.com/a/b@v1.0.0 example.com/a?main", "example.com/a?main example.com/a@v1.0.0 example.com/a/b@v1.0.0"},
		{
			"prefixes of a package are not",
			"example.com?list example.com?latest example.com/a?list example.com/a?latest example.com/a/b?list example.com/a/b?latest",
			"example.com/a/b?latest",
		},
		{"a path that begins alike is no prefix", "example.com/a?list example.com/ab?latest", "example.com/a?latest example.com/ab?latest"},
		{"what go.mod names is wanted, whatever is below it", "corp.example/group?list corp.example/group/lib?list corp.example?list", "corp.example/group?latest corp.example/group/lib?latest"},
		{"hosts with fixed places for repositories", "github.com/o/r/pkg?list github.com/o/r?list github.com/o?list", "github.com/o/r?latest"},
		{"… unless that is there, without the package, which a module within it may have", "github.com/o/r/mod/pkg?list github.com/o/r/mod?list", "github.com/o/r/mod/pkg?latest"},
		{"… in a major version", "github.com/o/r/v2/pkg?list github.com/o/r/v2?list github.com/o/r?list github.com/o?list", "github.com/o/r/v2?latest"},
		{"… whichever package of them", "golang.org/x/text/a?list golang.org/x/text/b?list golang.org/x/text?latest", "golang.org/x/text?latest"},
		{"the project's own packages are not, nor what was tried for them", "corp.example?list corp.example/app?list corp.example/app/gone?latest", "own:corp.example/app/gone"},
		{"… nor is its own path", "corp.example/app?list corp.example?list", "own:corp.example/app"},
		{"… but a path that begins alike is", "corp.example/application?list", "corp.example/application?latest"},
		{"versions of nested modules, of which the one above was tried, too", "example.com/a@v1.0.0 example.com/a?list example.com/a/b@v1.0.0 example.com/a/b?list", "example.com/a@v1.0.0 example.com/a/b?latest example.com/a/b@v1.0.0"},
		{"… but not a path that is too short", "github.com/o?list", "github.com/o?latest"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var misses []proxyshim.Miss
			for _, text := range strings.Fields(tt.miss) {
				misses = append(misses, miss(text))
			}
			var got []string
			wanted, own := Wanted(misses, misses, p)
			for _, m := range wanted {
				if m.Named {
					t.Errorf("%v is named", m.Module)
				}
				text := m.Module.String()
				if m.Query != "" {
					text += "?" + m.Query
				}
				got = append(got, text)
			}
			for _, path := range own {
				got = append(got, "own:"+path)
			}
			if want := strings.Fields(tt.want); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestWantedKeepsCountsAndTimes(t *testing.T) {
	p := newProject(t, nil, files{"go.mod": "module corp.example/app\n"})
	list, latest := miss("example.com/a?list"), miss("example.com/a?latest")
	list.Count, list.First, list.Last = 3, noon.Add(-time.Hour), noon.Add(time.Minute)
	latest.Count, latest.Last = 2, noon.Add(time.Hour)
	misses := []proxyshim.Miss{latest, list}
	got, _ := Wanted(misses, misses, p)
	want := proxyshim.Miss{Module: module.Version{Path: "example.com/a"}, Query: "latest", Count: 3, First: list.First, Last: latest.Last}
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestWhatWasOnlyTriedIsNotWanted(t *testing.T) {
	p := newProject(t, nil, files{"go.mod": "module corp.example/app\n\ngo 1.24\n\nrequire example.com/known v1.0.0\n", "a.go": "package a\n"})
	misses := []proxyshim.Miss{miss("example.com@v1.0.0"), miss("github.com/BurntSushi?latest"), miss("example.com/known?latest"), miss("example.org/x?latest")}
	got, _ := Wanted(misses, []proxyshim.Miss{miss("example.org/x?latest")}, p)
	var paths []string
	for _, m := range got {
		paths = append(paths, m.Module.Path)
	}
	if want := []string{"example.com", "example.com/known", "example.org/x"}; !slices.Equal(paths, want) {
		t.Errorf("wanted %q, want %q", paths, want)
	}
}
