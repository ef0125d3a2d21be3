package sumdb

import (
	"errors"
	"fmt"

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

	// ErrMismatch: a sum is not the one in the log. The error matches [artifact.ErrCorrupt] as well.
	ErrMismatch = errors.New("differs from the checksum database")

	// ErrBeyondHead: the record or tile is not in the snapshot because it is newer than the snapshot's head.
	ErrBeyondHead = errors.New("newer than the checksum snapshot")

	// ErrNoTile: a level-0 tile is needed that the snapshot does not hold; it may be with a module version.
	ErrNoTile = errors.New("level-0 tile is not in the checksum snapshot")

	// ErrBadTile: no log has such a tile, or it is none that is served here: one
	// of another height, or one with record data.
	ErrBadTile = errors.New("no such tile")

	// ErrNotSnapshot: a manifest is not one of a snapshot, is malformed, or of a
	// format that this package does not know.
	ErrNotSnapshot = errors.New("not a checksum database snapshot")
)

// A HistoryError says that two signed heads do not belong to one growing log. It matches [ErrShrunk] or [ErrForked].
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

// corrupt returns an error that matches artifact.ErrCorrupt.
func corrupt(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, artifact.ErrCorrupt)...)
}
