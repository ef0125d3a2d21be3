package mirror

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry/redact"
)

// want is a file of the GOPROXY protocol
// (https://go.dev/ref/mod#goproxy-protocol):
//
//	<path>/@v/<version>.info  infoFile; version may be any revision
//	<path>/@v/<version>.mod   modFile
//	<path>/@v/<version>.zip   zipFile
//	<path>/@v/list            listFile
//	<path>/@latest            latestFile
type want struct {
	module.Version
	kind fileKind
}

// fileKind is what people call a file of the protocol.
type fileKind string

const (
	infoFile   fileKind = ".info"
	modFile    fileKind = "go.mod"
	zipFile    fileKind = "zip"
	listFile   fileKind = "version list"
	latestFile fileKind = "latest version"
)

// name returns the slash-separated name of the file below a proxy's URL.
func (w want) name() (string, error) {
	path, err := module.EscapePath(w.Path)
	if err != nil {
		return "", err
	}
	var suffix string
	switch w.kind {
	case listFile:
		return path + "/@v/list", nil
	case latestFile:
		return path + "/@latest", nil
	case infoFile:
		suffix = ".info"
	case modFile:
		suffix = ".mod"
	case zipFile:
		suffix = ".zip"
	}
	version, err := module.EscapeVersion(w.Version.Version)
	if err != nil {
		return "", fmt.Errorf("%w; a proxy cannot be asked for it: name the commit", err)
	}
	return path + "/@v/" + version + suffix, nil
}

// parseList returns the valid versions of an @v/list file in the order given. Anything after
// a version on its line is ignored.
func parseList(data []byte) []string {
	var versions []string
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 0 && semver.IsValid(f[0]) {
			versions = append(versions, f[0])
		}
	}
	return versions
}

// localError is an error on our side, which no other upstream could mend.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// copyLimited copies all of r. It fails if that is more than limit bytes. An error of dst is
// a *localError.
func copyLimited(dst io.Writer, r io.Reader, limit int64) error {
	w := &trackingWriter{w: dst}
	n, err := io.Copy(w, io.LimitReader(r, limit+1))
	switch {
	case w.err != nil:
		return &localError{w.err}
	case err != nil:
		return err
	case n > limit:
		return fmt.Errorf("%w: more than %d bytes: %w", ErrUpstream, limit, artifact.ErrLimit)
	}
	return nil
}

func readLimited(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%w: more than %d bytes: %w", ErrUpstream, limit, artifact.ErrLimit)
	}
	return data, err
}

// trackingWriter remembers that it was the writer that failed.
type trackingWriter struct {
	w   io.Writer
	err error
}

func (t *trackingWriter) Write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	if err != nil {
		t.err = err
	}
	return n, err
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
