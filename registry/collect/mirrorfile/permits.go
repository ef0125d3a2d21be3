package mirrorfile

import (
	"errors"
	"fmt"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/pattern"
)

// ErrDenied: the mirror file does not let a version in.
var ErrDenied = errors.New("denied by the mirror file")

// DeniedError says which list of the mirror file keeps a version out. It is
// ErrDenied.
type DeniedError struct {
	Module  module.Version
	File    string // name of the mirror file
	Line    int    // of the entry in the deny list, or of the first in the allow list
	Pattern string // of the deny list; "" = nothing in the allow list matches
	Reason  string // that the deny list gives; may be empty
}

// Error names the version, and the list with file, line and reason.
func (e *DeniedError) Error() string {
	switch {
	case e.Pattern == "":
		return fmt.Sprintf("%s:%d: allow: nothing in the list lets %s in; add a pattern if it may be mirrored", e.File, e.Line, e.Module)
	case e.Reason == "":
		return fmt.Sprintf("%s:%d: deny: %s is kept out by %s", e.File, e.Line, e.Module, e.Pattern)
	}
	return fmt.Sprintf("%s:%d: deny: %s is kept out by %s: %s", e.File, e.Line, e.Module, e.Pattern, e.Reason)
}

// Is makes errors.Is(e, ErrDenied) true.
func (e *DeniedError) Is(target error) bool { return target == ErrDenied }

// toolchainPath is the module whose versions are the Go toolchains.
const toolchainPath = "golang.org/toolchain"

// Permits reports whether the allow and deny lists let a version in: nil or a
// *DeniedError. The deny list has the last word, and does not tell upper case from lower
// case in paths. The allow list is about modules: it does not concern Go toolchains, which
// only come in by being asked for.
//
// A version that is not canonical is an error as well: no list can judge a query.
func (f *File) Permits(m module.Version) error {
	if m.Version == "" || module.CanonicalVersion(m.Version) != m.Version {
		return fmt.Errorf("%s: %s: %q is not a canonical version, so allow and deny do not apply to it", f.Name, m.Path, m.Version)
	}
	if rule, text, ok := find(f.Deny, pattern.Pattern.MatchFold, m); ok {
		return &DeniedError{Module: m, File: f.Name, Line: rule.Line, Pattern: text, Reason: rule.Reason}
	}
	if len(f.Allow) == 0 || m.Path == toolchainPath {
		return nil
	}
	if _, _, ok := find(f.Allow, pattern.Pattern.Match, m); !ok {
		return &DeniedError{Module: m, File: f.Name, Line: f.Allow[0].Line}
	}
	return nil
}

// find returns the first rule that has a pattern that matches m, and that pattern.
func find(rules []Rule, matches func(pattern.Pattern, module.Version) bool, m module.Version) (Rule, string, bool) {
	for _, r := range rules {
		for _, p := range r.Patterns {
			if matches(p, m) {
				return r, p.String(), true
			}
		}
	}
	return Rule{}, "", false
}
