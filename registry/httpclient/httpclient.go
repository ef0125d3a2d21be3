// Package httpclient has what the clients of registries and of upstream proxies share: a transport that gives up when a
// server says nothing, and retries.
package httpclient

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// ErrStalled is why a request is given up when the server says nothing.
var ErrStalled = errors.New("the server stopped answering")

// Transport gives up a request with [ErrStalled] when nothing moves in either direction for
// Limit. A total time limit would not do: a file may take minutes.
type Transport struct {
	Base    http.RoundTripper
	Limit   time.Duration
	Observe func(*http.Response) // sees each answer before its body is read; nil = nobody does
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	w := &watch{ctx: ctx, limit: t.Limit, cancel: cancel}
	w.timer = time.AfterFunc(t.Limit, func() { cancel(ErrStalled) })
	req = req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = &requestBody{ReadCloser: req.Body, watch: w}
	}
	resp, err := t.Base.RoundTrip(req)
	w.answered.Store(true)
	w.timer.Stop()
	if err != nil {
		err = w.explain(err)
		cancel(nil)
		return nil, err
	}
	if t.Observe != nil {
		t.Observe(resp)
	}
	resp.Body = &responseBody{ReadCloser: resp.Body, watch: w}
	return resp, nil
}

// watch is the timer of one request.
type watch struct {
	ctx      context.Context // the request's, for the reason it ended
	limit    time.Duration
	timer    *time.Timer
	cancel   context.CancelCauseFunc
	answered atomic.Bool
}

// explain says that it was the silence that ended the request, where it was.
func (w *watch) explain(err error) error {
	if context.Cause(w.ctx) == ErrStalled {
		return ErrStalled
	}
	return err
}

// requestBody restarts the timer as long as the server takes more of it.
type requestBody struct {
	io.ReadCloser
	watch *watch
}

// Read implements io.Reader.
func (b *requestBody) Read(p []byte) (int, error) {
	if !b.watch.answered.Load() {
		b.watch.timer.Reset(b.watch.limit)
	}
	return b.ReadCloser.Read(p)
}

// responseBody limits the time of each read. The reader itself may be slow.
type responseBody struct {
	io.ReadCloser
	watch *watch
}

// Read implements io.Reader.
func (b *responseBody) Read(p []byte) (int, error) {
	b.watch.timer.Reset(b.watch.limit)
	n, err := b.ReadCloser.Read(p)
	b.watch.timer.Stop()
	if err != nil && err != io.EOF {
		err = b.watch.explain(err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *responseBody) Close() error {
	err := b.ReadCloser.Close()
	b.watch.timer.Stop()
	b.watch.cancel(nil)
	return err
}
