package mirrorfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// parser makes a File of YAML nodes.
type parser struct {
	problems
	field       string         // what is being read, as in "modules: latest: "
	lines       map[string]int // of the entries so far, by ID
	file        File
	downloadAll bool // the file's default
}

// fail adds a problem with a node.
func (p *parser) fail(n *yaml.Node, format string, args ...any) {
	p.add(n.Line, "%s%w", p.field, fmt.Errorf(format, args...))
}

// document returns the only YAML document of the file; nil if there is a problem.
func (p *parser) document(data []byte) *yaml.Node {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	switch err, end := d.Decode(&first), d.Decode(&second); {
	case errors.Is(err, io.EOF):
		p.add(1, "the file is empty: it begins with version: 1")
	case err != nil:
		p.add(0, "this is not YAML (a text that begins with *, &, @, %% or ` has to be put in quotes): %w", err)
	case !errors.Is(end, io.EOF):
		p.add(second.Line, "a second document begins here: a mirror file is one")
	case p.isPlain(&first):
		return first.Content[0]
	}
	return nil
}

// isPlain reports whether every node is what it looks like. Aliases are refused outright: a
// short file with aliases can stand for a very long one.
func (p *parser) isPlain(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		p.fail(n, "anchors (&x), aliases (*x) and tags (!x) are not read here: write out what is meant, or put the text in quotes")
		return false
	}
	return !slices.ContainsFunc(n.Content, func(child *yaml.Node) bool { return !p.isPlain(child) })
}

// field is a field that a mapping may have.
type field struct {
	name string
	into any // see read
}

// fields reads the fields of a mapping, in the order of the known ones, of which the first must be there.
// It reports whether there was no problem.
func (p *parser) fields(n *yaml.Node, known ...field) bool {
	if n.Kind != yaml.MappingNode {
		p.fail(n, "this must be fields with values, as in %s: …, not %s", known[0].name, n.ShortTag())
		return false
	}
	before := len(p.found)
	values := make(map[string]*yaml.Node)
	for i := 0; i < len(n.Content); i += 2 {
		switch name := n.Content[i]; {
		case values[name.Value] != nil:
			p.fail(name, "the field %.100q is there already", name.Value)
		case !slices.ContainsFunc(known, func(f field) bool { return f.name == name.Value }):
			p.fail(name, "there is no field %.100q: %s", name.Value, suggestion(name.Value, known))
		default:
			values[name.Value] = n.Content[i+1]
		}
	}
	if values[known[0].name] == nil && len(p.found) == before {
		p.fail(n, "the field %s is missing", known[0].name)
	}
	outer := p.field
	for _, f := range known {
		if value := values[f.name]; value != nil {
			p.field = outer + f.name + ": "
			p.read(value, f.into)
		}
	}
	p.field = outer
	return len(p.found) == before
}

// suggestion says which of the known fields somebody may have meant: those that begin in the same way.
func suggestion(name string, known []field) string {
	const prefix = 3
	var all, near []string
	for _, f := range known {
		all = append(all, f.name)
		if len(name) >= prefix && len(f.name) >= prefix && strings.EqualFold(name[:prefix], f.name[:prefix]) {
			near = append(near, f.name)
		}
	}
	if len(near) == 0 {
		return "there are " + strings.Join(all, ", ")
	}
	return "did you mean " + strings.Join(near, " or ") + "?"
}

// read reads a value into what v points to; or v reads it, a function of the node or its text.
func (p *parser) read(n *yaml.Node, v any) {
	switch v := v.(type) {
	case func(*yaml.Node):
		v(n)
	case func(string) error:
		if s := p.text(n); s != "" {
			if err := v(s); err != nil {
				p.fail(n, "%w", err)
			}
		}
	case *string:
		*v = p.text(n)
	case *bool:
		if *v = strings.EqualFold(n.Value, "true"); n.ShortTag() != "!!bool" {
			p.fail(n, "this must be true or false")
		}
	case *int:
		i, err := strconv.Atoi(n.Value)
		if *v = i; n.ShortTag() != "!!int" || err != nil || i < 1 || strconv.Itoa(i) != n.Value { // 010 is 8 for some
			p.fail(n, "this must be a whole number from 1")
		}
	}
}

// text reads a text of one line; it is empty if there is a problem.
func (p *parser) text(n *yaml.Node) string {
	switch s := n.Value; {
	case n.ShortTag() == "!!null":
		p.fail(n, "a value is missing: give one, or leave out the line")
	case n.ShortTag() != "!!str":
		p.fail(n, "this must be text, not %s: put a number or a date in quotes", n.ShortTag())
	case s == "" || strings.TrimSpace(s) != s || strings.ContainsFunc(s, unicode.IsControl):
		p.fail(n, "the text is empty, begins or ends with a space, or has several lines")
	default:
		return s
	}
	return ""
}

// list makes a reader of a list that has an item at least, by one of its items.
func (p *parser) list(item any) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
			p.fail(n, "this must be a list with one item at least, as in [x]")
		} else {
			for _, child := range n.Content {
				p.read(child, item)
			}
		}
	}
}
