package collect

import (
	"fmt"
	"path"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/safetext"
	"github.com/modferry/modferry/registry/upstream"
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
	tried := parents(data)
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		from := fmt.Sprintf("%s:%d", name, n)
		switch {
		case len(f) == 0:
		case strings.Contains(line, ":"): // not shown: a # may have cut off half of a password
			c.fail("%s: %w", from, goproxy.ErrURL)
		case len(f) == 1:
			c.addQuery(f[0], from, tried[f[0]])
		case len(f) == 2, len(f) == 3 && f[2] == "mod-only":
			c.addExact(module.Version{Path: f[0], Version: f[1]}, len(f) == 3, from)
		default:
			c.fail("%s: %q is not module@version", from, safetext.Lines([]byte(line)))
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
func (c *collector) addExact(m module.Version, modOnly bool, from string) {
	if goproxy.Check(m) == nil {
		c.items = append(c.items, requirement.Requirement{Module: m, ModOnly: modOnly, From: from})
		return
	}
	if m.Path == toolchainName {
		c.addToolchain(m.Version, c.platforms, ask{from: from})
		return
	}
	if _, err := upstream.ParseQuery(m.Path, m.Version); err != nil {
		c.fail("%s: %s: %w", from, m, err)
		return
	}
	c.ask(seed{path: m.Path, query: m.Version, alone: true, modOnly: modOnly}, ask{from: from})
}
