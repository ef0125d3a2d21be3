package remote

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
)

// newServer starts a web server and returns its host.
func newServer(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func login(user, password string) func(context.Context, string) (auth.Credential, error) {
	return func(context.Context, string) (auth.Credential, error) {
		return auth.Credential{Username: user, Password: password}, nil
	}
}

func TestLogin(t *testing.T) {
	for name, kind := range map[string]registrytest.Auth{
		"basic": registrytest.BasicAuth, "token": registrytest.TokenAuth, "harbor": registrytest.HarborToken,
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, registrytest.Options{Auth: kind, User: "robot$ci", Password: "hunter2"})
			ref := reg.Host() + "/golang"
			s := open(t, newClient(t, ClientOptions{Credentials: login("robot$ci", "hunter2")}), ref)
			storetest.Image(t, s, "a", "v1")
			if _, _, err := s.Manifest(t.Context(), "a", "v1"); err != nil {
				t.Error(err)
			}

			s = open(t, newClient(t, ClientOptions{Credentials: login("robot$ci", "wrong-secret")}), ref)
			_, _, err := s.Manifest(t.Context(), "a", "v1")
			storetest.WantMeaning(t, err, registry.ErrUnauthorized)
			var e *registry.Error
			if !errors.As(err, &e) || e.Account != "robot$ci" || !strings.Contains(err.Error(), "as robot$ci") {
				t.Errorf("%v does not name the account", err)
			}
			if strings.Contains(err.Error(), "wrong-secret") {
				t.Errorf("%v has the password in it", err)
			}

			s = open(t, newClient(t, ClientOptions{}), ref)
			_, _, err = s.Manifest(t.Context(), "a", "v1")
			storetest.WantMeaning(t, err, registry.ErrUnauthorized)
			if !strings.Contains(err.Error(), "docker login "+reg.Host()) {
				t.Errorf("%v does not say how to log in", err)
			}
		})
	}
}

func TestOneTokenPerHarborProject(t *testing.T) {
	for name, test := range map[string]struct {
		kind   registrytest.Auth
		tokens int
	}{
		"harbor":       {registrytest.HarborToken, 1},
		"per registry": {registrytest.TokenAuth, 3},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, registrytest.Options{Auth: test.kind, User: "u", Password: "p"})
			c := newClient(t, ClientOptions{Credentials: login("u", "p")})
			s := open(t, c, reg.Host()+"/golang")
			names := []string{"a", "b/c", "d"}
			for _, name := range names {
				storetest.Image(t, s, name, "v1")
			}
			s = open(t, newClient(t, ClientOptions{Credentials: login("u", "p")}), reg.Host()+"/golang")
			reg.Reset()
			for range 2 {
				for _, name := range names {
					if _, _, err := s.Manifest(t.Context(), name, "v1"); err != nil {
						t.Fatal(err)
					}
				}
			}
			if n := reg.Count("", registrytest.Token); n != test.tokens {
				t.Errorf("%d tokens, want %d", n, test.tokens)
			}
			if n := reg.Count("", registrytest.Manifest); n != 2*len(names)+test.tokens {
				t.Errorf("%d manifest requests, want one more for each token than manifests", n)
			}
		})
	}
}

func TestTokenServiceFaults(t *testing.T) {
	reg := registrytest.New(t, registrytest.Options{Auth: registrytest.HarborToken, User: "u", Password: "p"})
	s := open(t, newClient(t, ClientOptions{Credentials: login("u", "p")}), reg.Host()+"/golang")
	reg.Inject(registrytest.ServiceUnavailable().On("", registrytest.Token).Times(4))
	storetest.Image(t, s, "a", "v1")
	reg.Inject(registrytest.ServiceUnavailable().On("", registrytest.Token))
	_, _, err := s.Manifest(t.Context(), "a", "v1")
	storetest.WantMeaning(t, err, registry.ErrUnavailable)
}

func TestTokenServiceOnAnotherPrivateAddress(t *testing.T) {
	server := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Www-Authenticate", `Bearer realm="http://10.1.2.3/token",service="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	s := open(t, newClient(t, ClientOptions{Credentials: login("u", "p")}), server+"/golang")
	_, _, err := s.Manifest(t.Context(), "a", "v1")
	storetest.WantMeaning(t, err, registry.ErrUnauthorized)
	if !strings.Contains(err.Error(), "token service is on 10.1.2.3") {
		t.Errorf("%v; want a hint", err)
	}
}

func TestTokensAreBounded(t *testing.T) {
	c := newTokens()
	fetch := func(context.Context) (string, error) { return "t", nil }
	for i := range maxTokens + 1 {
		if _, err := c.Set(t.Context(), "h", auth.SchemeBearer, "repository:golang/"+strings.Repeat("a", i)+":pull", fetch); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.GetToken(t.Context(), "h", auth.SchemeBearer, "repository:golang/a:pull"); !errors.Is(err, errdef.ErrNotFound) {
		t.Error("the first token is still there")
	}
}

func TestCAFile(t *testing.T) {
	reg := registrytest.New(t, registrytest.Options{TLS: true})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: reg.Server().Certificate().Raw})
	if err := os.WriteFile(ca, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	storetest.Image(t, open(t, newClient(t, ClientOptions{CAFile: ca}), "https://"+reg.Host()+"/golang"), "a", "v1")

	reg.Reset()
	_, _, err := open(t, newClient(t, ClientOptions{}), "https://"+reg.Host()+"/golang").Manifest(t.Context(), "a", "v1")
	storetest.WantMeaning(t, err, registry.ErrUnavailable)
	if !strings.Contains(err.Error(), "--ca-file") {
		t.Errorf("%v; want a hint", err)
	}
	for file, want := range map[string]string{filepath.Join(t.TempDir(), "none"): "none: ", "client_test.go": "holds no PEM certificate"} {
		if _, err := NewClient(ClientOptions{CAFile: file}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewClient with CAFile %s: %v", file, err)
		}
	}
}

func TestPlainRegistryAskedForTLS(t *testing.T) {
	reg := registrytest.New(t, registrytest.Options{})
	_, _, err := open(t, newClient(t, ClientOptions{}), "https://"+reg.Host()+"/golang").Manifest(t.Context(), "a", "v1")
	storetest.WantMeaning(t, err, registry.ErrUnavailable)
	if !strings.Contains(err.Error(), "http://") {
		t.Errorf("%v; want a hint", err)
	}
}

func TestOneConnectionPoolForManyStores(t *testing.T) {
	reg := registrytest.New(t, registrytest.Options{})
	c := newClient(t, ClientOptions{})
	for _, ns := range []string{"a", "b", "c"} { // one after another, so that one connection is enough
		if _, _, err := open(t, c, reg.Host()+"/"+ns).Manifest(t.Context(), "x", "v1"); !errors.Is(err, registry.ErrNotFound) {
			t.Fatal(err)
		}
	}
	if n := reg.Connections(); n != 1 {
		t.Errorf("%d connections to one registry, want 1", n)
	}
}
