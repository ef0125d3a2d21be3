package goproxy

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/semver"
)

// maxPattern is the length, in bytes, that no pattern or range may exceed.
const maxPattern = 1024

// Range is a set of versions: comparators of which all must hold, as in ">=v1.4.0 <v2", "v1.2.3" (exactly that one),
// "v1.2" (all that begin so) or "!=v1.3.0". The zero value contains every version.
//
//	range      = comparator { separator comparator }
//	separator  = " " | ","  (one or more)
//	comparator = version | prefix | operator bound
//	operator   = ">=" | ">" | "<=" | "<" | "!="
//	bound      = version | prefix  (a prefix after >= and < only)
//
// A version is a semantic version, as in v1.2.3-rc.1; a prefix is one that lacks its end, as in v1 or v1.2. It stands
// for all versions that begin so, and as a bound for the lowest of them, which is a pre-release:
//
//	         v1.9.9  v2.0.0-rc.1  v2.0.0  v2.9.9  v3.0.0-rc.1
//	<v2        in        -          -       -         -
//	>=v2       -         in         in      in        in
//	v2         -         in         in      in        -
//	<v2.0.0    in        in         -       -         -
//	>=v2.0.0   -         -          in      in        in
//
// That is what deny lists need: nobody who lets in <v2 wants v2.0.0-rc.1, and who keeps out >=v2 keeps out that as well.
// The bounds of a [Query] mean the same. To the go command v2 is v2.0.0, in bounds too: where no release
// matches, its <v2 may choose v2.0.0-rc.1, and its >=v2 does not. [Range.Explicit] says to it what is meant here.
type Range struct {
	all []comparator
}

// comparator is one condition of a range.
type comparator struct {
	op    string // one of operators; "" is the version itself or, if it is one, a prefix
	bound string // as written
}

// operators in the order in which to look for them.
var operators = [...]string{">=", "<=", "!=", ">", "<"}

// ParseRange parses a range. An empty range is an error, and so is one whose bounds contradict each other.
func ParseRange(s string) (Range, error) {
	if len(s) > maxPattern {
		return Range{}, fmt.Errorf("the range is longer than %d bytes", maxPattern)
	}
	var r Range
	for _, text := range strings.FieldsFunc(s, func(c rune) bool { return c == ' ' || c == ',' }) {
		c, err := parseComparator(text)
		if err != nil {
			return Range{}, err
		}
		r.all = append(r.all, c)
	}
	if len(r.all) == 0 {
		return Range{}, errors.New("the range is empty: give one like >=v1.4.0 <v2")
	}
	if low, high, ok := r.contradiction(); ok {
		return Range{}, fmt.Errorf("no version can be in the range %s: %s contradicts %s", r, low, high)
	}
	return r, nil
}

func parseComparator(text string) (comparator, error) {
	c := comparator{bound: text}
	for _, op := range operators {
		if bound, ok := strings.CutPrefix(text, op); ok {
			c = comparator{op: op, bound: bound}
			break
		}
	}
	switch {
	case c.bound == "":
		return c, fmt.Errorf("%s lacks its version: write it like %sv1.2.3, without a space", c.op, c.op)
	case !semver.IsValid(c.bound):
		return c, notAVersion(c.bound)
	case isPrefix(c.bound) && c.op != "" && c.op != ">=" && c.op != "<":
		return c, fmt.Errorf("%s is ambiguous: give the bound as vX.Y.Z", c)
	}
	return c, nil
}

func notAVersion(bound string) error {
	want := "give one like v1.2.3"
	if semver.IsValid("v" + bound) {
		want = "did you mean v" + bound + "?"
	}
	return fmt.Errorf("%q is not a semantic version: %s", bound, want)
}

// isPrefix reports whether a semantic version is v1 or v1.2.
func isPrefix(v string) bool {
	return strings.Count(strings.TrimSuffix(v, semver.Prerelease(v)+semver.Build(v)), ".") < 2
}

// floor is the lowest version that a bound stands for.
func (c comparator) floor() string {
	if isPrefix(c.bound) {
		return semver.Canonical(c.bound) + "-0" // nothing precedes it
	}
	return c.bound
}

// contradiction finds a lower and an upper bound with nothing between them.
func (r Range) contradiction() (low, high comparator, found bool) {
	for _, low := range r.all {
		for _, high := range r.all {
			order := semver.Compare(low.floor(), high.floor())
			empty := high.isUpper() && (order > 0 || order == 0 && (low.isStrict() || high.isStrict()))
			beyond := high.isPrefix() && order > 0 && !high.holds(low.floor()) // as in v1 v2, which does not mean one or the other
			if low.isLower() && (empty || beyond) {
				return low, high, true
			}
		}
	}
	return low, high, false
}

func (c comparator) isExact() bool  { return c.op == "" && !isPrefix(c.bound) }
func (c comparator) isPrefix() bool { return c.op == "" && isPrefix(c.bound) }
func (c comparator) isLower() bool  { return c.op == "" || c.op == ">" || c.op == ">=" }
func (c comparator) isUpper() bool  { return c.isExact() || c.op == "<" || c.op == "<=" }
func (c comparator) isStrict() bool { return c.op == "<" || c.op == ">" }

// Contains reports whether a version is in the range, in the order of semantic versions. Build metadata does not
// count, so +incompatible is no obstacle. What is not a semantic version is in no range but the zero one.
func (r Range) Contains(version string) bool {
	if len(r.all) > 0 && !semver.IsValid(version) {
		return false
	}
	for _, c := range r.all {
		if !c.holds(version) {
			return false
		}
	}
	return true
}

func (c comparator) holds(version string) bool {
	order := semver.Compare(version, c.floor())
	switch c.op {
	case ">=":
		return order >= 0
	case ">":
		return order > 0
	case "<=":
		return order <= 0
	case "<":
		return order < 0
	case "!=":
		return order != 0
	}
	if c.isPrefix() {
		return strings.HasPrefix(semver.Canonical(version), c.bound+".")
	}
	return order == 0
}

// HasPrerelease reports whether a bound of the range is a pre-release: whoever writes one has pre-releases in mind.
func (r Range) HasPrerelease() bool {
	for _, c := range r.all {
		if semver.Prerelease(c.bound) != "" {
			return true
		}
	}
	return false
}

// String returns the range as it was written, but with single spaces between the comparators; "" for the zero value.
func (r Range) String() string { return r.join(comparator.String) }

// Explicit returns the range with whole versions as bounds: "<v2.0.0-0" for "<v2". It contains the same versions, and
// the go command, which takes one comparator for a query, understands it.
func (r Range) Explicit() string {
	return r.join(func(c comparator) string {
		if c.op == "" {
			return c.bound
		}
		return c.op + c.floor()
	})
}

func (r Range) join(text func(comparator) string) string {
	texts := make([]string, len(r.all))
	for i, c := range r.all {
		texts[i] = text(c)
	}
	return strings.Join(texts, " ")
}

// String returns the comparator as [ParseRange] reads it.
func (c comparator) String() string { return c.op + c.bound }
