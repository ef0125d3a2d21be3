package mirrorfile

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// maxText is how long a text in the file may be, in bytes.
const maxText = 4096

// usable reports whether a node is what it looks like. Aliases are refused
// outright: a short file with aliases can stand for a very long one.
func (p *parser) usable(at string, n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		p.fail(n, at, "aliases (*%s) are not read here: write out what is meant, or put a text that begins with * in quotes", n.Value)
	case n.Anchor != "":
		p.fail(n, at, "anchors (&%s) are not read here: leave it out, or put a text that begins with & in quotes", n.Anchor)
	case n.Kind != yaml.ScalarNode && n.ShortTag() != "!!map" && n.ShortTag() != "!!seq":
		p.fail(n, at, "tags (%s) are not read here: leave it out", n.Tag)
	case n.ShortTag() == "!!null":
		p.fail(n, at, "a value is missing: give one, or leave out the line")
	default:
		return true
	}
	return false
}

// shown is what a node says, or else its kind.
func shown(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		return quote(n.Value)
	}
	return kind(n)
}

// fail reports a problem with a node; at is the field it belongs to, "" for the
// file itself.
func (p *parser) fail(n *yaml.Node, at, format string, args ...any) {
	if at != "" {
		at += ": "
	}
	p.add(n.Line, "%s%w", at, fmt.Errorf(format, args...))
}

// kind names what a node is, for a message.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "fields with values"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!str":
		return "text"
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	case "!!timestamp":
		return "a date"
	}
	return "something of type " + quote(n.ShortTag())
}

// text reads a text that is not empty and stays on one line.
func (p *parser) text(at string, n *yaml.Node) (string, bool) {
	switch {
	case !p.usable(at, n):
	case n.Kind != yaml.ScalarNode:
		p.fail(n, at, "this must be text, not %s", kind(n))
	case n.ShortTag() != "!!str":
		p.fail(n, at, "this must be text, not %s: put it in quotes, as %s", kind(n), quote(n.Value))
	case n.Value == "":
		p.fail(n, at, "the text is empty: give one, or leave out the line")
	case len(n.Value) > maxText:
		p.fail(n, at, "the text is longer than %d bytes", maxText)
	case strings.TrimSpace(n.Value) != n.Value || strings.ContainsFunc(n.Value, unicode.IsControl):
		p.fail(n, at, "the text begins or ends with a space, or is of several lines")
	default:
		return n.Value, true
	}
	return "", false
}

func (p *parser) bool(at string, n *yaml.Node) bool {
	switch {
	case !p.usable(at, n):
	case n.ShortTag() == "!!bool" && strings.EqualFold(n.Value, "true"):
		return true
	case n.ShortTag() != "!!bool" || !strings.EqualFold(n.Value, "false"):
		p.fail(n, at, "this must be true or false, not %s", shown(n))
	}
	return false
}

// number reads a whole number between 1 and most; 0 means that there is a problem.
func (p *parser) number(at string, n *yaml.Node, most int) int {
	if !p.usable(at, n) {
		return 0
	}
	i, err := strconv.Atoi(n.Value)
	if n.ShortTag() != "!!int" || err != nil || i < 1 || i > most || strconv.Itoa(i) != n.Value { // 010 is 8 for some
		p.fail(n, at, "this must be a whole number from 1 to %d", most)
		return 0
	}
	return i
}
