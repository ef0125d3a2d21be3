package upstream

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/modferry/modferry/registry/httpclient"
	"github.com/modferry/modferry/registry/safetext"
)

// httpTree is what an HTTP server has below a URL.
type httpTree struct {
	client *http.Client
	base   *url.URL
	auth   *url.Userinfo // nil = none, or what base says
}

func (u *Upstream) newHTTPTree(base *url.URL) *httpTree {
	t := &httpTree{client: u.o.Client, base: base}
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

// open makes a GET request. The body fails if the server stays silent for too long, or sends less than its header promised.
func (t *httpTree) open(ctx context.Context, name string) (io.ReadCloser, error) {
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
	return &networkBody{resp.Body, ctx}, nil
}

// answerError describes an answer other than 200 OK. Proxies say in text what is wrong; web pages are no help.
func answerError(resp *http.Response) error {
	e := &statusError{code: resp.StatusCode, retryAfter: resp.Header.Get("Retry-After")}
	if kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); kind == "text/plain" {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // what there is of it
		e.message = safetext.Lines(text)
	}
	return e
}

// networkBody is a response body whose errors are a *networkError.
type networkBody struct {
	io.ReadCloser
	ctx context.Context // of the request
}

func (b *networkBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = &networkError{cmp.Or(context.Cause(b.ctx), err)}
	}
	return n, err
}

// retry runs do again while it fails in a way that may pass.
func (u *Upstream) retry(ctx context.Context, name string, do func() error) error {
	return httpclient.Retry{
		Min: u.o.MinBackoff, Max: 20 * time.Second,
		Again: func(err error, failed int) (time.Duration, bool) {
			least, ok := transient(err)
			return least, ok && failed <= u.o.Retries
		},
		Notify: func(err error, wait time.Duration) {
			u.o.Log.InfoContext(ctx, "asking upstream again", "for", name, "in", wait, "after", err)
		},
	}.Do(ctx, do)
}

// transient reports whether asking again may help, and when at the earliest.
func transient(err error) (after time.Duration, ok bool) {
	var status *statusError
	if errors.As(err, &status) {
		switch status.code {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			after = httpclient.RetryAfter(status.retryAfter, time.Now())
			if after > time.Hour {
				after = 0 // it cannot be meant
			}
			return after, true
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
