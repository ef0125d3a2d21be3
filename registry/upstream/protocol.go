package upstream

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry/redact"
)

// localError is an error on our side, which no other upstream could mend.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// copyLimited copies all of r, a file within the kernel. It fails if that is more than limit bytes. An error of dst is a
// *localError.
func copyLimited(dst *os.File, r io.Reader, limit int64) error {
	n, err := dst.ReadFrom(io.LimitReader(r, limit+1))
	var local *fs.PathError
	switch {
	case errors.As(err, &local) && local.Path == dst.Name():
		return &localError{err}
	case err != nil:
		return err
	case n > limit:
		return fmt.Errorf("%w: more than %d bytes: %w", ErrUpstream, limit, artifact.ErrLimit)
	}
	return nil
}

// readLimited reads all of r. It fails if that is more than limit bytes.
func readLimited(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%w: more than %d bytes: %w", ErrUpstream, limit, artifact.ErrLimit)
	}
	return data, err
}

// statusError is an HTTP answer other than 200 OK.
type statusError struct {
	code       int
	message    string
	retryAfter string
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d", e.code) }

// Unwrap returns what the answer means.
func (e *statusError) Unwrap() error {
	switch e.code {
	case 404:
		return ErrNotFound
	case 410:
		return errGone
	}
	return ErrUpstream
}

// errGone is ErrGone and ErrNotFound.
var errGone = goneError{}

type goneError struct{}

func (goneError) Error() string        { return ErrGone.Error() }
func (goneError) Is(target error) bool { return target == ErrGone || target == ErrNotFound }

// networkError is a failure to reach a server or to read its whole answer.
type networkError struct{ err error }

func (e *networkError) Error() string        { return redact.Text(e.err.Error()) } // a proxy of the environment is in some
func (e *networkError) Unwrap() error        { return e.err }
func (e *networkError) Is(target error) bool { return target == ErrUpstream }

var errNotRegular = errors.New("not a regular file")
