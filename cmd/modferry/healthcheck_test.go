package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
)

func TestHealthcheckAsksAShimWhetherItIsReady(t *testing.T) {
	b, public := mirrored(t)
	s := b.serve("--key", public)
	b.run("healthcheck", "--shim", s.url).exits(command.ExitOK).says("ready\n")
	b.env["MODFERRY_SHIM"] = s.url
	b.run("healthcheck", "--wait", "1m").exits(command.ExitOK).says("ready\n")
	s.stop()
	b.run("healthcheck").exits(command.ExitFailed).complains("the shim at "+s.url+" does not answer", "connect")
	b.run("healthcheck", "--wait", "1ms").exits(command.ExitFailed).complains("after 1ms: the shim at " + s.url + " does not answer")
	b.run("healthcheck", "--wait", "-1s").exits(command.ExitUsage)
}

func TestHealthcheckAsksByHTTPSWhoListensHere(t *testing.T) {
	b, public := mirrored(t)
	cert, key, _ := b.certificate()
	s := b.serve("--key", public, "--tls-cert", cert, "--tls-key", key)
	b.run("healthcheck", "--listen", strings.TrimPrefix(s.url, "https://")).exits(command.ExitOK).says("ready\n", "certificate: in force")
	// Elsewhere the certificate counts, and so does the scheme.
	b.run("healthcheck", "--shim", s.url).exits(command.ExitFailed).complains("does not answer", "certificate")
	b.run("healthcheck", "--shim", "http"+strings.TrimPrefix(s.url, "https")).exits(command.ExitFailed).complains("is not ready, 400", "HTTPS server")
}

func TestHealthcheckWaitsUntilAShimIsReady(t *testing.T) {
	var asked atomic.Int32
	shim := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/-/readyz" || asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, "[-] store: does not answer\x1b[2J\nnot ready\n")
			return
		}
		io.WriteString(w, "ready\x1b[2J\n[+] store\n")
	}))
	defer shim.Close()
	b := newBench(t)
	r := b.run("healthcheck", "--shim", shim.URL).exits(command.ExitFailed).complains("is not ready, 503: [-] store: does not answer", "not ready")
	if strings.Contains(r.err, "\x1b") {
		t.Errorf("it can write all over a terminal: %q", r.err)
	}
	b.run("healthcheck", "--shim", shim.URL, "--wait", "1h").exits(command.ExitOK).prints("ready[2J\n[+] store\n")
	if asked.Load() != 3 {
		t.Errorf("asked %d times", asked.Load())
	}
}
