package mirrorfile

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"sort"

	"go.yaml.in/yaml/v3"
)

// document reads the one YAML document of the file. It is nil if there is a
// problem.
func (p *parser) document(data []byte) *yaml.Node {
	if !p.isText(data, MaxSize) {
		return nil
	}
	first, second, err := decode(data)
	switch {
	case errors.Is(err, io.EOF):
		p.add(1, "the file is empty: it begins with version: 1")
		return nil
	case err != nil:
		p.syntax(data, err)
		return nil
	case second != nil:
		p.add(second.Line, "a second document begins here: a mirror file is one")
		return nil
	}
	return first.Content[0]
}

// decode returns the first document, and the second one if there is more than
// one. The error is io.EOF if there is none.
func decode(data []byte) (first, second *yaml.Node, err error) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var docs [2]yaml.Node
	if err := d.Decode(&docs[0]); err != nil {
		return nil, nil, err
	}
	if err := d.Decode(&docs[1]); err != nil {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return &docs[0], nil, err
	}
	return &docs[0], &docs[1], nil
}

// syntaxError is how the YAML library words its errors.
var syntaxError = regexp.MustCompile(`^yaml: (?:line \d+: )?(.*)$`)

// starts are the characters that have a meaning of their own at the beginning of
// a text, as the patterns' star has.
var starts = regexp.MustCompile("(?:^|[-:,\\[{]) *([*@%`])")

// syntax reports a YAML syntax error. Of some errors the library gives no line, of
// some a line before. So the line is the last one of the shortest beginning of the
// file that gives the same error; binary search is good enough for that.
func (p *parser) syntax(data []byte, err error) {
	lines := bytes.SplitAfter(data, []byte("\n"))
	n := 1 + sort.Search(len(lines)-1, func(i int) bool {
		_, _, e := decode(bytes.Join(lines[:i+1], nil))
		return e != nil && e.Error() == err.Error()
	})
	problem := err.Error()
	if m := syntaxError.FindStringSubmatch(problem); m != nil {
		problem = m[1]
	}
	if m := starts.FindSubmatch(lines[n-1]); m != nil {
		p.add(n, "this is not YAML: %s; a text that begins with %s has to be put in quotes", problem, m[1])
		return
	}
	p.add(n, "this is not YAML, here or just before: %s", problem)
}
