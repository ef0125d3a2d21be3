package mirrorfile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/modferry/modferry/registry/redact"
)

// Error is a problem in a mirror file or a lock.
type Error struct {
	Name string // of the file
	Line int    // from 1
	Err  error  // what is wrong, and what would be right
}

// Error returns "name:line: what is wrong", without the credentials of URLs.
func (e *Error) Error() string { return redact.Text(fmt.Sprintf("%s:%d: %v", e.Name, e.Line, e.Err)) }

// Unwrap returns what is wrong.
func (e *Error) Unwrap() error { return e.Err }

// maxProblems is how many problems of one file are shown.
const maxProblems = 100

// problems collects what is wrong with a file.
type problems struct {
	name  string
	list  []*Error // the first maxProblems found
	count int      // of all
}

func (p *problems) add(line int, format string, args ...any) {
	if p.count++; p.count <= maxProblems {
		p.list = append(p.list, &Error{Name: p.name, Line: line, Err: fmt.Errorf(format, args...)})
	}
}

// err joins the problems in the order of their lines; nil if there are none.
func (p *problems) err() error {
	slices.SortStableFunc(p.list, func(a, b *Error) int { return cmp.Compare(a.Line, b.Line) })
	var errs []error
	for _, e := range p.list {
		errs = append(errs, e)
	}
	if more := p.count - len(p.list); more > 0 {
		errs = append(errs, fmt.Errorf("%s: and %d more problems", p.name, more))
	}
	return errors.Join(errs...)
}

// quote quotes what a file says for a message, in a bearable length and without the credentials of URLs.
func quote(s string) string {
	const most = 100
	s = redact.Text(s)
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return fmt.Sprintf("%q", s)
}
