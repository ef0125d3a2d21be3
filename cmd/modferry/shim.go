package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/redact"
)

// shim is a handler together with the stores it answers from.
type shim struct {
	*proxyshim.Handler
	stores *registry.Router
}

// newShim builds the shim that the options describe.
func (a *app) newShim(c *cli.Context, log *slog.Logger) (*shim, error) {
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
		Private:  c.String(flagPrivate),
		Log:      log,
	})
	if err != nil {
		stores.Close()
		return nil, fmt.Errorf("starting the shim: %w", err)
	}
	return &shim{Handler: h, stores: stores}, nil
}

// Close ends background work of the handler, then lets go of the stores.
func (s *shim) Close() error {
	err := s.Handler.Close()
	if serr := s.stores.Close(); err == nil {
		err = serr
	}
	return err
}

// newServer has limits on everything a client can draw out except the body: a zip may take minutes to arrive
// from the registry and to be sent.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second, // requests have no bodies worth waiting for
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// newLog writes text for people or JSON for machines to w, without the credentials of URLs.
func newLog(w io.Writer, format string, level slog.Level) (*slog.Logger, error) {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: hideCredentials}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return nil, usageErrorf("--%s %q: known are text and json", flagLogFormat, format)
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
