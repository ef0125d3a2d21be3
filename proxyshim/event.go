package proxyshim

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/proxyshim/access"
	"github.com/modferry/modferry/proxyshim/cache"
	"github.com/modferry/modferry/registry"
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
	Kind   string         // one of [EventKinds]
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
	Keys     []string  // who signed it and is trusted: sha256 digests of public keys
	Rule     string    // of the policy, by which it counts: the pattern that covers the module; "" without a policy
	Cached   bool      // it, or the list, was there before; the store may have been asked whether it still stands
	Head     tlog.Tree // of the checksum snapshot in force; zero for a private module, and without a snapshot
}

// eventKinds are the words for what is asked for.
var eventKinds = map[kind]string{
	kindRoot: "root", kindPage: "page", kindList: "list", kindLatest: "latest", kindInfo: "info", kindMod: "mod", kindZip: "zip", kindRevision: "revision",
	kindSumDB: "sumdb", kindSupported: "supported", kindHead: "head", kindLookup: "lookup", kindTile: "tile",
}

// EventKinds returns, sorted, the words that can be the Kind of an [Event].
func EventKinds() []string { return slices.Sorted(maps.Values(eventKinds)) }

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

// Observe passes requests on to h, a [Handler] or what stands before one, and tells observers of each once it is answered.
// They must not keep the pointer. What refuses a request before it reaches the Handler is an event, too.
func Observe(h http.Handler, observers ...func(*Event)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := &Event{ID: newID(), Time: time.Now(), Client: r.RemoteAddr, Method: r.Method, Path: r.URL.Path}
		out := &countingWriter{ResponseWriter: w}
		defer func() {
			e.Duration, e.Status, e.Bytes = time.Since(e.Time), out.status, out.written
			if r.Method == http.MethodHead { // net/http takes a body, and does not send it
				e.Bytes = 0
			}
			if e.Outcome == "" {
				e.Outcome = outcomeOf(r.Context(), out.status)
			}
			for _, observe := range observers {
				observe(e)
			}
		}()
		h.ServeHTTP(out, r.WithContext(context.WithValue(r.Context(), eventKey{}, e)))
	})
}

// Identify passes requests on to h, and has their events name who makes them. It belongs behind an [access.Guard].
func Identify(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e, c := eventOf(r.Context()), access.From(r.Context()); e != nil && c != nil {
			e.User = c.Name
		}
		h.ServeHTTP(w, r)
	})
}

// newID returns 60 random bits.
func newID() string { return strings.ToLower(rand.Text()[:12]) }

// outcomeOf is the outcome of a request of which the Handler did not say what became of it.
func outcomeOf(ctx context.Context, status int) Outcome {
	switch {
	case ctx.Err() != nil:
		return Cancelled
	case status == http.StatusNotFound:
		return Absent
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusMisdirectedRequest:
		return Denied
	case status >= 500 || status == 0:
		return Unavailable
	case status >= 400:
		return Invalid
	}
	return Served
}

type eventKey struct{}

// eventOf returns the event that a request will be, nil if nobody observes it. Its methods do nothing then.
func eventOf(ctx context.Context) *Event {
	e, _ := ctx.Value(eventKey{}).(*Event)
	return e
}

// asked records what was asked for, which store has to have it, and by which rule it counts.
func (e *Event) asked(q request, stores *registry.Router, policy func() sign.Verifier) {
	if e == nil {
		return
	}
	e.Kind, e.Module = eventKinds[q.kind], q.module
	if store, err := stores.For(q.module.Path); err == nil && q.module.Path != "" {
		e.Store = store.String()
	}
	if q.module.Path != "" {
		e.Rule = policy().Rule(q.module.Path).Name
	}
	switch q.kind {
	case kindLatest:
		e.Query = "latest"
	case kindRevision:
		e.Query = q.name
	}
}

// version records the version that is answered with.
func (e *Event) version(v *cache.Entry, cached bool) {
	if e != nil {
		e.Module, e.Manifest, e.Keys, e.Cached = v.Module, v.Manifest.Digest, v.Keys, cached
	}
}

// head records the snapshot in force.
func (e *Event) head(s *sumdb.Snapshot) {
	if e != nil && s != nil {
		e.Head = s.Head().Tree
	}
}

// failed records why a request was not answered as it was asked.
func (e *Event) failed(outcome Outcome, err error) {
	if e == nil {
		return
	}
	e.Outcome, e.Err = outcome, err
	if outcome == Refused {
		e.Reason = reason(err)
	}
	var v *versionError
	if errors.As(err, &v) {
		e.Module, e.Manifest, e.Keys = v.module, v.manifest, v.keys
	}
}

// name returns the text of an answer with the ID by which it is found.
func (e *Event) name(text string) string {
	if e == nil {
		return text
	}
	id := "\nrequest " + e.ID
	return shorten(text, maxText-len(id)) + id
}

// logged returns the ID for a log record.
func (e *Event) logged() slog.Attr {
	if e == nil {
		return slog.Attr{}
	}
	return slog.String("request", e.ID)
}

// A versionError says which manifest it was that a version was not accepted as.
type versionError struct {
	module   module.Version
	manifest digest.Digest
	keys     []string // that signed it nevertheless
	error
}

// Unwrap returns why it was not.
func (e *versionError) Unwrap() error { return e.error }

// countingWriter knows what was answered.
type countingWriter struct {
	http.ResponseWriter
	status  int
	written int64
}

// WriteHeader implements http.ResponseWriter.
func (w *countingWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *countingWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.written += int64(n)
	return n, err
}

// ReadFrom implements io.ReaderFrom, by which a file is sent without a copy of it.
func (w *countingWriter) ReadFrom(r io.Reader) (int64, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := io.Copy(w.ResponseWriter, r)
	w.written += n
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
