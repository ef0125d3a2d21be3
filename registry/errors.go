package registry

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry/redact"
)

// What can go wrong with a store, for errors.Is. Errors of the store itself are of type *Error besides.
var (
	// ErrNotFound: the store answered that this repository, tag or blob does
	// not exist. Nothing else is ever reported as ErrNotFound.
	ErrNotFound = errors.New("not found")
	// ErrUnauthorized: the registry wants credentials, or others.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrDenied: the account may not do this.
	ErrDenied = errors.New("denied")
	// ErrReadOnly: the registry takes nothing at present, of no module: its quota is used up, or it is read-only. It
	// is ErrDenied.
	ErrReadOnly = fmt.Errorf("%w: it takes nothing now", ErrDenied)
	// ErrPolicy: a policy of the registry holds the artifact back or protects it against change (HTTP 412).
	ErrPolicy = errors.New("refused by a policy of the registry")
	// ErrUnavailable: no answer, a broken one, or one that says to come back later, after retries.
	ErrUnavailable = errors.New("registry not available")
	// ErrUnreachable: nobody ever answered at the registry's address. It is ErrUnavailable, and told without retries.
	ErrUnreachable = fmt.Errorf("%w: nobody answers at its address", ErrUnavailable)
	// ErrUnsupported: this store cannot do that.
	ErrUnsupported = errors.New("not supported by this store")
	// ErrConflict: the version is there with other content.
	ErrConflict = errors.New("version exists with different content")
	// ErrTagExists: a tag that never moves names another manifest.
	ErrTagExists = errors.New("the tag exists with another manifest")
	// ErrNoPath: a repository's name is a hash of a module path, and none of its versions tells which.
	ErrNoPath = errors.New("no version tells the module path that the repository is named by the hash of")
	// ErrBlocked: no store is configured for this module path.
	ErrBlocked = errors.New("no store for this module path")
	// ErrReference: a store reference, or a repository, tag or digest, is malformed.
	ErrReference = errors.New("malformed registry reference")
	// ErrCorrupt: content contradicts its digest, its size or its sums.
	ErrCorrupt = artifact.ErrCorrupt
	// ErrNoLayout: the directory of an oci: store does not exist yet or is empty. A push creates the layout; to a
	// reader it is an error, and never the absence of one module.
	ErrNoLayout = errors.New("there is no OCI image layout yet")
)

// IsAny reports whether an error is one of some others, for errors.Is.
func IsAny(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}

// Error is what a store answered, or why it did not answer.
type Error struct {
	Op         string // what was being done: "reading manifest", …
	Registry   string // host[:port], or oci:DIR
	Repository string // whole repository name, namespace included
	Reference  string // tag or digest; may be empty
	Account    string // user name the request was made with; "" = anonymous
	Status     int    // HTTP status; 0 = no answer, or a layout
	Code       string // the registry's error code, upper case; may be empty
	Message    string // the registry's own message; may be empty
	Err        error  // what it means: a sentinel above and the cause

	Hint        string // what the user can do about it
	RetryAfter  time.Duration
	ScanPending bool // policy answer that changes once a scan has finished
	Unscanned   bool // policy answer that changes once there is a scan, which none has begun
	Unsigned    bool // policy answer that changes once there is a signature
	Permanent   bool // unavailable in a way that no retry mends
}

// Error says what was being done, where, as whom, what it means, what the
// registry said, and what to do. No credentials of URLs are in it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	b.WriteByte(' ')
	b.WriteString(e.Where())
	if e.Account != "" {
		b.WriteString(" as ")
		b.WriteString(e.Account)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	if e.Status != 0 {
		fmt.Fprintf(&b, " (%s)", e.answer())
	}
	if e.Hint != "" {
		b.WriteString("; ")
		b.WriteString(e.Hint)
	}
	return redact.Text(b.String())
}

// Unwrap returns what the error means.
func (e *Error) Unwrap() error { return e.Err }

// Where returns what was asked for: registry, repository, and tag or digest.
func (e *Error) Where() string {
	s := e.Registry
	if e.Repository != "" {
		s += "/" + e.Repository
	}
	switch {
	case e.Reference == "":
		return s
	case digest.Digest(e.Reference).Validate() == nil:
		return s + "@" + e.Reference
	default:
		return s + ":" + e.Reference
	}
}

func (e *Error) answer() string {
	s := fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	if e.Code != "" {
		s += ", " + e.Code
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// ConflictError says that a version exists in a store with other content than
// the one being published. It is ErrConflict.
type ConflictError struct {
	Module                 module.Version
	Reference              string // where it exists
	HaveSum, WantSum       string // h1 of the zip stored and of the one being published; "" for mod-only
	HaveModSum, WantModSum string // h1 of go.mod; "" there if what is there is no module version
	Reason                 string // set when the sums do not tell the difference
}

// Error names both sums of what differs.
func (e *ConflictError) Error() string {
	s := fmt.Sprintf("publishing %v: %s exists with different content", e.Module, e.Reference)
	known := e.HaveModSum != ""
	if known && e.HaveSum != e.WantSum {
		s += fmt.Sprintf(": zip sum is %s there, %s here", orNone(e.HaveSum), orNone(e.WantSum))
	}
	if known && e.HaveModSum != e.WantModSum {
		s += fmt.Sprintf(": go.mod sum is %s there, %s here", e.HaveModSum, e.WantModSum)
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	return s + "; nothing was overwritten: find out which one is right"
}

// Is reports whether target is ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

func orNone(sum string) string {
	if sum == "" {
		return "none"
	}
	return sum
}

// IsAbsent reports whether an error says that something is not there as yet, [ErrNotFound], perhaps because nothing was
// ever published to the layout, [ErrNoLayout].
func IsAbsent(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrNoLayout)
}
