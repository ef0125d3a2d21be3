package mirror

import (
	"errors"
	"fmt"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream"
)

// ErrLocked: content has another sum than the lock file says, which ends the run.
var ErrLocked = errors.New("the lock file says otherwise")

// LockError says that a version has other content than when it was locked. It is ErrLocked and ErrChecksum.
type LockError struct {
	Module    module.Version
	From      string // the file and line that asked for it
	Where     string // who has the other content: upstream, or a reference in the store
	File      string // "zip" or "go.mod"
	Got, Want string // h1 sums; Want is what is locked
}

// Error names both sums, and what to do.
func (e *LockError) Error() string {
	return fmt.Sprintf("SECURITY: %s (%s): the %s of %s has sum %s, but %s is locked, and a version never changes: nothing more was mirrored; "+
		"find out who changed it, and only if that is in order remove the lines of that version below sums in the lock file",
		e.Module, e.From, e.File, e.Where, e.Got, e.Want)
}

// Is makes errors.Is true for ErrLocked and ErrChecksum.
func (e *LockError) Is(target error) bool {
	return target == ErrLocked || target == upstream.ErrChecksum
}

// checkSums compares the sums of an artifact with those that somebody vouches for. Sums that are empty are not compared.
func checkSums(want requirement.Sums, m *artifact.Manifest, authority string) error {
	if requirement.Differ(m.Sum, want.Zip) {
		return &upstream.ChecksumError{Module: m.Module, File: "zip", Got: m.Sum, Want: want.Zip, Authority: authority}
	}
	if requirement.Differ(m.GoModSum, want.GoMod) {
		return &upstream.ChecksumError{Module: m.Module, File: "go.mod", Got: m.GoModSum, Want: want.GoMod, Authority: authority}
	}
	return nil
}
