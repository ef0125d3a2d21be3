package goproxy

import (
	"fmt"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// Query is what stands after the @ of module@query (https://go.dev/ref/mod#version-queries):
//
//	latest                      the highest release, else pre-release, else the newest commit
//	v1, v1.2                    the highest version with that prefix, from v1.0.0 or v1.2.0 on
//	<v1.2.3, <=v1.2.3, <v1.2    the highest version below
//	>v1.2.3, >=v1.2.3, >=v1.2   the lowest version above
//	v1.2.3                      that version
//	commit, branch, other tag   what upstream makes of it
//
// Except for the last two, releases are preferred to pre-releases, and versions that the module's author retracted do
// not count. What is below and above, [Range] says: to the go command, but not here, v1.2.0-rc.1 is below v1.2.
type Query struct {
	Path         string
	Revision     bool // it is for upstream to say what is meant
	Latest       bool // without tagged versions, the newest commit is meant
	Incompatible bool // +incompatible versions count even if there are others

	lowest   bool // of the matching versions the lowest one is meant
	versions Range
}

// ParseQuery parses a query. Path is the module's.
func ParseQuery(path, text string) (*Query, error) {
	if err := CheckNoURL(path); err != nil {
		return nil, err
	}
	if err := module.CheckPath(path); err != nil {
		return nil, err
	}
	q := &Query{Path: path}
	switch text {
	case "latest":
		q.Latest = true
		return q, nil
	case "":
		return nil, fmt.Errorf("%s@: the version is missing; @latest is the newest one", path)
	case "upgrade", "patch", "none":
		return nil, fmt.Errorf("%s@%s only makes sense in a project: name a version, or latest", path, text)
	}
	bound := strings.TrimLeft(text, "<>=")
	switch {
	case isComparison(text) && strings.ContainsAny(text, " ,"):
		return nil, fmt.Errorf("%s@%s has several bounds: a query is one, and for a range there is the mirror file", path, text)
	case isComparison(text):
		q.lowest = text[0] == '>'
	case semver.IsValid(text) && isPrefix(text):
		text += " >=" + semver.Canonical(text) // for v1.2 the go command does not choose v1.2.0-rc.1
	default:
		q.Revision = true
		return q, nil
	}
	var err error
	if q.versions, err = ParseRange(text); err != nil {
		return nil, fmt.Errorf("%s@%s: %w", path, text, err)
	}
	q.Incompatible = !q.matchesMajor(bound)
	return q, nil
}

func isComparison(text string) bool { return text[0] == '<' || text[0] == '>' }

// QueryForGo returns a query as the go command has to be asked, to which v1.2 is v1.2.0 in a bound.
func QueryForGo(text string) string {
	if r, err := ParseRange(text); err == nil && isComparison(text) {
		return r.Explicit()
	}
	return text
}

func (q *Query) matchesMajor(v string) bool {
	_, major, ok := module.SplitPathVersion(q.Path)
	return ok && module.CheckPathMajor(v, major) == nil
}

// Allows reports whether a version is one that the query can mean, as far as its text says.
func (q *Query) Allows(v string) bool { return q.versions.Contains(v) }

// Pick returns the version meant, of the first list that is not empty; each is ascending. "" if all are.
func (q *Query) Pick(lists ...[]string) string {
	for _, list := range lists {
		switch {
		case len(list) == 0:
		case q.lowest:
			return list[0]
		default:
			return list[len(list)-1]
		}
	}
	return ""
}

// IsHash reports whether s is the whole hash of a git commit, SHA-1 or SHA-256.
func IsHash(s string) bool { return (len(s) == 40 || len(s) == 64) && isHex(s) }

// IsAbbreviatedHash reports whether s can be the beginning of a git commit's hash, or all of it: at least 7 digits.
func IsAbbreviatedHash(s string) bool { return len(s) >= 7 && isHex(s) }

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }
