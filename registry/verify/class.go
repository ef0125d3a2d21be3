package verify

import (
	"context"
	"errors"
	"net"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
)

// Class is what an error means for the version that was asked for.
type Class int

// The classes. Only an accepted version may be used, unless it was accepted before and the store is unavailable.
const (
	Accepted    Class = iota // no error
	Failed                   // something else went wrong, which says nothing about the version
	Unavailable              // the store does not answer, or the layout's directory is not there
	Absent                   // the store has no such version
	Denied                   // the store does not give it to this account
	Unconfirmed              // refused for what is to confirm it, or the answer is no module; the version itself may be all right
	Refused                  // refused for what it is: by a policy, of ours or of the registry, or because it is not what was signed
)

// IsRefusal reports whether a version was found and is not to be trusted.
func (c Class) IsRefusal() bool { return c == Refused || c == Unconfirmed }

// Classify says what an error of this package, or of a registry.Store, means.
func Classify(err error) Class {
	switch {
	case err == nil:
		return Accepted
	case registry.IsAny(err, registry.ErrUnavailable, registry.ErrNoLayout), IsTimeout(err):
		return Unavailable
	case registry.IsAny(err, registry.ErrPolicy, sign.ErrForbidden, sign.ErrUnsigned, sign.ErrUntrusted, artifact.ErrCorrupt, artifact.ErrIdentity, ErrSums):
		if aside := (*ConfirmationError)(nil); errors.As(err, &aside) {
			return Unconfirmed
		}
		return Refused
	case registry.IsAny(err, ErrUnrecorded, artifact.ErrLimit, artifact.ErrNotModule,
		sumdb.ErrSignature, sumdb.ErrShrunk, sumdb.ErrForked, sumdb.ErrUnproven, sumdb.ErrNotSnapshot):
		return Unconfirmed
	case registry.IsAny(err, registry.ErrDenied, registry.ErrUnauthorized):
		return Denied
	case errors.Is(err, registry.ErrNotFound):
		return Absent
	}
	return Failed
}

// IsTimeout reports whether the store took too long to answer.
func IsTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// ErrSums is a version whose sums are not those that are expected, as of a go.sum.
var ErrSums = errors.New("the sums differ")

// A ConfirmationError is about what a version is to be confirmed with: the checksum snapshot, or evidence that is
// stored apart.
type ConfirmationError struct{ error }

// Unwrap returns what is wrong.
func (e *ConfirmationError) Unwrap() error { return e.error }
