package events

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/modferry/modferry/proxyshim/access"
)

// Observe passes requests on to h, a shim or what stands before one, and tells observers of each once it is answered.
// They must not keep the pointer. What refuses a request before it reaches the shim is an event, too.
func Observe(h http.Handler, observers ...func(*Event)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := &observation{
			Context: r.Context(), out: countingWriter{ResponseWriter: w},
			event: Event{ID: newID(), Time: time.Now(), Client: r.RemoteAddr, Method: r.Method, Path: r.URL.Path},
		}
		e, out := &o.event, &o.out
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
		h.ServeHTTP(out, r.WithContext(o))
	})
}

// Identify passes requests on to h, and has their events name who makes them. It belongs behind an [access.Guard].
func Identify(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e, c := Of(r.Context()), access.From(r.Context()); e != nil && c != nil {
			e.User = c.Name
		}
		h.ServeHTTP(w, r)
	})
}

// newID returns 12 characters, 59 random bits: they tell requests apart, and need not be hard to guess.
func newID() string { return strconv.FormatUint(rand.Uint64()>>4|1<<59, 32) }

// outcomeOf is the outcome of a request of which the shim did not say what became of it.
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

// An observation is the context of a request, and what is noted of it: one piece of memory, for there are many.
type observation struct {
	context.Context
	event Event
	out   countingWriter
}

// Value has the event.
func (o *observation) Value(key any) any {
	if key == (eventKey{}) {
		return &o.event
	}
	return o.Context.Value(key)
}

type eventKey struct{}

// Of returns the event that a request will be, nil if nobody observes it. Its methods do nothing then.
func Of(ctx context.Context) *Event {
	e, _ := ctx.Value(eventKey{}).(*Event)
	return e
}

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
