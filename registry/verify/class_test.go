package verify

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
)

func TestClassify(t *testing.T) {
	aside := func(err error) error { return fmt.Errorf("m@v1.0.0: %w", &ConfirmationError{err}) }
	for _, test := range []struct {
		name string
		err  error
		want Class
	}{
		{"nothing", nil, Accepted},
		{"an unsigned version", sign.ErrUnsigned, Refused},
		{"a version signed by somebody else", sign.ErrUntrusted, Refused},
		{"a version that a policy of the registry holds back", &registry.Error{Err: registry.ErrPolicy}, Refused},
		{"content that contradicts its digest or sum", artifact.ErrCorrupt, Refused},
		{"another version under its tag", artifact.ErrIdentity, Refused},
		{"sums that the log contradicts", fmt.Errorf("zip %w: %w", sumdb.ErrMismatch, artifact.ErrCorrupt), Refused},
		{"sums that a go.sum contradicts", fmt.Errorf("%w: go.sum says", ErrSums), Refused},
		{"an answer that is no module", artifact.ErrNotModule, Unconfirmed},
		{"an answer over a limit", artifact.ErrLimit, Unconfirmed},
		{"unsigned evidence", aside(sign.ErrUnsigned), Unconfirmed},
		{"a damaged snapshot", aside(artifact.ErrCorrupt), Unconfirmed},
		{"a snapshot that a policy holds back", aside(&registry.Error{Err: registry.ErrPolicy}), Unconfirmed},
		{"a head that the log did not sign", sumdb.ErrSignature, Unconfirmed},
		{"a log that shrank", &sumdb.HistoryError{Err: sumdb.ErrShrunk}, Unconfirmed},
		{"a log that forked", &sumdb.HistoryError{Err: sumdb.ErrForked}, Unconfirmed},
		{"a snapshot that proves nothing of what was seen", sumdb.ErrUnproven, Unconfirmed},
		{"something in the place of a snapshot", sumdb.ErrNotSnapshot, Unconfirmed},
		{"a public version without a record", fmt.Errorf("m@v1.0.0: %w: %w", ErrUnrecorded, sumdb.ErrBeyondHead), Unconfirmed},
		{"an account without rights", &registry.Error{Err: registry.ErrUnauthorized}, Denied},
		{"a snapshot that the account may not read", aside(&registry.Error{Err: registry.ErrDenied}), Denied},
		{"no such version", &registry.Error{Err: registry.ErrNotFound}, Absent},
		{"no answer", &registry.Error{Err: registry.ErrUnavailable}, Unavailable},
		{"no answer about the snapshot", aside(registry.ErrUnavailable), Unavailable},
		{"a directory that is not mounted", registry.ErrNoLayout, Unavailable},
		{"an answer that takes too long", context.DeadlineExceeded, Unavailable},
		{"an outage that makes signatures look missing", errors.Join(sign.ErrUntrusted, registry.ErrUnavailable), Unavailable},
		{"a caller that gave up", context.Canceled, Failed},
		{"a disk that is full", errors.New("no space left on device"), Failed},
	} {
		if got := Classify(test.err); got != test.want {
			t.Errorf("%s: class %d, want %d", test.name, got, test.want)
		}
	}
}
