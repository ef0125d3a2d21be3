package remote

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/storetest"
)

// stranger is a host that is not the registry, and remembers what it is told.
type stranger struct {
	host string // of another port than the registry
	mu   sync.Mutex
	told []string // the Authorization headers of its requests, and their forms
}

func newStranger(t *testing.T, name string, answer http.HandlerFunc) *stranger {
	t.Helper()
	s := new(stranger)
	host := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.told = append(s.told, r.Header.Get("Authorization")+string(body))
		s.mu.Unlock()
		answer(w, r)
	})
	_, port, err := net.SplitHostPort(host)
	if err != nil {
		t.Fatal(err)
	}
	s.host = net.JoinHostPort(name, port)
	return s
}

// secrets returns those requests that had something to tell.
func (s *stranger) secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var told []string
	for _, text := range s.told {
		if text != "" {
			told = append(told, text)
		}
	}
	return told
}

func TestARedirectToAnotherHostTakesNoCredentialsAlong(t *testing.T) {
	content := []byte("some content")
	blob := artifact.NewBlob("text/plain", content)
	for _, test := range []struct{ kind, name string }{
		{"Basic", "localhost"}, {"Bearer", "localhost"}, {"Basic", "127.0.0.1"}, {"Bearer", "127.0.0.1"}, // another name, another port
	} {
		t.Run(test.kind+" to "+test.name, func(t *testing.T) {
			elsewhere := newStranger(t, test.name, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) })
			var registryHost string
			registryHost = newServer(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/token":
					_, _ = w.Write([]byte(`{"token":"hunter2-token"}`))
				case r.Header.Get("Authorization") == "":
					w.Header().Set("Www-Authenticate", fmt.Sprintf(`%s realm="http://%s/token",service="x"`, test.kind, registryHost))
					w.WriteHeader(http.StatusUnauthorized)
				default:
					http.Redirect(w, r, "http://"+elsewhere.host+"/storage", http.StatusTemporaryRedirect)
				}
			})
			s := open(t, newClient(t, ClientOptions{Credentials: login("u", "hunter2")}), registryHost+"/golang")
			if got, err := storetest.FetchBlob(t.Context(), s, blob); err != nil || string(got) != string(content) {
				t.Errorf("%q, %v", got, err)
			}
			if told := elsewhere.secrets(); len(told) > 0 || len(elsewhere.told) == 0 {
				t.Errorf("it was asked %d times, and told %q", len(elsewhere.told), told)
			}
			// Its answers are worth what their digests say.
			wrong := artifact.NewBlob("text/plain", []byte("some CONTENT"))
			if _, err := storetest.FetchBlob(t.Context(), s, wrong); !errors.Is(err, artifact.ErrCorrupt) {
				t.Errorf("content of another digest: %v", err)
			}
		})
	}
}

// A registry may name a token service on another host, but not make us send a password there in the clear.
func TestATokenRealmElsewhereIsNotToldThePasswordInTheClear(t *testing.T) {
	elsewhere := newStranger(t, "localhost", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"token":"t"}`)) })
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Www-Authenticate", `Bearer realm="http://`+elsewhere.host+`/token",service="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	c := newClient(t, ClientOptions{Transport: server.Client().Transport, Credentials: login("u", "hunter2")})
	_, _, err := open(t, c, "https://"+server.Listener.Addr().String()+"/golang").Manifest(t.Context(), "a", "v1")
	storetest.WantMeaning(t, err, registry.ErrUnauthorized)
	if told := elsewhere.secrets(); len(told) > 0 {
		t.Errorf("it was told %q", told)
	}
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}

// endless never stops.
func endless(w http.ResponseWriter) {
	chunk := []byte(strings.Repeat(" ", 32<<10))
	for {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

func TestEndlessBodiesAreCut(t *testing.T) {
	blob := artifact.NewBlob("text/plain", []byte("some content"))
	for _, status := range []int{http.StatusOK, http.StatusNotFound, http.StatusInternalServerError, http.StatusUnauthorized} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			host := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
				w.WriteHeader(status)
				endless(w)
			})
			s := open(t, newClient(t, ClientOptions{Retries: -1}), host+"/golang")
			if _, _, err := s.Manifest(t.Context(), "a", "v1"); err == nil {
				t.Error("a manifest without end was read")
			}
			if _, err := storetest.FetchBlob(t.Context(), s, blob); err == nil {
				t.Error("a blob without end was read")
			}
			if err := storetest.OnlyError(t, s.Tags(t.Context(), "a")); err == nil {
				t.Error("a list of tags without end was read")
			}
			if err := storetest.OnlyError(t, s.Repositories(t.Context())); err == nil {
				t.Error("a catalog without end was read")
			}
		})
	}
	t.Run("token", func(t *testing.T) {
		var host string
		host = newServer(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/token" {
				endless(w)
				return
			}
			w.Header().Set("Www-Authenticate", `Bearer realm="http://`+host+`/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		})
		s := open(t, newClient(t, ClientOptions{Retries: -1}), host+"/golang")
		if _, _, err := s.Manifest(t.Context(), "a", "v1"); err == nil {
			t.Error("a token without end was read")
		}
	})
}
