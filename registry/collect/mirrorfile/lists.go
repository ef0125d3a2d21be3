package mirrorfile

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// items returns the items of a list.
func (p *parser) items(at string, n *yaml.Node) []*yaml.Node {
	switch {
	case !p.usable(at, n):
	case n.Kind == yaml.ScalarNode:
		p.fail(n, at, "this must be a list, as in [%s]", quote(n.Value))
	case n.Kind != yaml.SequenceNode:
		p.fail(n, at, "this must be a list, each item after a dash, not %s", kind(n))
	case len(n.Content) == 0:
		p.fail(n, at, "the list is empty: give it an item, or leave it out")
	default:
		return n.Content
	}
	return nil
}

// list reads the items of a list. An item that says the same as an earlier one
// is a problem.
func list[T any](p *parser, at string, n *yaml.Node, read func(*yaml.Node) (T, bool), id func(T) string) []T {
	var values []T
	lines := make(map[string]int)
	for _, item := range p.items(at, n) {
		v, ok := read(item)
		if !ok {
			continue
		}
		if line := lines[id(v)]; line != 0 {
			p.fail(item, at, "%s is there already, on line %d", quote(id(v)), line)
			continue
		}
		lines[id(v)] = item.Line
		values = append(values, v)
	}
	return values
}

// texts reads a list of texts that each pass a check.
func (p *parser) texts(at string, n *yaml.Node, check func(string) error) []string {
	read := func(item *yaml.Node) (string, bool) {
		s, ok := p.text(at, item)
		if !ok {
			return "", false
		}
		if err := check(s); err != nil {
			p.fail(item, at, "%w", err)
			return "", false
		}
		return s, true
	}
	return list(p, at, n, read, func(s string) string { return s })
}

// mapping returns the values of a mapping by the names of its fields, all of
// which must be known. It is nil if the node is something else, or has nothing but
// unknown fields.
func (p *parser) mapping(at string, n *yaml.Node, known ...string) map[string]*yaml.Node {
	if !p.usable(at, n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		p.fail(n, at, "this must be fields with values (%s), not %s", strings.Join(known, ", "), kind(n))
		return nil
	}
	values := make(map[string]*yaml.Node)
	lines := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		switch {
		case !p.usable(at, name):
		case name.Kind != yaml.ScalarNode:
			p.fail(name, at, "the name of a field must be text, not %s", kind(name))
		case lines[name.Value] != 0:
			p.fail(name, at, "the field %s is there already, on line %d", quote(name.Value), lines[name.Value])
		case !slices.Contains(known, name.Value):
			if p.count > maxProblems {
				return nil // nobody will read more, and to find what was meant takes time
			}
			p.fail(name, at, "there is no field %s: %s", quote(name.Value), suggestion(name.Value, known))
			if meant := nearest(name.Value, known); values[meant] == nil && meant != "" {
				values[meant] = value // or it would be said to be missing
			}
		default:
			values[name.Value] = value
		}
		lines[name.Value] = name.Line
	}
	if len(values) == 0 && len(n.Content) > 0 {
		return nil
	}
	return values
}
