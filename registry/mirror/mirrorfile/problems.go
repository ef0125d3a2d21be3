package mirrorfile

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Error is a problem in a mirror file or a lock.
type Error struct {
	Name string // of the file
	Line int    // from 1; 0 = the text of Err says where, if anything does
	Err  error  // what is wrong, and what would be right
}

// Error returns "name:line: what is wrong".
func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.Name, e.Err)
	}
	return fmt.Sprintf("%s:%d: %v", e.Name, e.Line, e.Err)
}

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

// quote quotes what a file says for a message, in a bearable length.
func quote(s string) string {
	const most = 100
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return fmt.Sprintf("%q", s)
}

// conflict matches the lines with which git marks a merge conflict.
var conflict = regexp.MustCompile(`^(<{7}|\|{7}|={7}|>{7})`)

// isText reports whether a file has at most limit bytes, and its lines neither mark conflicts nor have what only YAML
// takes for a line break: a rule after one looks like a part of the comment before.
func (p *problems) isText(data []byte, limit int) bool {
	if len(data) > limit {
		p.add(0, "the file has %d bytes; at most %d are read", len(data), limit)
		return false
	}
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		switch {
		case conflict.MatchString(line):
			p.add(number, `this is a merge conflict: resolve it; of a lock, take one side and run "modferry mirror --update"`)
			return false
		case strings.ContainsAny(strings.TrimRight(line, "\r\n"), "\r\u0085\u2028\u2029"):
			p.add(number, "the line has a control character in it")
			return false
		}
	}
	return true
}
