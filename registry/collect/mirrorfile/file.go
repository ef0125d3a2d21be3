package mirrorfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
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
	Range  goproxy.Range // every release in it, if Query is "" and Latest is 0
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
	Patterns []goproxy.Pattern
	Reason   string // may be empty
	Line     int
}

// ID names what the entry asks for, as in "project+all ./service". Equal entries have
// equal IDs, whatever their line; the lock refers to them.
func (p Project) ID() string {
	if p.DownloadAll {
		return "project+all " + p.Text
	}
	return "project " + p.Text
}

// ID is as [Project.ID]: "module golang.org/x/text@latest", "module example.com/m latest 3 alone".
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

// ID is as [Project.ID]: "tool example.com/cmd/x@latest linux/amd64,linux/arm64".
func (t Tool) ID() string { return withPlatforms("tool "+t.Package+"@"+t.Query, t.Platforms) }

// ID is as [Project.ID]: "toolchain go1.26 linux/amd64".
func (t Toolchain) ID() string { return withPlatforms("toolchain "+t.Release, t.Platforms) }

// withPlatforms adds the platforms, whose order makes no difference.
func withPlatforms(id string, platforms []string) string {
	if len(platforms) == 0 {
		return id
	}
	return id + " " + strings.Join(slices.Sorted(slices.Values(platforms)), ",")
}

// ErrDenied: the mirror file does not let a version in.
var ErrDenied = errors.New("kept out")

// Permits reports whether the allow and deny lists let a version in: nil or ErrDenied, with the place in the file and
// the reason that stands there. The deny list has the last word, and does not tell upper case from lower case in
// paths. The allow list is about modules: it does not concern Go toolchains, which only come in by being asked for.
//
// A version that is not canonical is an error as well: no list can judge a query.
func (f *File) Permits(m module.Version) error {
	if goproxy.CheckVersion(m.Version) != nil {
		return fmt.Errorf("%s: %s: %q is not a canonical version, so allow and deny do not apply to it", f.Name, m.Path, m.Version)
	}
	for _, rule := range f.Deny {
		for _, p := range rule.Patterns {
			if p.MatchFold(m) {
				because := strings.TrimSuffix(": "+rule.Reason, ": ")
				return fmt.Errorf("%s:%d: deny: %s is %w by %s%s", f.Name, rule.Line, m, ErrDenied, p, because)
			}
		}
	}
	allows := func(r Rule) bool { return r.Patterns[0].Match(m) }
	if len(f.Allow) == 0 || goproxy.IsToolchain(m) || slices.ContainsFunc(f.Allow, allows) {
		return nil
	}
	return fmt.Errorf("%s:%d: allow: %s is %w, as nothing in the list matches it; add a pattern if it may be mirrored",
		f.Name, f.Allow[0].Line, m, ErrDenied)
}
