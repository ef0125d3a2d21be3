package remote

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/httpclient"
)

// ClientOptions configures a Client. The zero value is useful.
type ClientOptions struct {
	CAFile        string            // PEM file of certificates trusted besides the system's; not with Transport
	UserAgent     string            // empty: "modferry"
	Retries       int               // after the first attempt; 0 = 4, negative = none
	MinBackoff    time.Duration     // before the first retry, on average; 0 = 200 ms
	MaxBackoff    time.Duration     // at most, Retry-After included; 0 = 10 s
	HeaderTimeout time.Duration     // how long a registry may be silent, before its answer or in it; 0 = 60 s
	Log           *slog.Logger      // nil = discard
	Transport     http.RoundTripper // nil = one transport of its own

	// Requested is told of each request once the answer's header is there, or that there is none: the status is 0 then. It
	// must be safe for concurrent use. Nil: nobody is told.
	Requested func(method string, status int, took time.Duration)

	// Credentials returns the credential for a registry's host[:port]; the empty credential means anonymous. Nil: the
	// docker and podman configuration and their credential helpers.
	Credentials func(ctx context.Context, host string) (auth.Credential, error)
}

// Client opens stores. A process needs one: stores opened by it share their
// connections, tokens and credentials. It is safe for concurrent use.
type Client struct {
	o    ClientOptions
	http *checkedClient
}

// NewClient returns a Client. Of files it reads CAFile only; credentials are
// read when a registry first asks for them.
func NewClient(o ClientOptions) (*Client, error) {
	if o.Retries = cmp.Or(o.Retries, 4); o.Retries < 0 {
		o.Retries = 0
	}
	o.MinBackoff = cmp.Or(o.MinBackoff, 200*time.Millisecond)
	o.MaxBackoff = max(cmp.Or(o.MaxBackoff, 10*time.Second), o.MinBackoff)
	o.HeaderTimeout = cmp.Or(o.HeaderTimeout, time.Minute)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Transport == nil {
		t, err := newTransport(o.CAFile)
		if err != nil {
			return nil, err
		}
		o.Transport = t
	}
	if o.Requested != nil {
		o.Transport = &timedTransport{o.Transport, o.Requested}
	}
	if o.Credentials == nil {
		o.Credentials = configuredCredentials()
	}
	tokens, accounts := newTokens(), new(accounts)
	c := &checkedClient{tokens: tokens, accounts: accounts}
	c.auth = &auth.Client{
		Client:     &http.Client{Transport: &httpclient.Transport{Base: o.Transport, Limit: o.HeaderTimeout, Observe: c.observe}},
		Header:     http.Header{"User-Agent": {cmp.Or(o.UserAgent, "modferry")}},
		Cache:      tokens,
		Credential: accounts.record(o.Credentials),
		ClientID:   "modferry",
	}
	return &Client{o: o, http: c}, nil
}

// Open opens the namespace of a registry that ref names: "host[:port]/namespace…" (HTTPS, or plain HTTP
// when host is a loopback address), or the same with "http://" or "https://" in
// front. It makes no request. The error is registry.ErrReference when ref is malformed.
func (c *Client) Open(ref string) (*registry.Store, error) {
	l, err := parseLocation(ref)
	if err != nil {
		return nil, err
	}
	return registry.New(&remote{c: c, at: l}), nil
}

// timedTransport tells how long requests take.
type timedTransport struct {
	http.RoundTripper
	requested func(method string, status int, took time.Duration)
}

// RoundTrip implements http.RoundTripper.
func (t *timedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	start, status := time.Now(), 0
	resp, err := t.RoundTripper.RoundTrip(r)
	if err == nil {
		status = resp.StatusCode
	}
	t.requested(r.Method, status, time.Since(start))
	return resp, err
}

// dialTimeout is how long a registry may take to accept a connection.
const dialTimeout = 10 * time.Second

// newTransport returns the HTTP transport of a Client.
func newTransport(caFile string) (http.RoundTripper, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
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

// retry runs an operation again while it fails in a way that may pass.
func (c *Client) retry(ctx context.Context, do func() error) error {
	return httpclient.Retry{
		Min: c.o.MinBackoff, Max: c.o.MaxBackoff,
		Again: func(err error, failed int) (time.Duration, bool) {
			var e *registry.Error
			if !errors.As(err, &e) || failed > c.attempts(e) {
				return 0, false
			}
			return e.RetryAfter, true
		},
		Notify: func(err error, wait time.Duration) {
			c.o.Log.InfoContext(ctx, "asking the registry again", "in", wait, "after", err)
		},
	}.Do(ctx, do)
}

// attempts returns how often to try again after e.
func (c *Client) attempts(e *registry.Error) int {
	switch {
	case e.ScanPending:
		return 2 * c.o.Retries // a scan takes seconds
	case errors.Is(e, registry.ErrUnavailable) && !e.Permanent:
		return c.o.Retries
	case errors.Is(e, registry.ErrCorrupt):
		return min(c.o.Retries, 1) // not the registry's fault, perhaps
	}
	return 0
}
