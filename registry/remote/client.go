package remote

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"golang.org/x/net/http/httpproxy"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/httpclient"
)

// ClientOptions configures a Client. The zero value is useful.
type ClientOptions struct {
	CAFile        string            // PEM file of certificates trusted besides the system's; not with Transport
	ClientCert    string            // PEM file of the client certificate for registries, and its chain; not with Transport
	ClientKey     string            // PEM file of its key; "" = in ClientCert
	CertsDirs     []string          // directories as docker's certs.d; nil = docker's and podman's; not with Transport
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
	// docker and podman configuration, where a project may have a login of its own, and their credential helpers.
	Credentials func(ctx context.Context, host string) (auth.Credential, error)
}

// Client opens stores. A process needs one: stores opened by it share their
// connections, those of one namespace their tokens and credentials, too. It is safe for concurrent use.
type Client struct {
	o          ClientOptions
	http       *checkedClient
	transports *transports // nil = the caller's own
}

// NewClient returns a Client. Of files it reads those of certificates only; credentials are
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
	var own *transports
	if o.Transport == nil {
		var err error
		if own, err = newTransports(o); err != nil {
			return nil, err
		}
		o.Transport = own
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
	return &Client{o: o, http: c, transports: own}, nil
}

// Open opens the namespace of a registry that ref names: "host[:port]/namespace…" (HTTPS, or plain HTTP
// when host is a loopback address), or the same with "http://" or "https://" in
// front. It makes no request. The error is registry.ErrReference when ref is malformed, or is about the registry's
// certificates.
func (c *Client) Open(ref string) (*registry.Store, error) {
	l, err := parseLocation(ref)
	if err == nil && c.transports != nil {
		err = c.transports.open(l.host)
	}
	if err != nil {
		return nil, err
	}
	return registry.New(&remote{c: c, http: storeClient{c.http, l.namespace}, at: l}), nil
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

// newTransports returns the HTTP transports of a Client.
func newTransports(o ClientOptions) (*transports, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	// What the environment says now, and never of loopback: http.ProxyFromEnvironment has it from the process's first request.
	proxy := httpproxy.FromEnvironment().ProxyFunc()
	t.Proxy = func(req *http.Request) (*url.URL, error) { return proxy(req.URL) }
	// Requests go to very few hosts, several at a time.
	t.MaxIdleConnsPerHost = 64
	// Blobs are compressed already, and their digest is that of the bytes sent.
	t.DisableCompression = true
	all := &transports{common: t, own: make(map[string]*http.Transport), dirs: o.CertsDirs}
	if all.dirs == nil {
		all.dirs = certsDirs()
	}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading CA certificates: %w", err)
		}
		pool := systemPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading CA certificates: %s holds no PEM certificate", o.CAFile)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	if o.ClientCert != "" {
		pair, err := tls.LoadX509KeyPair(o.ClientCert, cmp.Or(o.ClientKey, o.ClientCert))
		if err != nil {
			return nil, fmt.Errorf("reading the client certificate: %w", err)
		}
		all.cert = &pair
	}
	return all, nil
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
