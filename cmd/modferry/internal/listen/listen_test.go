package listen

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

var quiet = slog.New(slog.DiscardHandler)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// authority signs certificates.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	n    int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	var err error
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	must(t, err)
	a.cert, err = x509.ParseCertificate(der)
	must(t, err)
	a.write("ca", "CERTIFICATE", der)
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(name, kind string, der []byte) {
	a.t.Helper()
	must(a.t, os.WriteFile(a.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

// issue writes NAME.crt and NAME.key, for 127.0.0.1 and for clients.
func (a *authority) issue(name string) Certificates {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(a.t, err)
	a.n++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.n + 1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	must(a.t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(a.t, err)
	a.write(name+".crt", "CERTIFICATE", der)
	a.write(name+".key", "PRIVATE KEY", private)
	return Certificates{Cert: a.path(name + ".crt"), Key: a.path(name + ".key")}
}

// client trusts the authority and shows a certificate, if it has a name.
func (a *authority) client(name string) *http.Client {
	a.t.Helper()
	config := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	config.RootCAs.AddCert(a.cert)
	if name != "" {
		pair, err := tls.LoadX509KeyPair(a.path(name+".crt"), a.path(name+".key"))
		must(a.t, err)
		config.Certificates = []tls.Certificate{pair}
	}
	t := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	a.t.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t}
}

// serve serves by HTTPS until the test ends.
func serve(t *testing.T, c Certificates) (url string) {
	t.Helper()
	config, _, err := c.Config(quiet)
	must(t, err)
	l, err := Open("127.0.0.1:0")
	must(t, err)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	srv := Server(h, l.Addr(), nil, quiet)
	go srv.Serve(tls.NewListener(l, config)) //nolint:errcheck // it ends with Close
	t.Cleanup(func() { _ = srv.Close() })
	return "https://" + l.Addr().String()
}

func get(c *http.Client, url string) (body, peer string, err error) {
	resp, err := c.Get(url)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return string(data), resp.TLS.PeerCertificates[0].Subject.CommonName, err
}

func TestHTTPSSpeaksHTTP2(t *testing.T) {
	a := newAuthority(t)
	url := serve(t, a.issue("shim"))
	if body, _, err := get(a.client(""), url); body != "HTTP/2.0" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
}

func TestARenewedCertificateIsShown(t *testing.T) {
	a := newAuthority(t)
	c := a.issue("old")
	url := serve(t, c)
	if _, peer, err := get(a.client(""), url); peer != "old" || err != nil {
		t.Fatalf("%q, %v", peer, err)
	}
	renewed := a.issue("new")
	must(t, os.Rename(renewed.Key, c.Key))
	must(t, os.Rename(renewed.Cert, c.Cert))
	for peer := "old"; peer != "new"; { // files are looked at once a second
		var err error
		_, peer, err = get(a.client(""), url)
		must(t, err)
	}
	must(t, os.WriteFile(c.Cert, []byte("half a"), 0o600))
	if _, peer, err := get(a.client(""), url); peer != "new" || err != nil {
		t.Errorf("while it is being written: %q, %v", peer, err)
	}
}

func TestClientsNeedACertificate(t *testing.T) {
	a := newAuthority(t)
	for _, name := range []string{"shim", "client"} {
		a.issue(name)
	}
	stranger := newAuthority(t)
	stranger.issue("client")
	c := Certificates{Cert: a.path("shim.crt"), Key: a.path("shim.key"), ClientCA: a.path("ca")}
	url := serve(t, c)
	if body, _, err := get(a.client("client"), url); body != "HTTP/2.0" || err != nil {
		t.Errorf("with one: %q, %v", body, err)
	}
	if _, _, err := get(a.client(""), url); err == nil {
		t.Error("a client without a certificate was answered")
	}
	foreign := a.client("")
	foreign.Transport.(*http.Transport).TLSClientConfig.Certificates = stranger.client("client").Transport.(*http.Transport).TLSClientConfig.Certificates
	if _, _, err := get(foreign, url); err == nil {
		t.Error("a client with a certificate of somebody else was answered")
	}
	c.Optional = true
	if body, _, err := get(a.client(""), serve(t, c)); body != "HTTP/2.0" || err != nil {
		t.Errorf("where it may do without: %q, %v", body, err)
	}
}

func TestCertificatesThatCannotBeRead(t *testing.T) {
	a := newAuthority(t)
	c := a.issue("shim")
	for want, wrong := range map[string]Certificates{
		"none.crt": {Cert: a.path("none.crt"), Key: c.Key},
		"none.pem": {Cert: c.Cert, Key: c.Key, ClientCA: a.path("none.pem")},
		"no PEM":   {Cert: c.Cert, Key: c.Key, ClientCA: c.Key},
	} {
		if _, _, err := wrong.Config(quiet); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want …%s…", err, want)
		}
	}
	if config, _, err := (Certificates{}).Config(quiet); config != nil || err != nil {
		t.Errorf("plain HTTP: %v, %v", config, err)
	}
}

func TestAClientDownloadsSoManyZipsAtATime(t *testing.T) {
	entered, leave := make(chan string), make(chan struct{})
	h := LimitDownloads(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		entered <- r.RemoteAddr + r.URL.Path
		<-leave
	}), 2)
	var all sync.WaitGroup
	ask := func(ctx context.Context, addr, path string) {
		all.Go(func() {
			r := httptest.NewRequestWithContext(ctx, "GET", path, nil)
			r.RemoteAddr = addr
			h.ServeHTTP(httptest.NewRecorder(), r)
		})
	}
	for range 2 {
		ask(t.Context(), "192.0.2.1:1", "/a/@v/v1.0.0.zip")
		<-entered
	}
	gone, cancel := context.WithCancel(t.Context())
	ask(t.Context(), "192.0.2.1:3", "/waits/@v/v1.0.0.zip")
	ask(gone, "192.0.2.1:4", "/gone/@v/v1.0.0.zip")
	ask(t.Context(), "192.0.2.1:5", "/a/@v/v1.0.0.mod")
	if got := <-entered; got != "192.0.2.1:5/a/@v/v1.0.0.mod" {
		t.Errorf("%s was served beside two zips", got)
	}
	ask(t.Context(), "192.0.2.2:1", "/a/@v/v1.0.0.zip")
	if got := <-entered; got != "192.0.2.2:1/a/@v/v1.0.0.zip" {
		t.Errorf("%s was served, not another client", got)
	}
	cancel()
	leave <- struct{}{}
	for got := ""; got != "192.0.2.1:3/waits/@v/v1.0.0.zip"; { // either may leave first, and who is gone may be let in
		select {
		case got = <-entered:
		case leave <- struct{}{}:
		}
	}
	close(leave)
	all.Wait()
}

