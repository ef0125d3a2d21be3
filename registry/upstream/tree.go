package upstream

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry/httpclient"
	"github.com/modferry/modferry/registry/redact"
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
		if detail, ok := errors.AsType[*url.Error](err); ok { // it repeats the URL, which the caller names
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
	if status, ok := errors.AsType[*statusError](err); ok {
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
	if _, ok := errors.AsType[*networkError](err); !ok {
		return 0, false
	}
	dns, _ := errors.AsType[*net.DNSError](err)
	_, isCert := errors.AsType[*tls.CertificateVerificationError](err)
	return 0, !isCert && (dns == nil || !dns.IsNotFound)
}

// localError is an error on our side, which no other upstream could mend.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// copyLimited copies all of r, a file within the kernel. It fails if that is more than limit bytes. An error of dst is a
// *localError.
func copyLimited(dst *os.File, r io.Reader, limit int64) error {
	n, err := dst.ReadFrom(io.LimitReader(r, limit+1))
	var local *fs.PathError
	switch {
	case errors.As(err, &local) && local.Path == dst.Name():
		return &localError{err}
	case err != nil:
		return err
	case n > limit:
		return fmt.Errorf("%w: more than %d bytes: %w", ErrUpstream, limit, artifact.ErrLimit)
	}
	return nil
}

// readLimited reads all of r. It fails if that is more than limit bytes.
func readLimited(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%w: more than %d bytes: %w", ErrUpstream, limit, artifact.ErrLimit)
	}
	return data, err
}

// statusError is an HTTP answer other than 200 OK.
type statusError struct {
	code       int
	message    string
	retryAfter string
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d", e.code) }

// Unwrap returns what the answer means.
func (e *statusError) Unwrap() error {
	if e.code == http.StatusNotFound || e.code == http.StatusGone {
		return ErrNotFound
	}
	return ErrUpstream
}

// networkError is a failure to reach a server or to read its whole answer.
type networkError struct{ err error }

func (e *networkError) Error() string        { return redact.Text(e.err.Error()) } // a proxy of the environment is in some
func (e *networkError) Unwrap() error        { return e.err }
func (e *networkError) Is(target error) bool { return target == ErrUpstream }

var errNotRegular = errors.New("not a regular file")
