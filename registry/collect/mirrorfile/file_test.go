package mirrorfile

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/module"
)

func TestPermitsObeysBothLists(t *testing.T) {
	f, err := Parse("modferry.yaml", []byte(`version: 1
allow: ["github.com/**", "example.com/lib"]
deny:
  - modules: ["github.com/evil/**", "example.com/lib@<v1.4.2"]
    reason: CVE-2026-0001
  - modules: ["golang.org/toolchain@v0.0.1-go1.25.0.linux-amd64"]
projects: [.]
`))
	must(t, f, err)
	for text, want := range map[string]string{
		"github.com/good/x@v1.0.0":                           "<nil>",
		"example.com/lib@v1.4.2":                             "<nil>",
		"example.com/lib@v1.4.1":                             "modferry.yaml:4: deny: example.com/lib@v1.4.1 is kept out by example.com/lib@<v1.4.2: CVE-2026-0001",
		"example.com/lib@v0.0.0-20260101000000-0123456789ab": "modferry.yaml:4: deny: example.com/lib@v0.0.0-20260101000000-0123456789ab is kept out by example.com/lib@<v1.4.2: CVE-2026-0001",
		"github.com/evil@v1.0.0":                             "modferry.yaml:4: deny: github.com/evil@v1.0.0 is kept out by github.com/evil/**: CVE-2026-0001",
		"github.com/evil/x@v2.0.0+incompatible":              "modferry.yaml:4: deny: github.com/evil/x@v2.0.0+incompatible is kept out by github.com/evil/**: CVE-2026-0001",
		"github.com/Evil/x@v1.0.0":                           "modferry.yaml:4: deny: github.com/Evil/x@v1.0.0 is kept out by github.com/evil/**: CVE-2026-0001",
		"example.com/Lib@v1.4.2":                             "modferry.yaml:2: allow: example.com/Lib@v1.4.2 is kept out, as nothing in the list matches it; add a pattern if it may be mirrored",
		"example.com/lib/v2@v2.0.0":                          "modferry.yaml:2: allow: example.com/lib/v2@v2.0.0 is kept out, as nothing in the list matches it; add a pattern if it may be mirrored",
		"golang.org/toolchain@v0.0.1-go1.26.8.linux-amd64":   "<nil>",
		"golang.org/toolchain@v0.0.1-go1.25.0.linux-amd64":   "modferry.yaml:6: deny: golang.org/toolchain@v0.0.1-go1.25.0.linux-amd64 is kept out by golang.org/toolchain@v0.0.1-go1.25.0.linux-amd64",
	} {
		path, version, _ := strings.Cut(text, "@")
		err := f.Permits(module.Version{Path: path, Version: version})
		if fmt.Sprint(err) != want {
			t.Errorf("%s:\n got %v\nwant %s", text, err, want)
		}
		if denied := want != "<nil>"; errors.Is(err, ErrDenied) != denied {
			t.Errorf("%s: %v is ErrDenied: %v", text, err, !denied)
		}
	}
}

func TestPermitsLetsAllInWithoutLists(t *testing.T) {
	if err := new(File).Permits(module.Version{Path: "example.com/m", Version: "v1.0.0"}); err != nil {
		t.Error(err)
	}
}

func TestPermitsJudgesNoQueries(t *testing.T) {
	f, err := Parse("modferry.yaml", []byte("version: 1\ndeny: [{modules: [example.com/m@<v2]}]\nprojects: [.]\n"))
	must(t, f, err)
	for _, version := range []string{"", "latest", "main", "v1", "v1.2", "v1.2.3+meta"} {
		err := f.Permits(module.Version{Path: "example.com/m", Version: version})
		if err == nil || errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "is not a canonical version") {
			t.Errorf("%q: %v", version, err)
		}
	}
}
