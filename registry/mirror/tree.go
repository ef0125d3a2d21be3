package mirror

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// httpTree is what an HTTP server has below a URL.
type httpTree struct {
	client *http.Client
	base   *url.URL
	auth   *url.Userinfo // nil = none, or what base says
	stall  time.Duration
}

func (u *Upstream) newHTTPTree(base *url.URL) *httpTree {
	t := &httpTree{client: u.o.Client, base: base, stall: u.o.Stall}
	if base.Scheme == "https" && base.User == nil {
		t.auth = netrcFor(u.o.Netrc, base.Hostname())
	}
	return t
}

// newHTTPClient returns a client that follows redirects, but never from HTTPS to plain HTTP.
func newHTTPClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32
	return &http.Client{Transport: t, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if len(via) >= 10 {
			return errors.New("stopped after 10 redirects")
		}
		if via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https" {
			return fmt.Errorf("redirected from HTTPS to %s://%s", req.URL.Scheme, req.URL.Host) // a query may be secret
		}
		return nil
	}}
}

// open makes a GET request. The body fails if the server stays silent for too long.
func (t *httpTree) open(ctx context.Context, name string) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	stalled := fmt.Errorf("no data for %v", t.stall)
	watch := time.AfterFunc(t.stall, func() { cancel(stalled) })
	body := &watchedBody{ctx: ctx, cancel: cancel, watch: watch, stall: t.stall}
	rc, err := t.get(ctx, name)
	if err != nil {
		err = body.explain(err)
		body.stop()
		return nil, err
	}
	watch.Stop() // until somebody reads
	body.rc = rc
	return body, nil
}

func (t *httpTree) get(ctx context.Context, name string) (io.ReadCloser, error) {
	elems := strings.Split(name, "/")
	for i, e := range elems {
		elems[i] = url.PathEscape(e)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.base.JoinPath(elems...).String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUpstream, err)
	}
	req.Header.Set("User-Agent", "modferry")
	if t.auth != nil {
		password, _ := t.auth.Password()
		req.SetBasicAuth(t.auth.Username(), password)
	}
	resp, err := t.client.Do(req)
	if err != nil {
		var detail *url.Error // it repeats the URL, which the caller names
		if errors.As(err, &detail) {
			err = detail.Err
		}
		return nil, &networkError{err}
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, answerError(resp)
	}
	return resp.Body, nil
}

// answerError describes an answer other than 200 OK. Proxies say in text what is wrong; web pages are no help.
func answerError(resp *http.Response) error {
	e := &statusError{code: resp.StatusCode, retryAfter: resp.Header.Get("Retry-After")}
	if kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); kind == "text/plain" {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // what there is of it
		e.message = firstLines(text)
	}
	return e
}

// watchedBody is a response body that ends in an error when nothing comes for
// too long, or when less comes than the header promised.
type watchedBody struct {
	rc     io.ReadCloser
	ctx    context.Context // of the request
	cancel context.CancelCauseFunc
	watch  *time.Timer
	stall  time.Duration
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.watch.Reset(b.stall)
	n, err := b.rc.Read(p)
	b.watch.Stop()
	if err != nil && err != io.EOF {
		err = b.explain(err)
	}
	return n, err
}

func (b *watchedBody) Close() error {
	err := b.rc.Close()
	b.stop()
	return err
}

func (b *watchedBody) stop() {
	b.watch.Stop()
	b.cancel(nil)
}

// explain says that it was the silence that ended the request, where it was.
func (b *watchedBody) explain(err error) error {
	var status *statusError
	if errors.As(err, &status) {
		return err
	}
	if cause := context.Cause(b.ctx); cause != nil {
		err = cause
	}
	return &networkError{err}
}

// retry runs do again while it fails in a way that may pass.
func (u *Upstream) retry(ctx context.Context, name string, do func() error) error {
	wait := backoff.ExponentialBackOff{
		InitialInterval: u.o.MinBackoff, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 20 * time.Second,
	}
	for tries := 0; ; tries++ {
		err := do()
		if err == nil || tries >= u.o.Retries || ctx.Err() != nil {
			return err
		}
		least, again := transient(err)
		if !again {
			return err
		}
		delay := min(max(wait.NextBackOff(), least), wait.MaxInterval)
		u.o.Log.InfoContext(ctx, "asking upstream again", "for", name, "in", delay, "after", err)
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// transient reports whether asking again may help, and when at the earliest.
func transient(err error) (after time.Duration, ok bool) {
	var status *statusError
	if errors.As(err, &status) {
		switch status.code {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			seconds, err := strconv.Atoi(status.retryAfter)
			if err != nil || seconds < 0 || seconds > 3600 {
				seconds = 0
			}
			return time.Duration(seconds) * time.Second, true
		}
		return 0, false
	}
	var network *networkError
	if !errors.As(err, &network) {
		return 0, false
	}
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	return 0, !(errors.As(err, &dns) && dns.IsNotFound) && !errors.As(err, &cert)
}
