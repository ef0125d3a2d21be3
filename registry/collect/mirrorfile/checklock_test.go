package mirrorfile

import (
	"strings"
	"testing"

	"github.com/modferry/modferry/registry/requirement"
	"golang.org/x/mod/module"
)

func TestCheckLockRefusesVersionsThatAnEntryDoesNotAskFor(t *testing.T) {
	const file = `version: 1
modules:
  - example.com/m@v1.4.0
  - example.com/q@latest
  - example.com/meta@v1.0.0+ent
  - example.com/old@v2.0.0
  - {module: example.com/r, versions: ">=v1.4.0 <v2"}
  - {module: example.com/n, latest: 2}
tools: [example.com/t/cmd/x@v1.2.3]
toolchains: [{release: go1.26, platforms: [linux/amd64]}, go1.25.3, latest]
projects: [./p]
`
	f, err := Parse("modferry.yaml", []byte(file))
	must(t, f, err)
	needs := func(texts ...string) (l []requirement.Requirement) {
		for _, s := range texts {
			path, version, _ := strings.Cut(s, " ")
			version, modOnly := strings.CutSuffix(version, "/go.mod")
			l = append(l, requirement.Requirement{Module: mod(path, version), ModOnly: modOnly})
		}
		return l
	}
	for _, tt := range []struct {
		name string
		lock Locked
		want string
	}{
		{"another entry's", Locked{ID: "module example.com/other@latest", Needs: needs("example.com/m v1.3.0")}, ""},
		{"the version", Locked{ID: "module example.com/m@v1.4.0", Needs: needs("example.com/dep v1.0.0", "example.com/m v1.4.0")}, ""},
		{"a tag with metadata", Locked{ID: "module example.com/meta@v1.0.0+ent", Needs: needs("example.com/meta v1.0.1-0.20200101000000-0123456789ab")}, ""},
		{"an incompatible version", Locked{ID: "module example.com/old@v2.0.0", Needs: needs("example.com/old v2.0.0+incompatible")}, ""},
		{"another version", Locked{ID: "module example.com/m@v1.4.0", Needs: needs("example.com/m v1.3.0")}, "no line below it names a version"},
		{"its go.mod alone", Locked{ID: "module example.com/m@v1.4.0", Needs: needs("example.com/m v1.4.0/go.mod")}, "no line below it names a version"},
		{"nothing for a query", Locked{ID: "module example.com/q@latest"}, "no line below it names a version"},
		{"another module for a query", Locked{ID: "module example.com/q@latest", Needs: needs("example.com/dep v1.0.0")}, "no line below it names a version"},
		{"the module of a package", Locked{ID: "module example.com/q@latest", Needs: needs("example.com v1.0.0")}, ""},
		{"a query that means another module", Locked{ID: "module example.com/q@latest", Means: mods("example.com/dep v1.0.0")}, "it cannot mean example.com/dep@v1.0.0"},
		{"a query that means two versions", Locked{ID: "module example.com/q@latest", Means: mods("example.com/q v1.0.0", "example.com/q v1.1.0")}, "it cannot mean 2 versions"},
		{"a range", Locked{ID: "module example.com/r >=v1.4.0 <v2", Needs: needs("example.com/r v1.0.0/go.mod", "example.com/r v1.5.0")}, ""},
		{"what is not in a range", Locked{ID: "module example.com/r >=v1.4.0 <v2", Needs: needs("example.com/r v1.0.0")}, "no line below it names a version"},
		{"a range that means what is not in it", Locked{ID: "module example.com/r >=v1.4.0 <v2", Means: mods("example.com/r v1.5.0", "example.com/r v2.0.0+incompatible")}, "it cannot mean example.com/r@v2.0.0+incompatible"},
		{"the newest", Locked{ID: "module example.com/n latest 2", Means: mods("example.com/n v1.0.0", "example.com/n v1.1.0-rc.1")}, ""},
		{"a tool", Locked{ID: "tool example.com/t/cmd/x@v1.2.3", Needs: needs("example.com/t v1.2.3")}, ""},
		{"a tool's other version", Locked{ID: "tool example.com/t/cmd/x@v1.2.3", Needs: needs("example.com/t v1.2.4")}, "no line below it names a version"},
		{"another module for a tool", Locked{ID: "tool example.com/t/cmd/x@v1.2.3", Means: mods("example.com/t/cmd v1.2.3")}, ""},
		{"a module that cannot have the tool", Locked{ID: "tool example.com/t/cmd/x@v1.2.3", Means: mods("example.com/t/cm v1.2.3")}, "it cannot mean example.com/t/cm@v1.2.3"},
		{"a toolchain", Locked{ID: "toolchain go1.26 linux/amd64", Needs: needs("golang.org/toolchain v0.0.1-go1.26.8.linux-amd64")}, ""},
		{"a toolchain of another line", Locked{ID: "toolchain go1.26 linux/amd64", Means: mods("golang.org/toolchain v0.0.1-go1.2.8.linux-amd64")}, "it cannot mean golang.org/toolchain@v0.0.1-go1.2.8.linux-amd64"},
		{"a toolchain for another platform", Locked{ID: "toolchain go1.26 linux/amd64", Needs: needs("golang.org/toolchain v0.0.1-go1.26.8.linux-arm64")}, "no line below it names a version"},
		{"a release", Locked{ID: "toolchain go1.25.3", Needs: needs("golang.org/toolchain v0.0.1-go1.25.3.windows-386")}, ""},
		{"another release", Locked{ID: "toolchain go1.25.3", Needs: needs("golang.org/toolchain v0.0.1-go1.25.30.windows-386")}, "no line below it names a version"},
		{"the latest toolchain", Locked{ID: "toolchain latest", Needs: needs("golang.org/toolchain v0.0.1-go1.27rc1.linux-amd64")}, ""},
		{"no toolchain", Locked{ID: "toolchain go1.26 linux/amd64", Needs: needs("example.com/m v1.0.0")}, "no line below it names a version"},
		{"a project without needs", Locked{ID: "project ./p"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := ParseLock("modferry.lock", (&Lock{Sources: []Locked{tt.lock}}).Format())
			must(t, l, err)
			err = f.CheckLock("modferry.lock", l)
			if tt.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			// Four lines of header and version, and sources.
			if err == nil || !strings.HasPrefix(err.Error(), "modferry.lock:6: source "+tt.lock.ID+": ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func mods(texts ...string) (l []module.Version) {
	for _, s := range texts {
		path, version, _ := strings.Cut(s, " ")
		l = append(l, mod(path, version))
	}
	return l
}
