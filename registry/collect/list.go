package collect

import (
	"fmt"
	"path"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/safetext"
)

// addList adds what the lines of a list ask for.
//
//	line   = [ wish ] [ "#" comment ]
//	wish   = module "@" query                     as on the command line
//	       | module SP version [ SP "mod-only" ]  exactly that version, as list prints it
//
// For a module of which a list has the same query as for another one below it, nobody can tell whether it was
// wished for, or merely tried by a go command on the way to that: that it does not exist is a warning.
func (c *collector) addList(name string, data []byte) {
	isParent := parents(data)
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		e := lineOf(name, n)
		switch {
		case len(f) == 0:
		case strings.Contains(line, ":"): // not shown: a # may have cut off half of a password
			c.add(e, failed(goproxy.ErrURL))
		case len(f) == 1:
			c.addQuery(f[0], e, isParent[f[0]])
		case len(f) == 2, len(f) == 3 && f[2] == "mod-only":
			c.addExact(module.Version{Path: f[0], Version: f[1]}, len(f) == 3, e)
		default:
			c.add(e, failed(fmt.Errorf("%q is not module@version", safetext.Lines([]byte(line)))))
		}
	}
}

// parents returns the queries of a list as they would be for the paths above theirs.
func parents(data []byte) map[string]bool {
	all := make(map[string]bool)
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		modPath, query, ok := strings.Cut(strings.TrimSpace(line), "@")
		if !ok {
			continue
		}
		for above := path.Dir(modPath); above != "." && above != "/"; above = path.Dir(above) {
			all[above+"@"+query] = true
		}
	}
	return all
}

// addExact adds one version. If it is a query after all, what that resolves to.
func (c *collector) addExact(m module.Version, modOnly bool, e entry) {
	switch {
	case goproxy.Check(m) == nil:
		c.items = append(c.items, requirement.Requirement{Module: m, ModOnly: modOnly, From: e.from})
	case m.Path == toolchainName:
		c.addToolchain(m.Version, c.platforms, e)
	default:
		c.addSeed(seed{path: m.Path, query: m.Version, alone: true, modOnly: modOnly}, e)
	}
}

// lineOf is an entry that a line of a file asks for.
func lineOf(name string, line int) entry {
	return entry{from: fmt.Sprintf("%s:%d", name, line), isLine: true}
}
