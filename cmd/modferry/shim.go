package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/cmd/modferry/internal/userfile"
	"github.com/modferry/modferry/cmd/modferry/internal/wishlist"
	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/redact"
)

// shim is a handler together with the stores it answers from.
type shim struct {
	*proxyshim.Handler
	stores *registry.Router
	log    *slog.Logger
}

// newShim builds the shim that the options describe; of o, Failed and Exact count.
func (a *app) newShim(c *cli.Context, log *slog.Logger, o proxyshim.Options) (*shim, error) {
	limit, err := cacheMax(c)
	if err != nil {
		return nil, err
	}
	if c.Duration(flagRecheck) < 0 {
		return nil, usageErrorf("--%s must not be negative", flagRecheck)
	}
	if c.String(flagCache) == "" {
		return nil, usageErrorf("--%s is needed: there is no cache directory for this user", flagCache)
	}
	sums, err := checksumLog(c)
	if err != nil {
		return nil, err
	}
	v, err := a.verifier(c)
	if err != nil {
		return nil, err
	}
	stores, err := a.openStores(c, log)
	if err != nil {
		return nil, err
	}
	h, err := proxyshim.New(proxyshim.Options{
		Stores:   stores,
		Verifier: v,
		CacheDir: c.String(flagCache),
		CacheMax: limit,
		Recheck:  c.Duration(flagRecheck),
		SumDB:    sums,
		Private:  a.privatePatterns(c),
		Log:      log,
		Failed:   o.Failed,
		Exact:    o.Exact,

		AllowUnrecorded: c.Bool(flagUnrecorded),
	})
	if err != nil {
		stores.Close()
		return nil, fmt.Errorf("starting the shim: %w", err)
	}
	return &shim{h, stores, log}, nil
}

// Close ends background work of the handler, then lets go of the stores.
func (s *shim) Close() error {
	err := s.Handler.Close()
	if serr := s.stores.Close(); err == nil {
		err = serr
	}
	return err
}

// openWishlist opens the wish list that --wishlist names, if any.
func openWishlist(c *cli.Context) (*wishlist.List, error) {
	w, err := wishlist.Open(c.String(flagWishlist))
	if errors.Is(err, userfile.ErrNotRegular) {
		return nil, usageErrorf("--%s: %w", flagWishlist, err)
	}
	return w, err
}

// server serves the shim at addr, to the hosts that it answers to there. It has limits on everything a client can draw out
// except the body: a zip may take minutes to arrive from the registry and to be sent.
func (s *shim) server(addr net.Addr, allow []string) *http.Server {
	return &http.Server{
		Handler:           ownHosts(s, addr, allow, s.log),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second, // requests have no bodies worth waiting for
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
}

// ownHosts has h answer at addr, on loopback, to this machine's names and to those of allow; elsewhere to any name, unless
// allow has some.
func ownHosts(h http.Handler, addr net.Addr, allow []string, log *slog.Logger) http.Handler {
	if local, err := isLoopback(addr.String()); local || err != nil || len(allow) > 0 {
		return proxyshim.OnlyHosts(h, allow, log)
	}
	return h
}

// listenLocally serves a shim on a free loopback port until stop.
func (s *shim) listenLocally() (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("starting the shim: %w", err)
	}
	srv := s.server(l.Addr(), nil)
	go srv.Serve(l) //nolint:errcheck // it ends with stop; before that, whoever asks sees the request fail
	return "http://" + l.Addr().String(), func() { _ = srv.Close() }, nil
}

// warnings is a log of what nobody should overlook, for commands whose own output is for people.
func warnings(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: hideCredentials}))
}

// hideCredentials is for the messages and the attributes of a log.
func hideCredentials(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(redact.Text(v))
	case error:
		a.Value = slog.StringValue(redact.Text(v.Error()))
	}
	return a
}

// isLoopback says whether only this machine can reach a listener on addr (host:port).
func isLoopback(addr string) (bool, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false, usageErrorf("--%s %q is not an address like %s", flagListen, addr, defaultListen)
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback(), nil
}
