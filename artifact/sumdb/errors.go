package sumdb

import (
	"errors"
	"fmt"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
)

// Errors for errors.Is. Content that is malformed, or contradicts its digest or
// the signed head, is [artifact.ErrCorrupt]; content over a limit is
// [artifact.ErrLimit]; a record of another module version is [artifact.ErrIdentity].
var (
	// ErrOff: GOSUMDB=off.
	ErrOff = errors.New("the checksum database is switched off")

	// ErrSignature: a tree head carries no valid signature by the log's key.
	ErrSignature = errors.New("no valid signature by the log's key")

	// ErrShrunk: the log has fewer records than it had before. It may be an old
	// answer out of some cache. See [HistoryError].
	ErrShrunk = errors.New("the log has fewer records than before")

	// ErrForked: two signed heads contradict each other, so the log, or someone
	// with its key, has rewritten history. See [HistoryError].
	ErrForked = errors.New("the log was forked")

	// ErrUnproven: a snapshot does not prove that a head seen before is part of the log.
	ErrUnproven = errors.New("it does not prove that the newest tree head seen before is part of it")

	// ErrMismatch: a sum differs from the one in the log. See [MismatchError].
	ErrMismatch = errors.New("sum differs from the checksum database")

	// ErrBeyondHead: the record or tile is not in the snapshot because it is
	// newer than the snapshot's head.
	ErrBeyondHead = errors.New("newer than the checksum snapshot")

	// ErrNoTile: a level-0 tile is needed that the snapshot does not hold; it
	// may be with a module version.
	ErrNoTile = errors.New("level-0 tile is not in the checksum snapshot")

	// ErrBadTile: no log has such a tile, or it is none that is served here: one
	// of another height, or one with record data.
	ErrBadTile = errors.New("no such tile")

	// ErrNotSnapshot: a manifest is not one of a snapshot, or of a format that
	// this package does not know.
	ErrNotSnapshot = errors.New("not a checksum database snapshot")
)

// A HistoryError says that two signed heads do not belong to one growing log.
// It matches [ErrShrunk] or [ErrForked].
type HistoryError struct {
	Log      string // name of the log
	Old, New Head   // New claims to come after Old, or at the same size
	Err      error  // ErrShrunk or ErrForked
}

// Error names the log and both heads.
func (e *HistoryError) Error() string {
	return fmt.Sprintf("%s: %v: head of %d records with root %v, now %d records with root %v",
		e.Log, e.Err, e.Old.N, e.Old.Hash, e.New.N, e.New.Hash)
}

// Unwrap returns ErrShrunk or ErrForked.
func (e *HistoryError) Unwrap() error { return e.Err }

// A MismatchError says that a module version's sum is not the one in the log.
// It matches [ErrMismatch] and [artifact.ErrCorrupt].
type MismatchError struct {
	Module module.Version
	File   string // "zip" or "go.mod"
	Have   string // h1: sum of what is there
	Log    string // h1: sum in the log
}

// Error names the version and both sums.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s: %s differs from the checksum database: have %s, the log says %s", e.Module, e.File, e.Have, e.Log)
}

// Is makes errors.Is(e, ErrMismatch) and errors.Is(e, artifact.ErrCorrupt) true.
func (e *MismatchError) Is(target error) bool {
	return target == ErrMismatch || target == artifact.ErrCorrupt
}

// corrupt returns an error that matches artifact.ErrCorrupt.
func corrupt(format string, args ...any) error {
	return &contentError{fmt.Sprintf(format, args...), artifact.ErrCorrupt}
}

// tooLarge returns an error that matches artifact.ErrLimit.
func tooLarge(what string, size, limit int64) error {
	return &contentError{fmt.Sprintf("%s: %d is over the limit of %d", what, size, limit), artifact.ErrLimit}
}

// A contentError says what is wrong with content, in its own words.
type contentError struct {
	text string
	kind error
}

// Error is the text alone.
func (e *contentError) Error() string { return e.text }

// Unwrap gives the sentinel that the text stands for.
func (e *contentError) Unwrap() error { return e.kind }
