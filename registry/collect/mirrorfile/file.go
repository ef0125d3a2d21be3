package mirrorfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/modferry/modferry/artifact/pattern"
)

// File is a mirror file.
type File struct {
	Name       string   // as given to Parse
	Store      string   // as --registry; the directory of an oci: store is resolved against the file's
	Key        string   // the private key's file, resolved against the file's directory; what has a scheme is left as it is
	Upstream   string   // GOPROXY list; "" = the go command's
	Private    []string // GOPRIVATE patterns
	Platforms  []string // os/arch; the default for tools and toolchains
	Projects   []Project
	Modules    []Module
	Tools      []Tool
	Toolchains []Toolchain
	Allow      []Rule // one pattern each; if there are any, nothing else is mirrored
	Deny       []Rule
}

// Project is a directory with a go.mod or go.work file.
type Project struct {
	Dir         string // resolved against the file's directory
	DownloadAll bool   // zips of the whole module graph, so that "go mod download all" works
	Text        string // the directory as written
	Line        int
}

// Module is one or more versions of a module.
type Module struct {
	Path   string
	Query  string        // what stands after the @ of module@query; "" = Latest or Range says it
	Range  pattern.Range // every release in it, if Query is "" and Latest is 0
	Latest int           // so many of the newest releases; 0 = Query or Range says it
	Alone  bool          // without what it needs
	Line   int
}

// Tool is a package to be had with "go install package@query".
type Tool struct {
	Package, Query string
	Platforms      []string // the entry's, else the file's; none = this machine's own
	Line           int
}

// Toolchain is a release of Go.
type Toolchain struct {
	Release   string   // go1.26.8; go1.26 for its newest patch; latest
	Platforms []string // the entry's, else the file's; none = this machine's own
	Line      int
}

// Rule is an entry of the allow or deny list.
type Rule struct {
	Patterns []pattern.Pattern
	Reason   string // may be empty
	Line     int
}

// ID returns a text of one line that names what the entry asks for, as in
// "project+all ./service". Equal entries have equal IDs, whatever their line;
// the lock refers to them.
func (p Project) ID() string {
	if p.DownloadAll {
		return "project+all " + p.Text
	}
	return "project " + p.Text
}

// ID returns a text of one line that names what the entry asks for, as in "module
// golang.org/x/text@latest" or "module example.com/m latest 3 alone". See [Project.ID].
func (m Module) ID() string {
	id := "module " + m.Path
	switch {
	case m.Query != "":
		id += "@" + m.Query
	case m.Latest != 0:
		id += fmt.Sprintf(" latest %d", m.Latest)
	default:
		id += " " + m.Range.String()
	}
	if m.Alone {
		id += " alone"
	}
	return id
}

// ID returns a text of one line that names what the entry asks for, as in "tool
// example.com/cmd/x@latest linux/amd64,linux/arm64". See [Project.ID].
func (t Tool) ID() string {
	return withPlatforms("tool "+t.Package+"@"+t.Query, t.Platforms)
}

// ID returns a text of one line that names what the entry asks for, as in
// "toolchain go1.26 linux/amd64". See [Project.ID].
func (t Toolchain) ID() string {
	return withPlatforms("toolchain "+t.Release, t.Platforms)
}

// withPlatforms adds the platforms, whose order makes no difference.
func withPlatforms(id string, platforms []string) string {
	if len(platforms) == 0 {
		return id
	}
	return id + " " + strings.Join(slices.Sorted(slices.Values(platforms)), ",")
}
