package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
)

// serving is a serve command that runs until stop.
type serving struct {
	url  string
	stop func() result
	logs func(want string) // returns once that is in the log
}

// serves finds the shim's address in the banner, or in its first line of JSON.
var serves = regexp.MustCompile(`^(?:    export GOPROXY=|.*"msg":"serving".*"url":")([^"]+)`)

// serve starts the serve command and returns once it has printed its banner.
func (b *bench) serve(args ...string) serving {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	r, w := io.Pipe()
	done := make(chan int, 1)
	var out lockedBuffer
	s := command.Streams{In: strings.NewReader(""), Out: &out, Err: w, Env: func(name string) (string, bool) { v, ok := b.env[name]; return v, ok }}
	args = append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)
	go func() {
		done <- execute(ctx, s, args)
		w.Close()
	}()
	var log lockedBuffer
	line := make(chan struct{}, 1)
	ready := make(chan string, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(ready)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			fmt.Fprintln(&log, lines.Text())
			select {
			case line <- struct{}{}:
			default: // somebody is yet to look at what is there
			}
			if m := serves.FindStringSubmatch(lines.Text()); m != nil {
				ready <- m[1]
			}
		}
	}()
	wait := sync.OnceValue(func() result {
		cancel()
		<-read
		return result{b.t, strings.Join(args, " "), <-done, out.String(), log.String()}
	})
	b.t.Cleanup(func() { wait() })
	url, ok := <-ready
	if !ok {
		b.t.Fatalf("serve did not start: %s", wait().err)
	}
	logs := func(want string) {
		b.t.Helper()
		for !strings.Contains(log.String(), want) {
			select {
			case <-line:
			case <-read:
				b.t.Fatalf("serve ended, and its log lacks %q:\n%s", want, log.String())
			}
		}
	}
	return serving{url, wait, logs}
}

func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	resp, err := c.Get(url)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(body)
}

func TestServeAnswersAndStopsCleanly(t *testing.T) {
	b, public := mirrored(t)
	s := b.serve("--key", public)
	if code, body := get(t, http.DefaultClient, s.url+"/example.com/a/@v/list"); code != 200 || body != "v1.0.0\nv1.9.0\nv1.10.0\n" {
		t.Errorf("list: %d %q", code, body)
	}
	if code, _ := get(t, http.DefaultClient, s.url+"/-/healthz"); code != 200 {
		t.Errorf("healthz: %d", code)
	}
	s.stop().exits(command.ExitOK).complains("export GOPROXY="+s.url, "export GONOPROXY=none", "oci:"+b.path("store"), "shim stopping")
}

func TestServeWritesAWishlistThatMirrorReads(t *testing.T) {
	b, public := mirrored(t)
	file := b.path("wishes.txt")
	s := b.serve("--key", public, "--wishlist", file)
	if code, body := get(t, http.DefaultClient, s.url+"/example.com/b/@v/v1.0.0.info"); code != 404 {
		t.Errorf("missing version: %d %q", code, body)
	}
	s.stop().exits(command.ExitOK)
	got, err := os.ReadFile(file)
	must(t, err)
	if !regexp.MustCompile(`^example\.com/b@v1\.0\.0  # once, 20\S+Z\n$`).Match(got) {
		t.Errorf("wish list: %q", got)
	}
	b.upstream("example.com/b@v1.0.0")
	b.run("mirror", "--no-sign", file).exits(command.ExitOK).says("1 new")
}

func TestServeRefusesWhatNoTrustedKeySigned(t *testing.T) {
	b, _ := mirrored(t)
	_, stranger := b.keys("stranger")
	s := b.serve("--key", stranger)
	if code, body := get(t, http.DefaultClient, s.url+"/example.com/a/@v/v1.0.0.info"); code != 403 || !strings.Contains(body, "SECURITY") {
		t.Errorf("got %d %q", code, body)
	}
}

func TestServeOverTLS(t *testing.T) {
	b, public := mirrored(t)
	cert, key, pool := b.certificate()
	s := b.serve("--key", public, "--tls-cert", cert, "--tls-key", key, "--log-format", "json")
	if !strings.HasPrefix(s.url, "https://127.0.0.1:") {
		t.Fatalf("banner says %s", s.url)
	}
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	defer c.CloseIdleConnections()
	if code, _ := get(t, c, s.url+"/example.com/a/@v/v1.0.0.info"); code != 200 {
		t.Errorf("got %d", code)
	}
	for line := range strings.Lines(s.stop().exits(command.ExitOK).complains(`"msg":"shim stopping"`).err) {
		if !json.Valid([]byte(line)) {
			t.Errorf("this is no JSON: %s", line)
		}
	}
}