func TestStoppingFinishesWhatIsInFlight(t *testing.T) {
	l, err := Open("127.0.0.1:0")
	must(t, err)
	inFlight, finish := make(chan struct{}), make(chan struct{})
	url := "http://" + l.Addr().String()
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(inFlight)
			<-finish
		}
		_, _ = io.WriteString(w, "done")
	})}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	late := func() { // by who has not noticed yet
		resp, err := http.Get(url + "/late")
		if err != nil {
			t.Errorf("a request while it drains: %v", err)
			return
		}
		resp.Body.Close()
		close(finish)
	}
	go func() {
		ended <- Until(ctx, srv, l, Stop{Timeout: time.Minute, Delay: time.Nanosecond, Drain: late}, quiet)
	}()
	slow := make(chan string, 1)
	go func() {
		resp, err := http.Get(url + "/slow")
		if err != nil {
			slow <- err.Error()
			return
		}
		defer resp.Body.Close()
		data, _ := io.ReadAll(resp.Body)
		slow <- string(data)
	}()
	<-inFlight
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := <-slow; got != "done" {
		t.Errorf("what was in flight: %s", got)
	}
}

func TestStoppingEndsInTime(t *testing.T) {
	l, err := Open("127.0.0.1:0")
	must(t, err)
	inFlight := make(chan struct{})
	srv := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(inFlight)
		<-r.Context().Done()
	})}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Until(ctx, srv, l, Stop{Timeout: time.Millisecond}, quiet) }()
	go func() {
		if resp, err := http.Get("http://" + l.Addr().String()); err == nil {
			resp.Body.Close()
		}
	}()
	<-inFlight
	stop()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "still in flight after 1ms") {
		t.Errorf("%v", err)
	}
}

// envPassed makes the test binary a service that systemd passes a socket.
const envPassed = "LISTEN_TEST_PASSED"

func TestSystemdPassesASocket(t *testing.T) {
	if os.Getenv(envPassed) != "" {
		l, err := Open(Systemd)
		must(t, err)
		must(t, http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "passed") })))
	}
	if runtime.GOOS == "windows" {
		t.Skip("there is no systemd")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	must(t, err)
	defer socket.Close()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `LISTEN_PID=$$ exec "$0" -test.run '^TestSystemdPassesASocket$'`, os.Args[0])
	cmd.Env = append(os.Environ(), envPassed+"=1", "LISTEN_FDS=1")
	cmd.ExtraFiles = []*os.File{socket}
	must(t, cmd.Start())
	defer cmd.Wait() //nolint:errcheck // it is killed
	defer cmd.Process.Kill()
	resp, err := http.Get("http://" + l.Addr().String()) // the socket is there before the service is
	must(t, err)
	defer resp.Body.Close()
	if data, err := io.ReadAll(resp.Body); string(data) != "passed" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}

func TestSystemdHasToPassASocket(t *testing.T) {
	if _, err := Open(Systemd); err == nil || !strings.Contains(err.Error(), "LISTEN_FDS") {
		t.Errorf("%v", err)
	}
}
