// Package strictyaml reads YAML files of which every field is known, and takes nothing for granted: what is unknown,
// doubled, of another type or ambiguous is a problem, named with its line. The caller, who knows the fields, reads a
// document from its root by functions of nodes:
//
//	r := strictyaml.NewReader(name)
//	if root := r.Document(data, maxSize); root != nil {
//		r.Fields(root, strictyaml.Field{Name: "version", Into: r.Version}, …)
//	}
//	return r.Err()
package strictyaml

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

// Reader reads the values of a document, and collects the problems.
type Reader struct {
	Problems
	field string // what is being read, as in "modules: latest: "
}

// NewReader returns a reader of the file with a name.
func NewReader(name string) *Reader { return &Reader{Problems: Problems{Name: name}} }

// Fail adds a problem with a node.
func (r *Reader) Fail(n *yaml.Node, format string, args ...any) {
	r.Add(n.Line, "%s%w", r.field, fmt.Errorf(format, args...))
}

// Document returns the only YAML document of a file of at most limit bytes; nil if there is a problem.
func (r *Reader) Document(data []byte, limit int) *yaml.Node {
	if !r.IsText(string(data), limit) {
		return nil
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	switch err, end := d.Decode(&first), d.Decode(&second); {
	case errors.Is(err, io.EOF):
		r.Add(1, "the file is empty: it begins with version: 1")
	case err != nil:
		r.Add(0, "this is not YAML (a text that begins with *, &, @, %% or ` has to be put in quotes): %w", err)
	case !errors.Is(end, io.EOF):
		r.Add(second.Line, "a second document begins here: the file is one")
	case r.isPlain(&first):
		return first.Content[0]
	}
	return nil
}

// isPlain reports whether every node is what it looks like. Aliases are refused outright: a
// short file with aliases can stand for a very long one.
func (r *Reader) isPlain(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		r.Fail(n, "anchors (&x), aliases (*x) and tags (!x) are not read here: write out what is meant, or put the text in quotes")
		return false
	}
	return !slices.ContainsFunc(n.Content, func(child *yaml.Node) bool { return !r.isPlain(child) })
}

// Field is a field that a mapping may have.
type Field struct {
	Name string
	Into any // see [Reader.Read]
}

// Fields reads the fields of a mapping, in the order of the known ones, of which the first must be there.
// It reports whether there was no problem.
func (r *Reader) Fields(n *yaml.Node, known ...Field) bool {
	if n.Kind != yaml.MappingNode {
		r.Fail(n, "this must be fields with values, as in %s: …, not %s", known[0].Name, n.ShortTag())
		return false
	}
	before := len(r.found)
	values := make(map[string]*yaml.Node)
	for i := 0; i < len(n.Content); i += 2 {
		switch name := n.Content[i]; {
		case values[name.Value] != nil:
			r.Fail(name, "the field %.100q is there already", name.Value)
		case !slices.ContainsFunc(known, func(f Field) bool { return f.Name == name.Value }):
			r.Fail(name, "there is no field %.100q: %s", name.Value, suggestion(name.Value, known))
		default:
			values[name.Value] = n.Content[i+1]
		}
	}
	if values[known[0].Name] == nil && len(r.found) == before {
		r.Fail(n, "the field %s is missing", known[0].Name)
	}
	outer := r.field
	for _, f := range known {
		if value := values[f.Name]; value != nil {
			r.field = outer + f.Name + ": "
			r.Read(value, f.Into)
		}
	}
	r.field = outer
	return len(r.found) == before
}

// Map makes a reader of a mapping from names that the file chooses to values, in their order. It has one at least.
func (r *Reader) Map(each func(name string, value *yaml.Node)) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
			r.Fail(n, "this must be names with values, one at least, as in x: {…}, not %s", n.ShortTag())
			return
		}
		outer, seen := r.field, make(map[string]bool)
		for i := 0; i < len(n.Content); i += 2 {
			name := r.Text(n.Content[i])
			switch {
			case name == "":
			case seen[name]:
				r.Fail(n.Content[i], "the name %.100q is there already", name)
			default:
				seen[name], r.field = true, outer+name+": "
				each(name, n.Content[i+1])
			}
			r.field = outer
		}
	}
}

// suggestion says which of the known fields somebody may have meant: those that begin in the same way.
func suggestion(name string, known []Field) string {
	const prefix = 3
	var all, near []string
	for _, f := range known {
		all = append(all, f.Name)
		if len(name) >= prefix && len(f.Name) >= prefix && strings.EqualFold(name[:prefix], f.Name[:prefix]) {
			near = append(near, f.Name)
		}
	}
	if len(near) == 0 {
		return "there are " + strings.Join(all, ", ")
	}
	return "did you mean " + strings.Join(near, " or ") + "?"
}

// Version reads the number of the form that a file has: 1.
func (r *Reader) Version(n *yaml.Node) {
	if n.ShortTag() != "!!int" || n.Value != "1" {
		r.Fail(n, "this must be the number 1; a newer modferry may read others")
	}
}

// Read reads a value into what v points to, a string, bool or int; or v reads it, a function of the node or its text.
func (r *Reader) Read(n *yaml.Node, v any) {
	switch v := v.(type) {
	case func(*yaml.Node):
		v(n)
	case func(string) error:
		if s := r.Text(n); s != "" {
			if err := v(s); err != nil {
				r.Fail(n, "%w", err)
			}
		}
	case *string:
		*v = r.Text(n)
	case *bool:
		if *v = strings.EqualFold(n.Value, "true"); n.ShortTag() != "!!bool" {
			r.Fail(n, "this must be true or false")
		}
	case *int:
		i, err := strconv.Atoi(n.Value)
		if *v = i; n.ShortTag() != "!!int" || err != nil || i < 1 || strconv.Itoa(i) != n.Value { // 010 is 8 for some
			r.Fail(n, "this must be a whole number from 1")
		}
	}
}

// Text reads a text of one line; it is empty if there is a problem.
func (r *Reader) Text(n *yaml.Node) string {
	switch s := n.Value; {
	case n.ShortTag() == "!!null":
		r.Fail(n, "a value is missing: give one, or leave out the line")
	case n.ShortTag() != "!!str":
		r.Fail(n, "this must be text, not %s: put a number or a date in quotes", n.ShortTag())
	case s == "" || strings.TrimSpace(s) != s || strings.ContainsFunc(s, unicode.IsControl):
		r.Fail(n, "the text is empty, begins or ends with a space, or has several lines")
	default:
		return s
	}
	return ""
}

// List makes a reader of a list that has an item at least, by one of its items.
func (r *Reader) List(item any) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
			r.Fail(n, "this must be a list with one item at least, as in [x]")
			return
		}
		r.EmptyList(item)(n)
	}
}

// EmptyList makes a reader of a list that may be empty, where that means nothing else than to leave it out.
func (r *Reader) EmptyList(item any) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.SequenceNode {
			r.Fail(n, "this must be a list, as in [x]")
			return
		}
		for _, child := range n.Content {
			r.Read(child, item)
		}
	}
}
