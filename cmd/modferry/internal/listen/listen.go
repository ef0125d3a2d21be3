// Package listen has a shim answer at an address of this machine.
package listen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/modferry/modferry/proxyshim"
)

// IsLoopback reports whether only this machine can reach a listener on addr (host:port).
func IsLoopback(addr string) (bool, error) {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback(), err
}

// URL is where a shim that listens on addr is reached from this machine.
func URL(scheme, addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port), err
}

// Server serves a shim at addr: on loopback to this machine's names and to those of allow; elsewhere to any name, unless
// allow has some. It has limits on everything a client can draw out except the body: a zip may take minutes to arrive
// from the registry and to be sent.
func Server(shim http.Handler, addr net.Addr, allow []string, log *slog.Logger) *http.Server {
	if local, err := IsLoopback(addr.String()); local || err != nil || len(allow) > 0 {
		shim = proxyshim.OnlyHosts(shim, allow, log)
	}
	return &http.Server{
		Handler:        shim,
		ReadTimeout:    10 * time.Second, // of the header, too; requests have no bodies worth waiting for
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// Locally serves a shim on a free loopback port until stop.
func Locally(shim http.Handler, log *slog.Logger) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("starting the shim: %w", err)
	}
	srv := Server(shim, l.Addr(), nil, log)
	go srv.Serve(l) //nolint:errcheck // it ends with stop; before that, whoever asks sees the request fail
	return "http://" + l.Addr().String(), func() { _ = srv.Close() }, nil
}

// Stop is how a shim ends. The zero value has requests in flight cut off.
type Stop struct {
	Timeout time.Duration // for all of it
	Delay   time.Duration // of it, before new requests are refused: time for those who send them to notice
	Drain   func()        // called first: to say to them that it is not ready any more; nil = nothing is said
}

// Until serves on l until ctx ends, then lets requests in flight finish. Systemd, if it wants to know, is told of both.
func Until(ctx context.Context, srv *http.Server, l net.Listener, stop Stop, log *slog.Logger) error {
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReady) // of no use to anybody else
	select {
	case err := <-failed:
		return fmt.Errorf("the shim stopped: %w", err)
	case <-ctx.Done():
	}
	log.Info("shim stopping")
	_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stop.Timeout)
	defer cancel()
	if stop.Drain != nil {
		stop.Drain()
	}
	if stop.Delay > 0 {
		select {
		case <-time.After(stop.Delay):
		case <-grace.Done():
		}
	}
	if err := srv.Shutdown(grace); err != nil {
		return errors.Join(fmt.Errorf("requests were still in flight after %v: %w", stop.Timeout, err), srv.Close())
	}
	return nil
}
