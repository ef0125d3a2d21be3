package mirror

import (
	"fmt"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/registry/mirror/project"
)

// addList adds what the lines of a list ask for.
//
//	line   = [ wish ] [ "#" comment ]
//	wish   = module "@" query                     as on the command line
//	       | module SP version [ SP "mod-only" ]  exactly that version, as list prints it
func (c *collector) addList(name string, data []byte) {
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		from := fmt.Sprintf("%s:%d", name, n)
		switch {
		case len(f) == 0:
		case len(f) == 1:
			c.addQuery(f[0], from)
		case len(f) == 2, len(f) == 3 && f[2] == "mod-only":
			c.addExact(module.Version{Path: f[0], Version: f[1]}, len(f) == 3, from)
		default:
			c.fail("%s: %q is not module@version", from, firstLines([]byte(line)))
		}
	}
}

// addExact adds one version. If it is a query after all, what that resolves to.
func (c *collector) addExact(m module.Version, modOnly bool, from string) {
	if project.CheckVersion(m) == nil {
		c.items = append(c.items, Item{Module: m, ModOnly: modOnly, From: from})
		return
	}
	if m.Path == toolchainName {
		c.addToolchain(m.Version, c.platforms, ask{from: from})
		return
	}
	if _, err := parseQuery(m.Path, m.Version); err != nil {
		c.fail("%s: %s: %w", from, m, err)
		return
	}
	c.ask(seed{path: m.Path, query: m.Version, alone: true, modOnly: modOnly}, ask{from: from})
}
