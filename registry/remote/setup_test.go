package remote

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
)

func TestARepositoryThatHasToBeCreatedIsNamed(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	storetest.Image(t, s, "there", "v1")
	for name, fault := range map[string]registrytest.Fault{
		"Amazon":  registrytest.NoRepositoryCreation(),
		"another": registrytest.Denied().On(http.MethodPost, registrytest.Upload),
	} {
		reg.Inject(fault)
		err := s.PushBlob(t.Context(), "github.com/acme/new", artifact.NewBlob("text/plain", []byte(name)))
		storetest.WantMeaning(t, err, registry.ErrDenied)
		if !strings.Contains(err.Error(), "create "+reg.Host()+"/golang/github.com/acme/new") {
			t.Errorf("%s: %v", name, err)
		}
		reg.Heal()
	}
	reg.Inject(registrytest.NoRepositoryCreation())
	if err := s.PushBlob(t.Context(), "there", artifact.NewBlob("text/plain", []byte("x"))); err != nil {
		t.Error(err)
	}
}

func TestUploadsGoWhereTheRegistryTakesThem(t *testing.T) {
	for name, base := range map[string]func(*registrytest.Registry) string{
		"relative":                 func(*registrytest.Registry) string { return "" },
		"on another path":          func(*registrytest.Registry) string { return "/storage/x" },
		"absolute":                 func(r *registrytest.Registry) string { return r.URL },
		"absolute on another path": func(r *registrytest.Registry) string { return r.URL + "/storage" },
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, registrytest.Options{Auth: registrytest.HarborToken, User: "u", Password: "p"})
			to := base(reg)
			reg.Inject(registrytest.UploadsElsewhere(to))
			if to != "" && to != reg.URL {
				reg.Inject(registrytest.UploadsElsewhere(strings.TrimPrefix(to, reg.URL)).On(http.MethodPut, registrytest.Other))
			}
			s := open(t, newClient(t, ClientOptions{Credentials: login("u", "p")}), reg.Host()+"/golang")
			storetest.Image(t, s, "a", "v1")
			if _, _, err := s.Manifest(t.Context(), "a", "v1"); err != nil {
				t.Error(err)
			}
		})
	}
}

// otherServer is another server on the way, which remembers what authorizations it was shown.
func otherServer(t *testing.T, status int, body string) (server *httptest.Server, shown func() []string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		seen = append(seen, r.Header.Get("Authorization"))
		mu.Unlock()
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
}

// Another port of the same machine is another host, too.
func TestNoOtherHostIsShownATokenOrAPassword(t *testing.T) {
	for name, auth := range map[string]registrytest.Auth{"token": registrytest.HarborToken, "password": registrytest.BasicAuth} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, registrytest.Options{Auth: auth, User: "u", Password: "p"})
			s := open(t, newClient(t, ClientOptions{Credentials: login("u", "p")}), reg.Host()+"/golang")
			storetest.Image(t, s, "a", "v1")
			blob := artifact.NewBlob("text/plain", []byte("content"))
			if err := s.PushBlob(t.Context(), "a", blob); err != nil {
				t.Fatal(err)
			}
			storage, shown := otherServer(t, http.StatusOK, "content")
			reg.Inject(registrytest.BlobsElsewhere(storage.URL))
			rc, err := s.Blob(t.Context(), "a", blob.Descriptor)
			if err != nil {
				t.Fatal(err)
			}
			if data, err := io.ReadAll(rc); err != nil || string(data) != "content" {
				t.Errorf("%q, %v", data, err)
			}
			rc.Close()
			if seen := shown(); len(seen) != 1 || seen[0] != "" {
				t.Errorf("shown %q", seen)
			}
			uploads, shown := otherServer(t, http.StatusCreated, "")
			reg.Inject(registrytest.UploadsElsewhere(uploads.URL))
			if err := s.PushBlob(t.Context(), "a", blob); err == nil || len(shown()) > 0 {
				t.Errorf("sent to another host, or not: %v, shown %q", err, shown())
			}
		})
	}
}

func TestATokenIsNotUsedUntilTheRegistryRefusesIt(t *testing.T) {
	for name, test := range map[string]struct {
		life   time.Duration
		tokens int
	}{
		"lasts for long":  {time.Hour, 1},
		"is about to end": {tokenMargin - 2*time.Second, 3},
	} {
		reg := registrytest.New(t, registrytest.Options{Auth: registrytest.HarborToken, User: "u", Password: "p", TokenLife: test.life})
		s := open(t, newClient(t, ClientOptions{Credentials: login("u", "p")}), reg.Host()+"/golang")
		for range 3 {
			_, _, err := s.Manifest(t.Context(), "a", "sha256:"+strings.Repeat("0", 64))
			storetest.WantMeaning(t, err, registry.ErrNotFound)
		}
		if n := reg.Count("", registrytest.Token); n != test.tokens {
			t.Errorf("%s: %d tokens", name, n)
		}
	}
}

