package mirrorfile

import (
	"reflect"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact/goproxy"
)

const example = `version: 1
store: harbor.example/golang
key: cosign.key
upstream: https://proxy.example,direct
private: ["corp.example/*"]
tools:
  - golang.org/x/tools/cmd/stringer@latest
  - {package: example.com/t/cmd/x, query: v1.0.0, platforms: [windows/amd64]}
toolchains:
  - go1.26
  - {release: go1.25.3, platforms: [linux/arm64]}
  - latest
platforms: [linux/amd64, darwin/arm64]
projects:
  - ./service
  - {dir: ../lib, downloadAll: true}
  - /srv/build
modules:
  - golang.org/x/text@latest
  - {module: github.com/spf13/cobra, versions: ">=v1.4.0,<v2"}
  - {module: github.com/google/uuid, latest: 3}
  - {module: example.com/m, query: v1.2.3, deps: false}
  - {module: example.com/m, query: <v1.5, deps: true}
allow: ["github.com/**", "golang.org/x/**"]
deny:
  - modules: ["github.com/evil/**", "example.com/lib@<v1.4.2"]
    reason: CVE-2026-0001
  - modules: [example.com/old]
`

func must[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func patterns(t testing.TB, texts ...string) []goproxy.Pattern {
	t.Helper()
	var list []goproxy.Pattern
	for _, s := range texts {
		p, err := goproxy.ParsePattern(s)
		list = append(list, must(t, p, err))
	}
	return list
}

func TestParseReadsEveryField(t *testing.T) {
	versions, err := goproxy.ParseRange(">=v1.4.0 <v2")
	must(t, versions, err)
	both := []string{"linux/amd64", "darwin/arm64"}
	want := &File{
		Name: "deploy/modferry.yaml", Store: "harbor.example/golang", Key: "deploy/cosign.key", Upstream: "https://proxy.example,direct",
		Private: []string{"corp.example/*"}, Platforms: both,
		Projects: []Project{
			{Dir: "deploy/service", Text: "./service", Line: 15},
			{Dir: "lib", DownloadAll: true, Text: "../lib", Line: 16},
			{Dir: "/srv/build", Text: "/srv/build", Line: 17},
		},
		Modules: []Module{
			{Path: "golang.org/x/text", Query: "latest", Line: 19},
			{Path: "github.com/spf13/cobra", Range: versions, Line: 20},
			{Path: "github.com/google/uuid", Latest: 3, Line: 21},
			{Path: "example.com/m", Query: "v1.2.3", Alone: true, Line: 22},
			{Path: "example.com/m", Query: "<v1.5", Line: 23},
		},
		Tools: []Tool{
			{Package: "golang.org/x/tools/cmd/stringer", Query: "latest", Platforms: both, Line: 7},
			{Package: "example.com/t/cmd/x", Query: "v1.0.0", Platforms: []string{"windows/amd64"}, Line: 8},
		},
		Toolchains: []Toolchain{
			{Release: "go1.26", Platforms: both, Line: 10},
			{Release: "go1.25.3", Platforms: []string{"linux/arm64"}, Line: 11},
			{Release: "latest", Platforms: both, Line: 12},
		},
		Allow: []Rule{{Patterns: patterns(t, "github.com/**"), Line: 24}, {Patterns: patterns(t, "golang.org/x/**"), Line: 24}},
		Deny: []Rule{
			{Patterns: patterns(t, "github.com/evil/**", "example.com/lib@<v1.4.2"), Reason: "CVE-2026-0001", Line: 26},
			{Patterns: patterns(t, "example.com/old"), Line: 28},
		},
	}
	got, err := Parse("deploy/modferry.yaml", []byte(example))
	must(t, got, err)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
	if windows, err := Parse("deploy/modferry.yaml", []byte(strings.ReplaceAll(example, "\n", "\r\n"))); err != nil || !reflect.DeepEqual(windows, want) {
		t.Errorf("with CRLF: %+v, %v", windows, err)
	}
}

func TestParseResolvesDefaultsAndPaths(t *testing.T) {
	for _, tt := range []struct{ text, field, want string }{
		{"store: oci:./store", "Store", "oci:dir/store"},
		{"store: oci:/srv/store", "Store", "oci:/srv/store"},
		{"store: corp.example=oci:../private, evil.example=none,harbor.example/golang", "Store", "corp.example=oci:private, evil.example=none,harbor.example/golang"},
		{"store: http://localhost:5000", "Store", "http://localhost:5000"},
		{"key: ../keys/cosign.key", "Key", "keys/cosign.key"},
		{"key: /keys/cosign.key", "Key", "/keys/cosign.key"},
		{"key: awskms:///alias/modferry", "Key", "awskms:///alias/modferry"},
		{"upstream: file:///srv/cache|off", "Upstream", "file:///srv/cache|off"},
	} {
		f, err := Parse("dir/modferry.yaml", []byte("version: 1\nprojects: [.]\n"+tt.text+"\n"))
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if got := reflect.ValueOf(*f).FieldByName(tt.field).String(); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.text, got, tt.want)
		}
	}
	f, err := Parse("modferry.yaml", []byte("projects: [., {dir: ./a, downloadAll: false}]\ndownloadAll: true\nversion: 1\n"))
	must(t, f, err)
	if p := f.Projects; p[0].Dir != "." || !p[0].DownloadAll || p[1].Dir != "a" || p[1].DownloadAll {
		t.Errorf("projects: %+v", p)
	}
}

func TestIDsNameWhatEntriesAskFor(t *testing.T) {
	f, err := Parse("modferry.yaml", []byte(example))
	must(t, f, err)
	var got []string
	for _, p := range f.Projects {
		got = append(got, p.ID())
	}
	for _, m := range f.Modules {
		got = append(got, m.ID())
	}
	for _, v := range f.Tools {
		got = append(got, v.ID())
	}
	for _, v := range f.Toolchains {
		got = append(got, v.ID())
	}
	got = append(got, Tool{Package: "example.com/x", Query: "v1.0.0"}.ID())
	want := []string{
		"project ./service", "project+all ../lib", "project /srv/build",
		"module golang.org/x/text@latest", "module github.com/spf13/cobra >=v1.4.0 <v2", "module github.com/google/uuid latest 3",
		"module example.com/m@v1.2.3 alone", "module example.com/m@<v1.5",
		"tool golang.org/x/tools/cmd/stringer@latest darwin/arm64,linux/amd64", "tool example.com/t/cmd/x@v1.0.0 windows/amd64",
		"toolchain go1.26 darwin/arm64,linux/amd64", "toolchain go1.25.3 linux/arm64", "toolchain latest darwin/arm64,linux/amd64",
		"tool example.com/x@v1.0.0",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestParseReportsEveryProblemByLine(t *testing.T) {
	_, err := Parse("modferry.yaml", []byte(`version: 1
modles: [golang.org/x/text@latest]
deny:
  - {modules: ["github.com/x/..."]}
platforms: [linux/x86_64]
projects: [""]
`))
	want := `modferry.yaml:2: there is no field "modles": did you mean modules?
modferry.yaml:4: deny: modules: "github.com/x/..." is not a pattern for modules: did you mean github.com/x/**?
modferry.yaml:5: platforms: "linux/x86_64" is not a platform: write it os/arch with Go's names, like linux/amd64, darwin/arm64 or windows/386
modferry.yaml:6: projects: the text is empty, begins or ends with a space, or has several lines`
	if err == nil || err.Error() != want {
		t.Fatalf("got\n%v\nwant\n%s", err, want)
	}
}
