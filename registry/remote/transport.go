package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// errStalled is why a request is given up when the registry says nothing.
var errStalled = errors.New("the registry stopped answering")

// newTransport returns the HTTP transport of a Client.
func newTransport(caFile string) (http.RoundTripper, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	// Requests go to very few hosts, several at a time.
	t.MaxIdleConnsPerHost = 64
	// Blobs are compressed already, and their digest is that of the bytes sent.
	t.DisableCompression = true
	if caFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("reading CA certificates: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading CA certificates: %s holds no PEM certificate", caFile)
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return t, nil
}

// transport gives up a request when nothing moves in either direction for
// limit. A total time limit would not do: a blob may take minutes.
type transport struct {
	base    http.RoundTripper
	limit   time.Duration
	observe func(*http.Response)
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	w := &watch{limit: t.limit, cancel: cancel}
	w.timer = time.AfterFunc(t.limit, func() { cancel(errStalled) })
	req = req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = &requestBody{ReadCloser: req.Body, watch: w}
	}
	resp, err := t.base.RoundTrip(req)
	w.answered.Store(true)
	w.timer.Stop()
	if err != nil {
		stalled := context.Cause(ctx) == errStalled
		cancel(nil)
		if stalled {
			return nil, errStalled
		}
		return nil, err
	}
	t.observe(resp)
	resp.Body = &responseBody{body: resp.Body, watch: w, ctx: ctx}
	return resp, nil
}

// watch is the timer of one request.
type watch struct {
	limit    time.Duration
	timer    *time.Timer
	cancel   context.CancelCauseFunc
	answered atomic.Bool
}

// requestBody restarts the timer as long as the registry takes more of it.
type requestBody struct {
	io.ReadCloser
	watch *watch
}

func (b *requestBody) Read(p []byte) (int, error) {
	if !b.watch.answered.Load() {
		b.watch.timer.Reset(b.watch.limit)
	}
	return b.ReadCloser.Read(p)
}

// responseBody limits the time of each read. The reader itself may be slow.
type responseBody struct {
	body  io.ReadCloser
	watch *watch
	ctx   context.Context // the request's, for the reason it ended
}

func (b *responseBody) Read(p []byte) (int, error) {
	b.watch.timer.Reset(b.watch.limit)
	n, err := b.body.Read(p)
	b.watch.timer.Stop()
	if err != nil && err != io.EOF && context.Cause(b.ctx) == errStalled {
		err = errStalled
	}
	return n, err
}

func (b *responseBody) Close() error {
	err := b.body.Close()
	b.watch.timer.Stop()
	b.watch.cancel(nil)
	return err
}
