package mirrorfile

import (
	"fmt"
	"strings"
	"testing"
)

func TestCheckLockRefusesWhatAnEntryCannotMean(t *testing.T) {
	const file = `version: 1
modules:
  - example.com/m@v1.4.0
  - example.com/q@latest
  - example.com/meta@v1.0.0+ent
  - example.com/old@v2.0.0
  - {module: example.com/r, versions: ">=v1.4.0 <v2"}
  - {module: example.com/n, latest: 2}
tools: [example.com/t/cmd/x@v1.2.3]
toolchains: [{release: go1.26, platforms: [linux/amd64]}]
projects: [./p]
`
	f, err := Parse("modferry.yaml", []byte(file))
	must(t, f, err)
	for _, tt := range []struct{ name, lock, want string }{
		{"nothing at all", "", ""},
		{"another entry's", "source module example.com/other@latest\n\tneed example.com/m v1.3.0\n", ""},
		{"the version", "source module example.com/m@v1.4.0\n\tneed example.com/dep v1.0.0\n\tneed example.com/m v1.4.0\n", ""},
		{"a tag with metadata", "source module example.com/meta@v1.0.0+ent\n\tneed example.com/meta v1.0.1-0.20200101000000-0123456789ab\n", ""},
		{"an incompatible version", "source module example.com/old@v2.0.0\n\tneed example.com/old v2.0.0+incompatible\n", ""},
		{"another version", "source module example.com/m@v1.4.0\n\tneed example.com/m v1.3.0\n", "no line below it names a version"},
		{"its go.mod alone", "source module example.com/m@v1.4.0\n\tneed example.com/m v1.4.0/go.mod\n", "no line below it names a version"},
		{"nothing for a query", "source module example.com/q@latest\n", "no line below it names a version"},
		{"another module for a query", "source module example.com/q@latest\n\tneed example.com/dep v1.0.0\n", "no line below it names a version"},
		{"the module of a package", "source module example.com/q@latest\n\tneed example.com v1.0.0\n", ""},
		{"a query that means another module", "source module example.com/q@latest\n\tmeans example.com/dep v1.0.0\n", "it cannot mean example.com/dep@v1.0.0"},
		{"a query that means two versions", "source module example.com/q@latest\n\tmeans example.com/q v1.0.0\n\tmeans example.com/q v1.1.0\n", "it cannot mean 2 versions"},
		{"a range", "source module example.com/r >=v1.4.0 <v2\n\tneed example.com/r v1.0.0/go.mod\n\tneed example.com/r v1.5.0\n", ""},
		{"what is not in a range", "source module example.com/r >=v1.4.0 <v2\n\tneed example.com/r v1.0.0\n", "no line below it names a version"},
		{"a range that means what is not in it", "source module example.com/r >=v1.4.0 <v2\n\tmeans example.com/r v1.5.0\n\tmeans example.com/r v2.0.0+incompatible\n", "it cannot mean example.com/r@v2.0.0+incompatible"},
		{"the newest", "source module example.com/n latest 2\n\tmeans example.com/n v1.0.0\n\tmeans example.com/n v1.1.0-rc.1\n", ""},
		{"a tool", "source tool example.com/t/cmd/x@v1.2.3\n\tneed example.com/t v1.2.3\n", ""},
		{"a tool's other version", "source tool example.com/t/cmd/x@v1.2.3\n\tneed example.com/t v1.2.4\n", "no line below it names a version"},
		{"another module for a tool", "source tool example.com/t/cmd/x@v1.2.3\n\tmeans example.com/t/cmd v1.2.3\n", ""},
		{"a module that cannot have the tool", "source tool example.com/t/cmd/x@v1.2.3\n\tmeans example.com/t/cm v1.2.3\n", "it cannot mean example.com/t/cm@v1.2.3"},
		{"a toolchain", "source toolchain go1.26 linux/amd64\n\tneed golang.org/toolchain v0.0.1-go1.26.8.linux-amd64\n", ""},
		{"no toolchain", "source toolchain go1.26 linux/amd64\n\tneed example.com/m v1.0.0\n", "no line below it names a version"},
		{"a project without needs", "source project ./p\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := ParseLock("modferry.lock", []byte("version 1\n"+tt.lock))
			must(t, l, err)
			err = f.CheckLock("modferry.lock", l)
			if tt.want == "" && err != nil || tt.want != "" && !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "modferry.lock:2: source ") {
				t.Errorf("it does not say where: %v", err)
			}
		})
	}
}