func TestExpiry(t *testing.T) {
	for token, want := range map[string]int64{
		"": 0, "opaque": 0, "a.b.c": 0, "e30.e30.x": 0, "e30.bm9uZQ.x": 0,
		"e30.eyJleHAiOjE3NjQ0MDAwMDB9.c2ln": 1764400000, "e30.eyJleHAiOi0xfQ.x": 0, "e30.eyJleHAiOiJzb29uIn0.x": 0,
	} {
		end, ok := expiry(token)
		if ok != (want > 0) || ok && end.Unix() != want {
			t.Errorf("%q ends at %v, %v", token, end, ok)
		}
	}
}

func TestProxiesAreThoseOfTheEnvironmentAndNeverForLoopback(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://proxy.example:3128")
	t.Setenv("HTTP_PROXY", "http://proxy.example:3128")
	t.Setenv("NO_PROXY", "inside.example")
	transports, err := newTransports(ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for address, proxied := range map[string]bool{
		"https://registry.example/v2/": true, "http://registry.example/v2/": true, "https://registry.inside.example/v2/": false,
		"http://127.0.0.1:5000/v2/": false, "https://localhost:5000/v2/": false, "http://[::1]:5000/v2/": false,
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		proxy, err := transports.common.Proxy(&http.Request{URL: u})
		if err != nil || (proxy != nil) != proxied {
			t.Errorf("%s: by way of %v, %v", address, proxy, err)
		}
	}
}

// writePair writes a self-signed certificate and its key to NAME.cert and NAME.key.
func writePair(t *testing.T, name string) (cert *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: filepath.Base(name)}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, name+".cert", "CERTIFICATE", der)
	writePEM(t, name+".key", "PRIVATE KEY", pkcs8)
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return cert
}

func writePEM(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// clientCertRegistry is a registry behind a server that wants a certificate of client, and writes its own to ca.
func clientCertRegistry(t *testing.T, client *x509.Certificate, ca string) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(registrytest.New(t, registrytest.Options{}))
	pool := x509.NewCertPool()
	pool.AddCert(client)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	server.StartTLS()
	t.Cleanup(server.Close)
	writePEM(t, ca, "CERTIFICATE", server.Certificate().Raw)
	return server
}

func TestClientCertificates(t *testing.T) {
	dir := t.TempDir()
	cert := writePair(t, filepath.Join(dir, "client"))
	ca := filepath.Join(dir, "server.pem")
	server := clientCertRegistry(t, cert, ca)
	host := strings.TrimPrefix(server.URL, "https://")
	certs := filepath.Join(dir, "certs.d")
	own := filepath.Join(certs, host)
	if err := os.MkdirAll(own, 0o700); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{"client.cert": "client.cert", "client.key": "client.key", "server.pem": "ca.crt"} {
		if err := os.Link(filepath.Join(dir, from), filepath.Join(own, to)); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		o  ClientOptions
		ok bool
	}{
		"none":                {ClientOptions{CAFile: ca}, false},
		"options":             {ClientOptions{CAFile: ca, ClientCert: filepath.Join(dir, "client.cert"), ClientKey: filepath.Join(dir, "client.key")}, true},
		"docker's directory":  {ClientOptions{CertsDirs: []string{filepath.Join(dir, "none"), certs}}, true},
		"of another registry": {ClientOptions{CAFile: ca, CertsDirs: []string{dir}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if test.o.CertsDirs == nil {
				test.o.CertsDirs = []string{}
			}
			test.o.Retries = -1
			s := open(t, newClient(t, test.o), server.URL+"/golang")
			_, _, err := s.Manifest(t.Context(), "a", "v1")
			if test.ok {
				storetest.WantMeaning(t, err, registry.ErrNotFound)
			} else {
				storetest.WantMeaning(t, err, registry.ErrUnavailable)
			}
		})
	}
}

// The common transport, for any other host, has none.
func TestAClientCertificateIsShownToRegistriesOnly(t *testing.T) {
	dir := t.TempDir()
	writePair(t, filepath.Join(dir, "client"))
	all, err := newTransports(ClientOptions{ClientCert: filepath.Join(dir, "client.cert"), ClientKey: filepath.Join(dir, "client.key"), CertsDirs: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := all.open("registry.example"); err != nil {
		t.Fatal(err)
	}
	if c := all.common.TLSClientConfig; c != nil && len(c.Certificates) > 0 {
		t.Error("every host is shown the certificate")
	}
	if own := all.own["registry.example"]; own == nil || len(own.TLSClientConfig.Certificates) != 1 {
		t.Error("the registry is not")
	}
}

func TestCertificatesThatCannotBeReadAreNamed(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, "registry.example")
	if err := os.MkdirAll(own, 0o700); err != nil {
		t.Fatal(err)
	}
	writePair(t, filepath.Join(own, "client"))
	if err := os.Remove(filepath.Join(own, "client.key")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(own, "ca.crt"), []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := newClient(t, ClientOptions{CertsDirs: []string{dir}}).Open("registry.example/golang")
	if err == nil || !strings.Contains(err.Error(), "client.key") || !strings.Contains(err.Error(), "ca.crt holds no PEM certificate") {
		t.Errorf("%v", err)
	}
	if _, err := NewClient(ClientOptions{ClientCert: filepath.Join(own, "client.cert")}); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("without a key: %v", err)
	}
}
