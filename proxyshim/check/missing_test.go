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
	return proxyshim.Miss{Module: module.Version{Path: path, Version: version}, Query: query, Count: 1, First: noon, Last: noon}
}

func TestWishesOfAProject(t *testing.T) {
	p := newProject(t, nil, files{"go.mod": "module corp.example/app\n\ngo 1.24\n"})
	for _, tt := range []struct {
		name, wishes string
		missing, own string // separated by spaces
	}{
		{"nothing", "", "", ""},
		{"versions, queries and revisions of others", "example.com/a@v1.0.0 example.com/a?latest example.com/a?main", "example.com/a@v1.0.0 example.com/a?latest example.com/a?main", ""},
		{"a package of the project is its own business", "corp.example/app/gone?latest", "", "corp.example/app/gone"},
		{"… and so is its own path", "corp.example/app?latest", "", "corp.example/app"},
		{"… but no path that begins alike, or is above", "corp.example?latest corp.example/application?latest", "corp.example?latest corp.example/application?latest", ""},
		{"… and no version that something names", "corp.example/app/nested@v1.0.0", "corp.example/app/nested@v1.0.0", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var wishes []proxyshim.Miss
			for _, text := range strings.Fields(tt.wishes) {
				wishes = append(wishes, miss(text))
			}
			missing, own := Missing(wishes, p)
			var got []string
			for _, m := range missing {
				if m.Count != 1 || m.First != noon {
					t.Errorf("%+v lost its count or time", m)
				}
				text := m.Module.String()
				if m.Query != "" {
					text += "?" + m.Query
				}
				got = append(got, text)
			}
			if want := strings.Fields(tt.missing); !slices.Equal(got, want) {
				t.Errorf("missing %q, want %q", got, want)
			}
			if want := strings.Fields(tt.own); !slices.Equal(own, want) {
				t.Errorf("own %q, want %q", own, want)
			}
		})
	}
}
