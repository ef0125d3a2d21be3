package access

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func hash(t testing.TB, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return tokenPrefix + hex.EncodeToString(sum[:])
}

// guard opens an access file with these lines.
func guard(t *testing.T, lines ...string) (g *Guard, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "access")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := Open(file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return g, file
}

// reads asks for a module as the shim does.
func reads(g *Guard, path string, with func(*http.Request)) int {
	r := httptest.NewRequest("GET", "/"+path+"/@v/list", nil)
	if with != nil {
		with(r)
	}
	w := httptest.NewRecorder()
	g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !From(r.Context()).MayRead(path) {
			Refuse(w, r, path)
		}
	})).ServeHTTP(w, r)
	return w.Code
}

func basic(name, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(name, password) }
}

func header(value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", value) }
}

func showing(commonName string) func(*http.Request) {
	return func(r *http.Request) {
		chain := []*x509.Certificate{{Subject: pkix.Name{CommonName: commonName}}}
		r.TLS = &tls.ConnectionState{PeerCertificates: chain, VerifiedChains: [][]*x509.Certificate{chain}}
	}
}

func TestWhoMayReadWhat(t *testing.T) {
	g, _ := guard(t,
		"# everybody inside reads what is public",
		"alice:"+hash(t, "wonder")+":*,corp.example/pay",
		"bob:"+hash(t, "builder"),
		"ci:"+digest("t0ken")+":corp.example/pay/web",
		"sidecar:certificate:*, corp.example/pay/web",
		"prometheus:"+digest("of-metrics")+":none",
		"*::golang.org",
	)
	alice, bob, ci := basic("alice", "wonder"), basic("bob", "builder"), header("Bearer t0ken")
	for _, test := range []struct {
		name string
		path string
		with func(*http.Request)
		want int
	}{
		{"a public module, by a user", "github.com/a/b", bob, 200},
		{"a private one, by one whose line names it", "corp.example/pay", alice, 200},
		{"what is below it", "corp.example/pay/api/v2", alice, 200},
		{"in other letters", "Corp.example/Pay/api", alice, 200},
		{"a private one, by a user whose line does not name it", "corp.example/pay/api", bob, 403},
		{"in other letters, which may lead to the same", "corp.example/PAY/api", bob, 403},
		{"what only begins like it is public", "corp.example/payment", bob, 200},
		{"what is above it is public", "corp.example", bob, 200},
		{"the longest prefix decides", "corp.example/pay/web", alice, 403},
		{"for a token", "corp.example/pay/web/x", ci, 200},
		{"which reads nothing else", "github.com/a/b", ci, 403},
		{"not even what is around it", "corp.example/pay", ci, 403},
		{"a token as the password of its name", "corp.example/pay/web", basic("ci", "t0ken"), 200},
		{"not of another name", "corp.example/pay/web", basic("alice", "t0ken"), 401},
		{"none is no module", "github.com/a/b", header("Bearer of-metrics"), 403},
		{"not one of that name either", "none", header("Bearer of-metrics"), 403},
		{"a certificate", "corp.example/pay/web", showing("sidecar"), 200},
		{"one that nobody has a line for", "golang.org/x/mod", showing("stranger"), 200},
		{"reads what everybody does", "github.com/a/b", showing("stranger"), 401},
		{"nobody in particular", "golang.org/x/mod", nil, 200},
		{"is asked who it is", "corp.example/pay", nil, 401},
		{"a wrong password is not the same as none", "golang.org/x/mod", basic("alice", "wander"), 401},
		{"nor is a wrong name", "golang.org/x/mod", basic("mallory", "wonder"), 401},
		{"nor a wrong token", "golang.org/x/mod", header("Bearer guess"), 401},
		{"nor an empty one", "golang.org/x/mod", header("Bearer"), 401},
		{"nor a kind that is not known", "golang.org/x/mod", header("Negotiate abc"), 401},
		{"nor what is no credential at all", "golang.org/x/mod", header("Basic !"), 401},
		{"a wrong password beside a certificate", "corp.example/pay/web", func(r *http.Request) { showing("sidecar")(r); basic("a", "b")(r) }, 401},
	} {
		if got := reads(g, test.path, test.with); got != test.want {
			t.Errorf("%s: %s is %d, want %d", test.name, test.path, got, test.want)
		}
	}
}

func TestWithoutAGuardEverybodyReadsEverything(t *testing.T) {
	if !From(t.Context()).MayRead("corp.example/x") {
		t.Error("refused")
	}
}

func TestARefusalIsTheSameForWhatIsThereAndWhatIsNot(t *testing.T) {
	g, _ := guard(t, "bob:"+hash(t, "builder"), "alice:"+hash(t, "wonder")+":corp.example/pay")
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/corp.example/pay/@v/list", nil)
	basic("bob", "builder")(r)
	g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { Refuse(w, r, "corp.example/pay") })).ServeHTTP(w, r)
	if w.Code != 403 || w.Body.String() != "forbidden: bob may not read corp.example/pay here; ask who runs this shim\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestSupervisorsNeedNoCredential(t *testing.T) {
	g, _ := guard(t, "bob:"+hash(t, "builder"))
	for path, want := range map[string]int{"/-/healthz": 200, "/-/readyz": 200, "/-/metrics": 401, "/": 401, "/-/readyz/x": 401} {
		w := httptest.NewRecorder()
		g.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
		if challenge := w.Header().Get("WWW-Authenticate"); (challenge != "") != (want == 401) {
			t.Errorf("%s: challenge %q", path, challenge)
		}
	}
}

