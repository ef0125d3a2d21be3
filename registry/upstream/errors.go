package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/registry/redact"
)

// What can go wrong upstream, for errors.Is.
var (
	// ErrNotFound: no upstream has it, or not any more.
	ErrNotFound = errors.New("does not exist upstream")
	// ErrUpstream: upstream did not answer, or not as it should, after retries.
	ErrUpstream = errors.New("upstream failed")
	// ErrOff: GOPROXY=off forbids to ask.
	ErrOff = errors.New("module lookup is disabled by GOPROXY=off")
	// ErrChecksum: content has another sum than the checksum database or a
	// go.sum says, or the database itself is not consistent.
	ErrChecksum = errors.New("checksum mismatch")
)

// Error says which module could not be had from where.
type Error struct {
	Module  module.Version // Version may be a query, or empty
	File    string         // what was asked for: "zip", "version list", …
	Source  string         // the upstreams asked, without credentials
	Status  int            // HTTP status of the last; 0 = none
	Message string         // what upstream said about it; may be empty
	Err     error          // one of the sentinels, and the cause

	// onlyDirect: everybody who could tell says that it does not exist, and it could not be fetched directly.
	onlyDirect bool
}

// Error says what was being fetched from whom, what went wrong, and what may help.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "fetching the %s of %s", e.File, e.Module)
	switch {
	case errors.Is(e.Err, ErrNotFound):
		fmt.Fprintf(&b, ": %v; asked %s", e.Err, e.Source)
	default:
		fmt.Fprintf(&b, " from %s: %v", e.Source, e.Err)
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, " (%d %s", e.Status, http.StatusText(e.Status))
		if e.Message != "" {
			b.WriteString(": " + e.Message)
		}
		b.WriteByte(')')
	}
	if e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden {
		b.WriteString("; if it wants a login, credentials come from the URL in GOPROXY or from ~/.netrc")
	}
	return redact.Text(b.String())
}

// Unwrap returns what the error means.
func (e *Error) Unwrap() error { return e.Err }

// MayBeAbsent reports whether an error is as one would expect of what does not exist: of what the go command
// fails to fetch directly, it does not say.
func MayBeAbsent(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return errors.Is(err, ErrNotFound) || ok && e.onlyDirect
}

// ChecksumError says that content has another sum than it must. It is ErrChecksum.
type ChecksumError struct {
	Module    module.Version
	File      string // "zip" or "go.mod"
	Got, Want string // h1 sums
	Authority string // who says Want: the database's name, or a file and line
}

// Error names both sums and who says which.
func (e *ChecksumError) Error() string {
	return fmt.Sprintf("SECURITY: %s: upstream sent a %s with sum %s, but %s says %s; somebody changed it: nothing was published",
		e.Module, e.File, e.Got, e.Authority, e.Want)
}

// Is makes errors.Is(e, ErrChecksum) true.
func (e *ChecksumError) Is(target error) bool { return target == ErrChecksum }
