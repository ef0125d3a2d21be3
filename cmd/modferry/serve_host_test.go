package main

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/cmd/modferry/internal/listen"
)

// getAs asks url with another Host header.
func getAs(t *testing.T, url, host string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must(t, err)
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(body)
}

// wantHosts checks for which hosts a shim answers.
func wantHosts(t *testing.T, url string, want map[string]int) {
	t.Helper()
	for host, status := range want {
		if got, body := getAs(t, url+"/-/healthz", host); got != status {
			t.Errorf("Host %q: %d %q, want %d", host, got, body, status)
		}
	}
}

func TestServeOnLoopbackAnswersForThisMachineOnly(t *testing.T) {
	b, public := mirrored(t)
	s := b.serve("--key", public)
	wantHosts(t, s.url, map[string]int{"localhost": 200, "shim.localhost:1": 200, "[::1]:7070": 200, "evil.example": 421, "192.0.2.1:7070": 421})
	code, body := getAs(t, s.url+"/example.com/a/@v/v1.0.0.zip", "evil.example:7070")
	if code != 421 || !strings.Contains(body, "start it with --allow-host evil.example.") {
		t.Errorf("got %d %q", code, body)
	}
	s.stop().exits(command.ExitOK).complains("host=evil.example:7070")
}

func TestServeRefusesRequestsWithoutAHost(t *testing.T) {
	b, public := mirrored(t)
	addr := strings.TrimPrefix(b.serve("--key", public).url, "http://")
	for request, want := range map[string]int{
		"GET /-/healthz HTTP/1.0\r\n\r\n":                                                    421,
		"GET /-/healthz HTTP/1.0\r\nHost:\r\n\r\n":                                           421,
		"GET /-/healthz HTTP/1.0\r\nHost: localhost\r\n\r\n":                                 200,
		"GET /-/healthz HTTP/1.1\r\nHost: localhost:x\r\n\r\n":                               421,
		"GET /-/healthz HTTP/1.1\r\n\r\n":                                                    400,
		"GET /-/healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n":           400,
		"GET http://evil.example/-/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n":              421,
		"GET /-/healthz HTTP/1.1\r\nHost: evil.example\r\nForwarded: host=localhost\r\n\r\n": 421,
	} {
		conn, err := net.Dial("tcp", addr)
		must(t, err)
		_, err = io.WriteString(conn, request)
		must(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		must(t, err)
		if resp.StatusCode != want {
			t.Errorf("%q: %d, want %d", request, resp.StatusCode, want)
		}
		must(t, resp.Body.Close())
		must(t, conn.Close())
	}
}

func TestServeAnswersForAllowedHosts(t *testing.T) {
	b, public := mirrored(t)
	s := b.serve("--key", public, "--allow-host", "shim.corp.example,192.0.2.1", "--allow-host", "Shim2.corp.example")
	wantHosts(t, s.url, map[string]int{
		"shim.corp.example": 200, "shim.corp.example:8443": 200, "shim2.corp.example": 200, "192.0.2.1": 200, "localhost": 200,
		"corp.example": 421, "a.shim.corp.example": 421, "evil.example": 421,
	})
	b.env["MODFERRY_ALLOW_HOST"] = "a.corp.example,b.corp.example"
	s = b.serve("--key", public)
	wantHosts(t, s.url, map[string]int{"a.corp.example": 200, "b.corp.example": 200, "c.corp.example": 421})
}

func TestWhichHostsAServerAnswersForDependsOnItsAddress(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for _, test := range []struct {
		listen, allow, host string
		status              int
	}{
		{"127.0.0.1", "", "shim.corp.example", 421},
		{"127.0.1.1", "", "shim.corp.example", 421},
		{"::1", "", "shim.corp.example", 421},
		{"::1", "", "localhost", 200},
		{"0.0.0.0", "", "shim.corp.example", 200},
		{"0.0.0.0", "", "", 200},
		{"::", "", "shim.corp.example", 200},
		{"192.0.2.1", "", "192.0.2.1:7070", 200},
		{"0.0.0.0", "shim.corp.example", "shim.corp.example:7070", 200},
		{"0.0.0.0", "shim.corp.example", "localhost:7070", 200},
		{"0.0.0.0", "shim.corp.example", "evil.example", 421},
		{"0.0.0.0", "shim.corp.example", "", 421},
	} {
		var allow []string
		if test.allow != "" {
			allow = []string{test.allow}
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = test.host
		w := httptest.NewRecorder()
		listen.Server(h, &net.TCPAddr{IP: net.ParseIP(test.listen), Port: 7070}, allow, log).Handler.ServeHTTP(w, r)
		if w.Code != test.status {
			t.Errorf("listening on %s, --allow-host %q, Host %q: %d, want %d", test.listen, test.allow, test.host, w.Code, test.status)
		}
	}
}

func TestShimsOfCheckAndRunAnswerForThisMachineOnly(t *testing.T) {
	want := map[string]int{"localhost:1": 200, "127.0.0.1": 200, "evil.example": 421}
	b, public := mirrored(t)
	in, stdin := io.Pipe()
	out, stdout := io.Pipe()
	code := make(chan int, 1)
	s := command.Streams{In: in, Out: stdout, Err: io.Discard, Env: func(name string) (string, bool) { v, ok := b.env[name]; return v, ok }}
	go func() {
		code <- execute(t.Context(), s, []string{"run", "--key", public, "sh", "-c", `echo "$GOPROXY"; read -r line`})
		stdout.Close()
	}()
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatalf("the command did not start: exit code %d", <-code)
	}
	wantHosts(t, lines.Text(), want)
	must(t, stdin.Close())
	if got := <-code; got != 1 { // of read, at the end of its input
		t.Errorf("exit code %d", got)
	}
}
