package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/redact/redacttest"
)

func TestErrorsShowNoPartOfCredentials(t *testing.T) {
	var log strings.Builder
	for _, user := range redacttest.Users() {
		address := "https://" + user + "@files.example/x"
		said, err := json.Marshal(map[string]any{"errors": []map[string]string{{"code": "UNKNOWN", "message": strings.Repeat("x ", 480) + "see " + address}}})
		if err != nil {
			t.Fatal(err)
		}
		text := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprintln(w, "cannot reach", address)
		})
		structured := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write(said)
		})
		redirect := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "ftp://me:canary@files.example/x?signature=canary")
			w.WriteHeader(http.StatusTemporaryRedirect)
		})
		proxied := &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { // as of the environment
			proxy := "http://" + user + "@proxy.example:3128"
			_, err := url.Parse(proxy)
			return nil, fmt.Errorf("invalid proxy address %q: %w", proxy, errors.Join(err, errors.New("unknown")))
		}}
		for _, o := range []struct {
			server    string
			transport http.RoundTripper
		}{{text, nil}, {structured, nil}, {redirect, nil}, {text, proxied}} {
			c := newClient(t, ClientOptions{Retries: 1, Transport: o.transport, Log: slog.New(slog.NewTextHandler(&log, nil))})
			_, _, err := open(t, c, o.server+"/golang").Manifest(t.Context(), "a", "v1")
			var e *registry.Error
			if !errors.As(err, &e) {
				t.Errorf("%v", err)
				continue
			}
			redacttest.Check(t, err.Error())
			redacttest.Check(t, e.Message)
		}
	}
	redacttest.Check(t, log.String())
}
