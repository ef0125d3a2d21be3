package upstream

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry/redact/redacttest"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

// proxyUser makes an http.Client whose requests fail as those do for which the environment names a proxy that is no URL.
func proxyUser(proxy string) *http.Client {
	return &http.Client{Transport: &http.Transport{Proxy: func(*http.Request) (*url.URL, error) {
		_, err := url.Parse(proxy)
		return nil, fmt.Errorf("invalid proxy address %q: %w", proxy, errors.Join(err, errors.New("unknown")))
	}}}
}

func TestNoErrorOfAnUpstreamShowsCredentials(t *testing.T) {
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	for _, user := range redacttest.Users() {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, strings.Repeat("x ", 480)+"I do not serve https://"+user+"@"+r.Host+r.URL.Path, http.StatusServiceUnavailable)
		}))
		defer server.Close()
		address := strings.Replace(server.URL, "://", "://"+user+"@", 1)
		for _, o := range []Options{
			{GOPROXY: address}, // unless it is refused
			{GOPROXY: server.URL},
			{GOPROXY: "https://a.example|" + address + "|off", Client: proxyUser("")},
			{GOPROXY: server.URL, Client: proxyUser("http://" + user + "@proxy.example:3128")},
			{GOPROXY: strings.Replace(address, "http:", "ftp:", 1)},
			{GOPROXY: strings.Replace(address, "http:", "http:/", 1)},
			{GOPROXY: strings.Replace(address, "127.0.0.1", "a.example", 1)},
			{GOPROXY: "off," + address},
		} {
			o.Log, o.Retries = logger, 1
			o.MinBackoff, o.Netrc = 1, os.DevNull
			u, err := New(o)
			if err == nil {
				_, err = u.GoMod(t.Context(), upstreamtest.VersionA)
			}
			if err == nil {
				t.Errorf("GOPROXY=%s: no error", o.GOPROXY)
				continue
			}
			redacttest.Check(t, err.Error())
		}
	}
	if !strings.Contains(log.String(), "asking upstream again") {
		t.Errorf("the log has nothing of the second attempts: %s", &log)
	}
	redacttest.Check(t, log.String())
}

func TestARefusedRedirectShowsNothingSecret(t *testing.T) {
	secure := httptest.NewTLSServer(http.RedirectHandler("http://me:canary@files.example/a?signature=canary#canary", http.StatusFound))
	defer secure.Close()
	client := newHTTPClient()
	client.Transport = secure.Client().Transport
	_, err := newUpstreamWith(t, Options{GOPROXY: secure.URL, Client: client, Retries: -1}).GoMod(t.Context(), upstreamtest.VersionA)
	if err == nil || !strings.Contains(err.Error(), "redirected from HTTPS to http://files.example") {
		t.Error(err)
	} else {
		redacttest.Check(t, err.Error())
	}
}

func TestWhatTheGoCommandSaysLosesCredentials(t *testing.T) {
	for _, user := range redacttest.Users() {
		said := filepath.Join(t.TempDir(), "said")
		text := strings.Repeat("x ", 480) + "fatal: unable to access 'https://" + user + "@vcs.example/lib.git/': no\n"
		if err := os.WriteFile(said, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		goCmd := filepath.Join(t.TempDir(), "go")
		if err := os.WriteFile(goCmd, []byte("#!/bin/sh\ncat '"+said+"' >&2\nexit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		_, err := newUpstreamWith(t, Options{GOPROXY: "direct", Go: goCmd}).Info(t.Context(), upstreamtest.VersionA)
		if err == nil || !strings.Contains(err.Error(), "unable to access") {
			t.Errorf("%v", err)
			continue
		}
		redacttest.Check(t, err.Error())
	}
}

func TestGOSUMDBShowsNoCredentials(t *testing.T) {
	for _, user := range redacttest.Users() {
		for _, gosumdb := range []string{
			"https://" + user + "@sums.example", sumdb.DefaultLog + " https://" + user + "@sums.example:port",
			sumdb.DefaultLog + " https://" + user + "@sums.example x", sumdb.DefaultLog + " ftp://" + user + "@sums.example",
		} {
			_, err := NewChecksums(ChecksumOptions{GOSUMDB: gosumdb, Upstream: newUpstream(t, "off")})
			if err == nil {
				t.Errorf("GOSUMDB=%s: no error", gosumdb)
				continue
			}
			redacttest.Check(t, err.Error())
		}
		up := newUpstreamWith(t, Options{GOPROXY: "off", Client: proxyUser(""), Retries: -1})
		c, err := NewChecksums(ChecksumOptions{GOSUMDB: sumdb.DefaultLog + " https://" + user + "@sums.example", Upstream: up})
		if err == nil {
			_, err = c.Lookup(t.Context(), upstreamtest.VersionA)
		}
		if err == nil {
			t.Error("no error")
			continue
		}
		redacttest.Check(t, err.Error())
	}
}
