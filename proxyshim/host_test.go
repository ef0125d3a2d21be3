package proxyshim

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestOnlyHostsAnswersForThisMachineAndWhatIsAllowed(t *testing.T) {
	var allow []string
	for _, name := range []string{"Shim.Corp.Example.", "192.0.2.7", "[2001:DB8::1]", "single"} {
		host, ok := ParseHost(name)
		if !ok {
			t.Fatalf("ParseHost(%q) is not ok", name)
		}
		allow = append(allow, host)
	}
	passed := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "passed") })
	for _, test := range []struct {
		name      string
		hosts     []string
		any, some bool // answered without an allowed host, and with those above
	}{
		{"loopback", []string{
			"localhost", "localhost:7070", "LocalHost:1", "localhost.", "localhost:", "shim.localhost:7070", "127.0.0.1", "127.0.0.1:65535", "127.8.9.10:7070",
			"[::1]", "[::1]:7070", "[0:0:0:0:0:0:0:1]:7070", "[::ffff:127.0.0.1]:80",
		}, true, true},
		{"allowed", []string{
			"shim.corp.example", "SHIM.corp.example:443", "shim.corp.example.:443", "192.0.2.7:7070", "[2001:db8::1]:7070", "[2001:db8:0::1]", "single:80",
		}, false, true},
		{"another host", []string{
			"evil.example", "evil.example:7070", "localhost.evil.example", "evillocalhost", "127.0.0.1.evil.example:7070", "shim.corp.example.evil.example",
			"sub.shim.corp.example", "corp.example", "0.0.0.0:7070", "[::]:7070", "192.0.2.8", "128.0.0.1", "[2001:db8::2]",
		}, false, false},
		{"no valid host", []string{
			"", ":7070", ".", "..localhost", "localhost..", ".localhost", "localhost:port", "localhost:70700", "localhost:7070:7070", "::1", "::1:7070", "[::1", "[::1]7070", "[localhost]",
			"[127.0.0.1]", "127.1", "127.0.0.1, evil.example", "user@localhost", "localhost/", "löcalhost", "*",
		}, false, false},
	} {
		for _, host := range test.hosts {
			for _, c := range []struct {
				allow  []string
				answer bool
			}{{nil, test.any}, {allow, test.some}} {
				r := httptest.NewRequest(http.MethodGet, "/example.com/lib/@v/list", nil)
				r.Host = host
				w := httptest.NewRecorder()
				OnlyHosts(passed, c.allow, slog.New(slog.DiscardHandler)).ServeHTTP(w, r)
				if answered := w.Code == http.StatusOK && w.Body.String() == "passed"; answered != c.answer {
					t.Errorf("%s: Host %q, allowed %v: answered %v, want %v", test.name, host, c.allow, answered, c.answer)
				}
				if !c.answer && w.Code != http.StatusMisdirectedRequest {
					t.Errorf("%s: Host %q, allowed %v: status %d", test.name, host, c.allow, w.Code)
				}
			}
		}
	}
}

func TestRefusedHostsAreToldWhatToDo(t *testing.T) {
	log := new(logBuffer)
	h := OnlyHosts(http.NotFoundHandler(), nil, slog.New(slog.NewTextHandler(log, nil)))
	for host, want := range map[string]string{
		"Evil.example:7070": "does not answer for the host evil.example\nUse the address that modferry serve prints, or localhost. " +
			"If another name is meant to lead to this shim, start it with --allow-host evil.example.\n",
		"": "its Host header is missing or malformed\n",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Body.String(); !strings.Contains(got, want) || w.Header().Get("Content-Type") != typeText {
			t.Errorf("Host %q: %s %q, want …%q…", host, w.Header().Get("Content-Type"), got, want)
		}
	}
	if !strings.Contains(log.String(), "host=Evil.example:7070") {
		t.Errorf("log: %s", log)
	}
}

func TestWhatIsNoHostIsNotParsed(t *testing.T) {
	for _, name := range []string{"", "*", "*.corp.example", "shim.corp.example:7070", "http://shim.corp.example", "a b", "[::1", "[::1]:7070", "corp..example"} {
		if host, ok := ParseHost(name); ok {
			t.Errorf("ParseHost(%q) = %q", name, host)
		}
	}
}
