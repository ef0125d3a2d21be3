package goproxy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/mod/module"
)

// Pattern is a set of module versions, in a mirror file or in a trust policy's deny list: those whose path a
// glob matches and whose version is in a range, if there is one.
//
//	pattern = glob [ "@" range ]
//	glob    = element { "/" element }
//	element = "**" | { character | "*" }
//
// In the glob, * stands for one or more characters within one element of the path, and ** as an element of its own
// for any number of elements, also none: "github.com/evil/**" matches github.com/evil, github.com/evil/x and
// github.com/evil/x/y; "**" matches everything.
//
// The zero value matches nothing.
type Pattern struct {
	glob          string
	head          string         // of the glob, in lower case: what all paths that match begin with
	path, anyCase *regexp.Regexp // of "/" and a path
	versions      Range
}

// ParsePattern parses a pattern, as in "github.com/evil/**" or "example.com/lib@<v1.4.2". It is an error if the glob
// has characters or elements that no module path can have, and what ParseRange refuses.
func ParsePattern(s string) (Pattern, error) {
	if len(s) > maxPattern {
		return Pattern{}, fmt.Errorf("the pattern is longer than %d bytes", maxPattern)
	}
	glob, versions, ranged := strings.Cut(s, "@")
	elements := strings.Split(glob, "/")
	if err := checkGlob(glob, elements); err != nil {
		return Pattern{}, err
	}
	var expr strings.Builder
	for _, e := range elements {
		if e == "**" {
			expr.WriteString("(/[^/]*)*")
		} else {
			expr.WriteString("/" + strings.ReplaceAll(regexp.QuoteMeta(e), `\*`, "[^/]+"))
		}
	}
	head, _, _ := strings.Cut(glob, "*")
	p := Pattern{glob: glob, head: strings.ToLower(strings.TrimSuffix(head, "/"))}
	p.path = regexp.MustCompile("^" + expr.String() + "$")
	p.anyCase = regexp.MustCompile("(?i)" + p.path.String())
	if !ranged {
		return p, nil
	}
	var err error
	if p.versions, err = ParseRange(versions); err != nil {
		return Pattern{}, fmt.Errorf("after the @ of %s: %w", glob, err)
	}
	return p, nil
}

// checkGlob checks that some module path can match.
func checkGlob(glob string, elements []string) error {
	switch last := elements[len(elements)-1]; {
	case glob == "":
		return fmt.Errorf("the path is missing: give one like github.com/acme/**, or ** for all modules")
	case strings.Contains(glob, ":"): // not shown: what is before the @ of a URL may be half of a password
		return errors.New("this is a URL: leave out what is before the host, and the port")
	case last == "...":
		return fmt.Errorf("%q is not a pattern for modules: did you mean %s**?", glob, strings.TrimSuffix(glob, last))
	case last == "":
		return fmt.Errorf("%q ends with a slash: did you mean %s**?", glob, glob)
	case !strings.Contains(glob, "*"):
		return module.CheckPath(glob)
	}
	for _, e := range elements {
		if err := checkElement(e); err != nil {
			return fmt.Errorf("%q is not a pattern: %w", glob, err)
		}
	}
	if host := elements[0]; !strings.Contains(host, "*") {
		if err := module.CheckPath(host); err != nil {
			return fmt.Errorf("%q can match no module: %w", glob, err)
		}
	}
	return nil
}

func checkElement(e string) error {
	switch {
	case e == "**":
		return nil
	case e == "":
		return errors.New("an element of the path is empty")
	case strings.Contains(e, "**"):
		return fmt.Errorf("** must be an element of its own, not a part of %q", e)
	case !strings.Contains(e, "*"):
		if module.CheckPath("host.example/"+e+"/x") != nil { // as far as an element can be checked by itself
			return fmt.Errorf("no module path has the element %q", e)
		}
	case strings.Trim(e, "*-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "":
		return fmt.Errorf("no module path has the characters of %q", e)
	}
	return nil
}

// Match reports whether m is in the set; upper and lower case differ. Its version must be canonical: one
// that is no semantic version is in no range.
func (p Pattern) Match(m module.Version) bool {
	return p.path != nil && p.path.MatchString("/"+m.Path) && p.versions.Contains(m.Version)
}

// MatchFold is as Match, but does not tell upper case from lower case in the path. It is for keeping out: many hosts
// do not tell them apart either, and have what is at github.com/evil/x at github.com/Evil/x as well.
func (p Pattern) MatchFold(m module.Version) bool {
	return p.path != nil && strings.HasPrefix(strings.ToLower(m.Path), p.head) && // of a long list, hardly any needs more
		p.anyCase.MatchString("/"+m.Path) && p.versions.Contains(m.Version)
}

// String returns the pattern as it was written, but for spaces in its range.
func (p Pattern) String() string {
	if versions := p.versions.String(); versions != "" {
		return p.glob + "@" + versions
	}
	return p.glob
}