func TestServeAnswersWhoMayReadWhatTheyMay(t *testing.T) {
	b, public := mirrored(t)
	cert, key, pool := b.certificate()
	hash, err := bcrypt.GenerateFromPassword([]byte("wonder"), bcrypt.MinCost)
	must(t, err)
	access := b.write("access", "alice:"+string(hash)+":example.com/a\nmetrics:certificate\n*::example.com/public\n")
	audited := b.path("audit.log")
	s := b.serve("--key", public, "--tls-cert", cert, "--tls-key", key, "--client-ca", cert, "--access", access, "--audit-log", audited, "--private", "example.com/*,corp.example/secret")
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	defer c.CloseIdleConnections()
	alice := strings.Replace(s.url, "https://", "https://alice:wonder@", 1)
	for _, test := range []struct {
		url    string
		status int
		text   string
	}{
		{alice + "/example.com/a/@v/list", 200, "v1.0.0"},
		{alice + "/example.com/b/@v/list", 403, "forbidden: alice may not read example.com/b here"},
		{s.url + "/example.com/a/@v/list", 401, "unauthorized: "},
		{s.url + "/example.com/public/x/@v/list", 404, "not found: "},
		{strings.Replace(alice, "wonder", "wander", 1) + "/example.com/a/@v/list", 401, "name or password is wrong"},
		{s.url + "/-/readyz", 200, "[+] access: in force"},
	} {
		if code, body := get(t, c, test.url); code != test.status || !strings.Contains(body, test.text) {
			t.Errorf("%s: %d %q, want %d …%s…", test.url, code, body, test.status, test.text)
		}
	}
	for url, want := range map[string][2]string{ // what of --private the page has, and what not
		alice: {"GONOSUMDB=example.com/a", "corp.example"}, s.url: {"GONOSUMDB=example.com/public", "corp.example"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/", http.NoBody)
		must(t, err)
		req.Header.Set("Accept", "text/html")
		resp, err := c.Do(req)
		must(t, err)
		page, err := io.ReadAll(resp.Body)
		must(t, errors.Join(err, resp.Body.Close()))
		if !strings.Contains(string(page), want[0]) || strings.Contains(string(page), want[1]) {
			t.Errorf("the page has not %s, or %s:\n%s", want[0], want[1], page)
		}
	}
	r := s.stop().exits(command.ExitOK)
	lines, err := os.ReadFile(audited)
	must(t, err)
	for _, want := range []string{`"user":"alice","method":"GET","path":"/example.com/a/@v/list"`, `"outcome":"denied","status":403`, `"outcome":"denied","status":401`} {
		if !strings.Contains(string(lines), want) {
			t.Errorf("the audit log lacks %s:\n%s", want, lines)
		}
	}
	if r.err += string(lines); strings.Contains(r.err, "wonder") || strings.Contains(r.err, "wander") {
		t.Errorf("the log has a password: %s", r.err)
	}
}

func TestServeRefusesOptionsThatDoNotGoTogether(t *testing.T) {
	b, public := mirrored(t)
	empty := b.write("empty", "")
	for want, args := range map[string][]string{
		"--tls-cert and --tls-key go together":          {"--tls-cert", "x.crt"},
		"--client-ca needs --tls-cert":                  {"--client-ca", "ca.pem"},
		"--shutdown-delay is a part of":                 {"--shutdown-delay", "1m"},
		"can be reached from other machines":            {"--listen", "0.0.0.0:0"},
		"reading --access: " + empty + ": nobody is in": {"--access", empty},
	} {
		r := b.run(append([]string{"serve", "--key", public}, args...)...).complains(want)
		if r.code == command.ExitOK {
			t.Errorf("%v: it ended well", args)
		}
	}
}

func TestServeOnATakenAddressSaysSo(t *testing.T) {
	b, public := mirrored(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	b.run("serve", "--key", public, "--listen", l.Addr().String()).exits(command.ExitFailed).complains(l.Addr().String(), "hint:")
}

func TestServeNeedsKeysThatCanBeRead(t *testing.T) {
	b := newBench(t)
	b.run("serve", "--key", b.path("missing.pub")).exits(command.ExitFailed).complains("missing.pub")
	b.run("serve", "--insecure-skip-verify", "--tls-cert", b.path("no.crt"), "--tls-key", b.path("no.key")).exits(command.ExitFailed).complains("no.crt")
	b.run("serve", "--insecure-skip-verify", "--wishlist", b.dir).exits(command.ExitUsage).complains(b.dir)
}

// certificate writes a certificate for 127.0.0.1 and its key.
func (b *bench) certificate() (cert, key string, pool *x509.CertPool) {
	b.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(b.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "shim"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	must(b.t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	must(b.t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return b.write("shim.crt", string(certPEM)),
		b.write("shim.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))), pool
}
