package strictyaml

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/modferry/modferry/registry/redact"
)

// MaxProblems is how many problems of one file are told.
const MaxProblems = 100

// Problems collects what is wrong with a file.
type Problems struct {
	Name  string // of the file
	found []problem
}

type problem struct {
	line int // from 1; 0 = not known
	err  error
}

// hidden is an error whose text shows no credentials of URLs.
type hidden struct{ err error }

// Error returns the text of the error without credentials.
func (e hidden) Error() string { return redact.Text(e.err.Error()) }

// Unwrap returns the error, whose text shows them.
func (e hidden) Unwrap() error { return e.err }

// Add adds a problem, unless there are very many.
func (p *Problems) Add(line int, format string, args ...any) {
	place := p.Name
	if line > 0 {
		place = fmt.Sprintf("%s:%d", p.Name, line)
	}
	if len(p.found) < MaxProblems {
		p.found = append(p.found, problem{line, hidden{fmt.Errorf("%s: %w", place, fmt.Errorf(format, args...))}})
	}
}

// Found reports how many problems there are.
func (p *Problems) Found() int { return len(p.found) }

// Err joins the problems in the order of their lines; nil if there are none.
func (p *Problems) Err() error {
	slices.SortStableFunc(p.found, func(a, b problem) int { return cmp.Compare(a.line, b.line) })
	var errs []error
	for _, one := range p.found {
		errs = append(errs, one.err)
	}
	return errors.Join(errs...)
}

// conflict matches the lines with which git marks a merge conflict.
var conflict = regexp.MustCompile(`^(<{7}|\|{7}|={7}|>{7})`)

// IsText reports whether a file has at most limit bytes, and its lines are UTF-8, and neither mark conflicts nor have
// what only YAML takes for a line break: a rule after one looks like a part of the comment before.
func (p *Problems) IsText(text string, limit int) bool {
	if len(text) > limit {
		p.Add(0, "the file has %d bytes; at most %d are read", len(text), limit)
		return false
	}
	number := 0
	for line := range strings.Lines(text) {
		number++
		switch {
		case conflict.MatchString(line):
			p.Add(number, `this is a merge conflict: resolve it; of a lock, take one side and run "modferry mirror --update"`)
			return false
		case !utf8.ValidString(line): // YAML may be UTF-16, of which this would see no lines
			p.Add(number, "the line is not UTF-8 text")
			return false
		case strings.ContainsAny(strings.TrimRight(line, "\r\n"), "\r\u0085\u2028\u2029"):
			p.Add(number, "the line has a control character in it")
			return false
		}
	}
	return true
}
