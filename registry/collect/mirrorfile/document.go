package mirrorfile

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"sort"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// document reads the one YAML document of the file. It is nil if there is a
// problem.
func (p *parser) document(data []byte) *yaml.Node {
	if len(data) > MaxSize {
		p.add(1, "the file has %d bytes; at most %d are read", len(data), MaxSize)
		return nil
	}
	if !p.isText(data) {
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

// isText reports whether the file is UTF-8 without control characters, of which the YAML
// library says that they are wrong, but not where; and without line breaks that only it
// takes for such: a rule after one looks like a part of the comment before.
func (p *parser) isText(data []byte) bool {
	for i, line := range bytes.Split(data, []byte("\n")) {
		switch {
		case !utf8.Valid(line):
			p.add(i+1, "the line is not UTF-8 text")
			return false
		case bytes.ContainsFunc(bytes.TrimSuffix(line, []byte("\r")), isInvisible):
			p.add(i+1, "the line has a control character in it")
			return false
		}
	}
	return true
}

// isInvisible reports whether a character is a control character or breaks lines.
func isInvisible(c rune) bool {
	const lineSeparator, paragraphSeparator = '\u2028', '\u2029'
	return unicode.IsControl(c) && c != '\t' || c == lineSeparator || c == paragraphSeparator
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