func TestARightPasswordIsCheckedOnce(t *testing.T) {
	g, _ := guard(t, "bob:"+hash(t, "builder"))
	for range 3 {
		reads(g, "a.example/b", basic("bob", "builder"))
		reads(g, "a.example/b", basic("bob", "wrong"))
	}
	if g.right.Len() != 1 {
		t.Errorf("%d passwords are remembered", g.right.Len())
	}
	for _, p := range g.right.Keys() {
		if strings.Contains(string(p.digest[:]), "builder") {
			t.Error("a password is kept in memory")
		}
	}
}

// A client of HTTP/2 can ask and go away without end on one connection.
func TestNothingIsCheckedForWhoHasGoneAway(t *testing.T) {
	g, _ := guard(t, "ann:"+hash(t, "secret"))
	for range cap(g.slots) { // others are being checked
		g.slots <- struct{}{}
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	before := runtime.NumGoroutine()
	for i := range 100 {
		reads(g, "example.com/a", func(r *http.Request) {
			*r = *r.WithContext(gone)
			r.SetBasicAuth("ann", fmt.Sprint("guess ", i))
		})
	}
	if n := runtime.NumGoroutine() - before; n > 10 {
		t.Errorf("%d wait", n)
	}
}

func TestAccessFilesThatAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "nobody is in it",
		"# nobody\n":                            "nobody is in it",
		"bob":                                   "access:1: not name:secret",
		":x":                                    "access:1: not name:secret",
		"bob:x:a.example:b":                     "access:1: not name:secret",
		"\nbob:plain":                           "access:2: the secret is no bcrypt hash",
		"bob:$apr1$x$y":                         "no bcrypt hash",
		"bob:$2y$31$" + strings.Repeat("a", 53): "a bcrypt cost of 31",
		"bob:":                                  `every other name one`,
		"*:certificate":                         `the name "*" has no secret`,
		"*:\n*:":                                `access:2: there are two lines for "*"`,
		"a:certificate\na:certificate":          "two lines for the certificate of a",
		"a:sha256-12":                           "64 hexadecimal digits",
		"a:" + digest("x") + "\nb:" + digest("x"): "two lines have the same token",
		"a:certificate:corp.example/**":           "without patterns",
		"a:certificate:":                          "no prefix of module paths",
		"a:certificate:/x":                        "no prefix of module paths",
		"a:certificate:a.example,,b.example":      "no prefix of module paths",
	} {
		_, err := Parse("access", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want …%s…", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "$2y$31$aaa") {
			t.Errorf("the error has a secret: %v", err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("alice:$2y$05$abc:*,corp.example\n*::golang.org\nci:sha256-00")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse("access", []byte(text))
		if err != nil {
			return
		}
		for _, c := range file.tokens {
			c.MayRead(text) // whatever it is
		}
		if file.anonymous != nil && file.anonymous.Name != "" {
			t.Error("who shows no credential has a name")
		}
	})
}

func TestClientsHearOfPrivatePatternsWhatTheyMayRead(t *testing.T) {
	f, err := Parse("access", []byte(strings.ReplaceAll(`all:T1:*,corp.example/pay,git.other.example/Team
bob:T2
ci:T3:corp.example/pay
pair:T4:corp.example/pay,git.other.example/Team
deep:T5:corp.example/pay/deep
`, ":T", ":sha256-"+strings.Repeat("0", 63))))
	if err != nil {
		t.Fatal(err)
	}
	clients := make(map[string]*Client)
	for _, c := range f.tokens {
		clients[c.Name] = c
	}
	for _, test := range []struct{ patterns, client, want string }{
		{"corp.example/*,*.other.example", "all", "corp.example/*,*.other.example"},
		{"corp.example/*, *.other.example", "bob", "corp.example/*"}, // all of corp.example that no line names; other.example names Team
		{"corp.example/*", "ci", "corp.example/pay"},
		{"corp.example", "ci", "corp.example/pay"},
		{"corp.example/pay", "bob", ""},
		{"corp.example/pay/deep/*", "ci", ""}, // deep's alone
		{"corp.example/*,*.other.example", "pair", "corp.example/pay,git.other.example/Team"},
		{"corp.example/*", "deep", "corp.example/pay/deep"},
		{"git.other.example/*", "ci", ""},
		{"*", "bob", "*"}, // names nothing
		{"*", "ci", "*"},
		{"", "ci", ""},
	} {
		if got := clients[test.client].Patterns(test.patterns); got != test.want {
			t.Errorf("%s hears %q of %q, want %q", test.client, got, test.patterns, test.want)
		}
	}
	var everybody *Client
	if got := everybody.Patterns("corp.example/*"); got != "corp.example/*" {
		t.Errorf("without access control: %q", got)
	}
}
