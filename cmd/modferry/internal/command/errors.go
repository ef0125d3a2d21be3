package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/redact"
)

// Exit codes; the help documents them.
const (
	ExitOK      = 0
	ExitFailed  = 1
	ExitUsage   = 2
	ExitItems   = 3 // some items failed, each has been named
	ExitRefused = 4 // verification refused something
)

// ExitError is an error that chose its exit code. Without err there is nothing left to say: the command has
// told it, or the program it ran has.
type ExitError struct {
	Code int
	Err  error
}

// Error returns what went wrong; without an error of its own, the exit code.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns the error that the exit code was chosen for, nil if there is nothing left to say.
func (e *ExitError) Unwrap() error { return e.Err }

// UsageErrorf is an error in how a command was called.
func UsageErrorf(format string, args ...any) error {
	return &ExitError{Code: ExitUsage, Err: fmt.Errorf(format, args...)}
}

// hintError is an error with the advice what to do next.
type hintError struct {
	err  error
	hint string
}

// Error returns what went wrong, without the advice.
func (e *hintError) Error() string { return e.err.Error() }

// Unwrap returns the error that the advice is about.
func (e *hintError) Unwrap() error { return e.err }

// WithHint adds to an error the advice what to do next.
func WithHint(err error, hint string) error { return &hintError{err: err, hint: hint} }

// Report writes err, and the advice that goes with it, for a person, without the credentials of URLs, and returns the exit code.
func Report(w io.Writer, err error) int {
	if err == nil {
		return ExitOK
	}
	exit, chosen := errors.AsType[*ExitError](err)
	if chosen && exit.Err == nil {
		return exit.Code
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(w, "modferry: interrupted; run the same command again to go on")
		return ExitFailed
	}
	if isUnread(err) {
		return ExitFailed
	}
	fmt.Fprintf(w, "modferry: %s\n", redact.Text(err.Error()))
	if h := Hint(err); h != "" {
		fmt.Fprintf(w, "  hint: %s\n", h)
	}
	switch {
	case chosen:
		return exit.Code
	case errors.Is(err, sign.ErrUntrusted), errors.Is(err, sign.ErrUnsigned):
		return ExitRefused
	}
	return ExitFailed
}

// isUnread reports whether nobody wanted to read on, as in "modferry list | head -1", and so nobody has to be told.
func isUnread(err error) bool {
	write, ok := errors.AsType[*fs.PathError](err)
	return ok && write.Path == os.Stdout.Name() && errors.Is(write, syscall.EPIPE)
}

// Hint is the advice that goes with an error, or empty when there is none to give.
func Hint(err error) string {
	if h, ok := errors.AsType[*hintError](err); ok {
		return h.hint
	}
	switch {
	case errors.Is(err, sign.ErrPassword):
		return "set " + passwordEnv + " to the password the key was made with"
	case errors.Is(err, errNoTerminal):
		return "set " + passwordEnv + " (it may be empty)"
	case errors.Is(err, registry.ErrReference):
		return "a store is host/namespace (harbor.example/golang) or oci:DIR"
	case errors.Is(err, registry.ErrBlocked):
		return "the routes of --" + FlagRegistry + " say none for it, or have no store for it; one without a prefix, at the end, takes the rest"
	}
	return ""
}
