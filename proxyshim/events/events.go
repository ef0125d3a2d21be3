// Package events says what a shim has answered: what was asked for, what became of it and why. Who wants to know, as an audit
// log and metrics do, observes requests from the outside; the shim fills in what only it knows.
package events

import (
	"errors"
	"log/slog"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/proxyshim/cache"
	"github.com/modferry/modferry/registry/verify"
)

// An Event is a request that has been answered, whatever with. See [Observe].
type Event struct {
	ID       string        // unique; the text of an answer that is an error names it
	Time     time.Time     // when the request came
	Duration time.Duration // until all of the answer was written
	Client   string        // address: host:port
	User     string        // the name of a client that showed a credential, if it had to
	Method   string
	Path     string // of the URL, as it came

	// What was asked for, zero as far as the path does not say.
	Kind   string         // a word: info, mod, zip, list, latest, revision, lookup, tile and others
	Module module.Version // of a query that a version answered, that one; of one that none did, without Version
	Query  string         // a revision, or "latest"

	Status  int   // of HTTP
	Bytes   int64 // of the body, written
	Outcome Outcome
	Reason  string // why a version is Refused: a word of those that [Reasons] lists
	Err     error  // what the client was told of; nil if it was given what it asked for

	Store string // where the routes send the module; "" if nowhere

	// Of the version that was answered with or refused, as far as it came to that.
	Manifest digest.Digest
	Keys     []string  // who signed it and is trusted, as sign.Verifier has it
	Rule     string    // of the policy, by which it counts: the pattern that covers the module; "" without a policy
	Cached   bool      // it, or the list, was there before; the store may have been asked whether it still stands
	Head     tlog.Tree // of the checksum snapshot in force; zero for a private module, and without a snapshot
}

// Outcome is what became of a request.
type Outcome string

// The outcomes.
const (
	Served      Outcome = "served"
	Absent      Outcome = "absent"      // the store does not have it
	Refused     Outcome = "refused"     // verification failed
	HeldBack    Outcome = "held-back"   // by a policy of the registry
	Denied      Outcome = "denied"      // the registry, a route, or the shim itself does not give it to this account or client
	Invalid     Outcome = "invalid"     // no such thing can be asked for
	Unavailable Outcome = "unavailable" // the store, or the shim itself, failed
	Cancelled   Outcome = "cancelled"   // the client went away
)

// reasons are the words for what verification fails with, the first that applies counts.
var reasons = [...]struct {
	word string
	err  error
}{
	{"forbidden", sign.ErrForbidden},
	{"unsigned", sign.ErrUnsigned},
	{"untrusted", sign.ErrUntrusted},
	{"identity", artifact.ErrIdentity},
	{"checksum", sumdb.ErrMismatch},
	{"sums", verify.ErrSums},
	{"unrecorded", verify.ErrUnrecorded},
	{"corrupt", artifact.ErrCorrupt},
	{"limit", artifact.ErrLimit},
	{"not-module", artifact.ErrNotModule},
	{"snapshot", sumdb.ErrSignature},
	{"snapshot", sumdb.ErrShrunk},
	{"snapshot", sumdb.ErrForked},
	{"snapshot", sumdb.ErrUnproven},
	{"snapshot", sumdb.ErrNotSnapshot},
}

// otherReason is the word for all that has none.
const otherReason = "other"

// Reasons returns the words that can be the Reason of an [Event].
func Reasons() []string {
	var words []string
	for _, r := range reasons {
		if len(words) == 0 || words[len(words)-1] != r.word {
			words = append(words, r.word)
		}
	}
	return append(words, otherReason)
}

func reason(err error) string {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.word
		}
	}
	return otherReason
}

// Version records the version that is answered with.
func (e *Event) Version(v *cache.Entry, cached bool) {
	if e != nil {
		e.Module, e.Manifest, e.Keys, e.Cached = v.Module, v.Manifest.Digest, v.Keys, cached
	}
}

// Snapshot records the snapshot in force.
func (e *Event) Snapshot(s *sumdb.Snapshot) {
	if e != nil && s != nil {
		e.Head = s.Head().Tree
	}
}

// Failed records why a request was not answered as it was asked.
func (e *Event) Failed(outcome Outcome, err error) {
	if e == nil {
		return
	}
	e.Outcome, e.Err = outcome, err
	if outcome == Refused {
		e.Reason = reason(err)
	}
	if v, ok := errors.AsType[*VersionError](err); ok {
		e.Module, e.Manifest, e.Keys = v.Module, v.Manifest, v.Keys
	}
}

// Line is the line by which the event is found, for the text of an answer that is an error.
func (e *Event) Line() string {
	if e == nil {
		return ""
	}
	return "\nrequest " + e.ID
}

// Attr is the ID for a log record.
func (e *Event) Attr() slog.Attr {
	if e == nil {
		return slog.Attr{}
	}
	return slog.String("request", e.ID)
}

// A VersionError says which manifest it was that a version was not accepted as.
type VersionError struct {
	Module   module.Version
	Manifest digest.Digest
	Keys     []string // that signed it nevertheless
	Err      error    // why it was not
}

// Error returns why it was not.
func (e *VersionError) Error() string { return e.Err.Error() }

// Unwrap returns why it was not.
func (e *VersionError) Unwrap() error { return e.Err }
