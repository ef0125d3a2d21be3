package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func TestUpstreamFetchesTheFilesOfAVersion(t *testing.T) {
	tree := upstreamtest.NewTree(t, "example.com/Upper/a@v1.0.0-RC.1")
	m := module.Version{Path: "example.com/Upper/a", Version: "v1.0.0-RC.1"}
	for name, goproxy := range map[string]string{
		"file URL":      tree.URL(),
		"absolute path": string(tree),
		"HTTP":          upstreamtest.NewProxy(t, tree, nil).URL + "/",
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, goproxy)
			info, err := u.Info(t.Context(), m)
			if err != nil || !strings.Contains(string(info), m.Version) {
				t.Errorf("Info: %q, %v", info, err)
			}
			mod, err := u.GoMod(t.Context(), m)
			if err != nil || !strings.HasPrefix(string(mod), "module "+m.Path) {
				t.Errorf("GoMod: %q, %v", mod, err)
			}
			zip := upstreamtest.TempFile(t)
			if _, err := zip.WriteString("left over from a longer file" + strings.Repeat("x", 1<<20)); err != nil {
				t.Fatal(err)
			}
			if err := u.Zip(t.Context(), m, zip); err != nil {
				t.Fatal(err)
			}
			if got, want := upstreamtest.ReadAll(t, zip.Name()), upstreamtest.ReadAll(t, tree.File(t, m.String(), ".zip")); got != want {
				t.Error("Zip differs from upstream's")
			}
			list, err := u.List(t.Context(), m.Path)
			if err != nil || !slices.Equal(list, []string{m.Version}) {
				t.Errorf("List: %q, %v", list, err)
			}
		})
	}
}

func TestUpstreamAsksTheNextEntryAsTheGoCommandDoes(t *testing.T) {
	good := upstreamtest.NewProxy(t, upstreamtest.NewTree(t, upstreamtest.VersionA.String()), nil)
	status := func(code int) string { return upstreamtest.NewProxy(t, "", upstreamtest.Always(code, "said so")).URL }
	const down = "http://127.0.0.1:1" // the port of a server that was closed may be another's by now
	for _, tt := range []struct {
		name    string
		goproxy string
		want    error // nil = found
		text    string
	}{
		{"404 comma", status(404) + "," + good.URL, nil, ""},
		{"410 comma", status(410) + "," + good.URL, nil, ""},
		{"missing file comma", "file:///nonexistent," + good.URL, nil, ""},
		{"500 comma", status(500) + "," + good.URL, ErrUpstream, "500 Internal Server Error: said so"},
		{"403 comma", status(403) + "," + good.URL, ErrUpstream, "credentials"},
		{"down comma", down + "," + good.URL, ErrUpstream, "connection refused"},
		{"500 pipe", status(500) + "|" + good.URL, nil, ""},
		{"down pipe", down + "|" + good.URL, nil, ""},
		{"404 alone", status(404), ErrNotFound, "404 Not Found: said so"},
		{"410 alone", status(410), ErrNotFound, "410 Gone: said so"},
		{"404 everywhere", status(404) + "," + status(404), ErrNotFound, ", http://"},
		{"502 then 404 reports what matters", status(502) + "|" + status(404), ErrUpstream, "502 Bad Gateway"},
		{"404 then 502", status(404) + "," + status(502), ErrUpstream, "502 Bad Gateway"},
		{"off", "off", ErrOff, "GOPROXY=off"},
		{"404 then off", status(404) + ",off", ErrOff, ""},
		{"off ends the list", "off," + good.URL, ErrOff, ""},
		{"spaces and empty entries", " , " + good.URL + " ,", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := newUpstreamWith(t, Options{GOPROXY: tt.goproxy, Retries: -1})
			_, err := u.GoMod(t.Context(), upstreamtest.VersionA)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err != nil && (!strings.Contains(err.Error(), upstreamtest.VersionA.String()) || !strings.Contains(err.Error(), tt.text)) {
				t.Errorf("%q does not name the module or lacks %q", err, tt.text)
			}
		})
	}
}

func TestUpstreamTriesAgainWhatMayPass(t *testing.T) {
	for _, tt := range []struct {
		name     string
		fail     func(http.ResponseWriter) // twice
		requests int
		want     error
	}{
		{"503", func(w http.ResponseWriter) { w.WriteHeader(503) }, 3, nil},
		{"500", func(w http.ResponseWriter) { w.WriteHeader(500) }, 3, nil},
		{"429", func(w http.ResponseWriter) { w.Header().Set("Retry-After", "0"); w.WriteHeader(429) }, 3, nil},
		{"429 with a foolish delay", func(w http.ResponseWriter) { w.Header().Set("Retry-After", "99999999"); w.WriteHeader(429) }, 3, nil},
		{"broken connection", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, 3, nil},
		{"truncated body", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("module exam"))
		}, 3, nil},
		{"404", func(w http.ResponseWriter) { w.WriteHeader(404) }, 1, ErrNotFound},
		{"401", func(w http.ResponseWriter) { w.WriteHeader(401) }, 1, ErrUpstream},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var n atomic.Int32
			p := upstreamtest.NewProxy(t, upstreamtest.NewTree(t, upstreamtest.VersionA.String()), func(w http.ResponseWriter, _ *http.Request) bool {
				if n.Add(1) > 2 {
					return false
				}
				tt.fail(w)
				return true
			})
			u := newUpstream(t, p.URL)
			err := u.Zip(t.Context(), upstreamtest.VersionA, upstreamtest.TempFile(t))
			if !errors.Is(err, tt.want) || int(n.Load()) != tt.requests {
				t.Errorf("%d requests, %v; want %d, %v", n.Load(), err, tt.requests, tt.want)
			}
		})
	}
}

func TestUpstreamGivesUpOnServersThatStaySilent(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"before the header": func(_ http.ResponseWriter, r *http.Request) bool {
			<-r.Context().Done()
			return true
		},
		"in the body": func(w http.ResponseWriter, r *http.Request) bool {
			_, _ = w.Write([]byte("module"))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstreamWith(t, Options{GOPROXY: upstreamtest.NewProxy(t, "", answer).URL, Retries: -1, Stall: 20 * time.Millisecond})
			_, err := u.GoMod(t.Context(), upstreamtest.VersionA)
			if !errors.Is(err, ErrUpstream) || !strings.Contains(err.Error(), "stopped answering") {
				t.Error(err)
			}
		})
	}
}

func TestUpstreamBoundsWhatItReads(t *testing.T) {
	endless := upstreamtest.NewProxy(t, "", func(w http.ResponseWriter, r *http.Request) bool {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				break
			}
		}
		return true
	})
	u := newUpstream(t, endless.URL)
	if _, err := u.Info(t.Context(), upstreamtest.VersionA); !errors.Is(err, artifact.ErrLimit) {
		t.Error(err)
	}
	if _, err := u.GoMod(t.Context(), upstreamtest.VersionA); !errors.Is(err, artifact.ErrLimit) {
		t.Error(err)
	}
	if _, err := u.List(t.Context(), upstreamtest.VersionA.Path); !errors.Is(err, artifact.ErrLimit) {
		t.Error(err)
	}
	if n := endless.Count(""); n != 3 {
		t.Errorf("%d requests: too much is too much every time", n)
	}
	err := copyLimited(upstreamtest.TempFile(t), strings.NewReader("12345"), 4)
	if !errors.Is(err, artifact.ErrLimit) {
		t.Error(err)
	}
}

func TestUpstreamDoesNotBlameOthersForAFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	err = copyLimited(full, strings.NewReader("content"), 100)
	var local *localError
	if !errors.As(err, &local) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	u := newUpstream(t, "https://one.example|https://two.example")
	asked := 0
	err = u.walk(t.Context(), goproxy.File{Version: upstreamtest.VersionA, Kind: goproxy.Zip}, func(entry) error { asked++; return local })
	if asked != 1 || !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrUpstream) {
		t.Errorf("asked %d: %v", asked, err)
	}
}

func TestUpstreamFollowsRedirectsButNeverToPlainHTTP(t *testing.T) {
	tree := upstreamtest.NewTree(t, upstreamtest.VersionA.String())
	plain := upstreamtest.NewProxy(t, tree, nil)
	target := plain.URL
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target+r.URL.Path, http.StatusFound)
	}))
	defer secure.Close()
	files := httptest.NewTLSServer(http.FileServer(http.Dir(string(tree))))
	defer files.Close()
	client := newHTTPClient()
	client.Transport = secure.Client().Transport

	u := newUpstreamWith(t, Options{GOPROXY: secure.URL, Client: client, Retries: -1})
	if _, err := u.GoMod(t.Context(), upstreamtest.VersionA); !errors.Is(err, ErrUpstream) || plain.Count("") != 0 {
		t.Errorf("%d requests over plain HTTP: %v", plain.Count(""), err)
	}
	target = files.URL
	if _, err := u.GoMod(t.Context(), upstreamtest.VersionA); err != nil {
		t.Error(err)
	}
}

func TestUpstreamSendsCredentialsOnlyWhereTheyBelong(t *testing.T) {
	var got atomic.Value
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		got.Store(user + ":" + password)
		http.Error(w, "no", http.StatusForbidden)
	})
	secure, plain := httptest.NewTLSServer(handler), httptest.NewServer(handler)
	defer secure.Close()
	defer plain.Close()
	netrc := filepath.Join(t.TempDir(), "netrc")
	if err := os.WriteFile(netrc, []byte("machine 127.0.0.1 login me password s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(server *httptest.Server, user *url.Userinfo) string {
		u, _ := url.Parse(server.URL)
		u.User = user
		return u.String()
	}
	for _, tt := range []struct{ name, goproxy, want string }{
		{"netrc over TLS", with(secure, nil), "me:s3cret"},
		{"no netrc over plain HTTP", with(plain, nil), ":"},
		{"URL", with(secure, url.UserPassword("you", "s3cret2")), "you:s3cret2"},
		{"URL on loopback", with(plain, url.UserPassword("you", "s3cret3")), "you:s3cret3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := newUpstreamWith(t, Options{GOPROXY: tt.goproxy, Netrc: netrc, Client: secure.Client(), Retries: -1})
			_, err := u.GoMod(t.Context(), upstreamtest.VersionA)
			if got.Load() != tt.want {
				t.Errorf("sent %q, want %q", got.Load(), tt.want)
			}
			if err == nil || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("error shows a password: %v", err)
			}
		})
	}
}

func TestNewRefusesWhatItCannotUse(t *testing.T) {
	for goproxy, want := range map[string]string{
		"":                                    "set GOPROXY",
		" , ":                                 "set GOPROXY",
		"ftp://proxy.example":                 "scheme",
		"proxy":                               "scheme",
		"https://":                            "host",
		"file://host/dir":                     "file",
		"https://u:s3cret@proxy.example:port": "entry 1 of the list is not a URL",
		"http://u:s3cret@proxy.example":       "use https",
		"https://u:s3cret@proxy.example/%zz":  "URL",
		// A password that is not escaped.
		"https://other.example,https://u:s3cret/x@proxy.example": "entry 2 of the list is not a URL",
		"https://u:s3%zzret@proxy.example":                       "% is %25",
		"https://u:1234/s3cret@proxy.example":                    "/ is %2F",
		"u:1234/s3cret@proxy.example":                            "/ is %2F",
		"ftp:/u:s3cret@proxy.example":                            "/ is %2F",
	} {
		_, err := New(Options{GOPROXY: goproxy})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3") || strings.Contains(err.Error(), "1234") {
			t.Errorf("%q: %v, want %q", goproxy, err, want)
		}
	}
}

func TestPrivateModulesAreNotAskedOfPublicProxies(t *testing.T) {
	u := newUpstreamWith(t, Options{
		GOPROXY: "https://192.0.2.1,http://10.1.2.3|http://localhost:1,file:///tree,direct",
		Private: "corp.example,*.internal.example", NoProxy: "vcs.example",
	})
	for path, want := range map[string]string{
		"example.com/a":            "https://192.0.2.1 http://10.1.2.3 http://localhost:1 file:///tree direct",
		"corp.example/a":           "http://10.1.2.3 http://localhost:1 file:///tree direct",
		"git.internal.example/a/b": "http://10.1.2.3 http://localhost:1 file:///tree direct",
		"vcs.example/a":            "direct",
	} {
		var names []string
		for _, e := range u.entriesFor(path) {
			names = append(names, e.name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: asks %s, want %s", path, got, want)
		}
	}
}

func TestErrorsDoNotRepeatControlCharactersOfServers(t *testing.T) {
	p := upstreamtest.NewProxy(t, "", upstreamtest.Always(404, "not found: \x1b[31mred\x1b[0m\x00\nsecond\n"+strings.Repeat("line\n", 50)))
	_, err := newUpstream(t, p.URL).GoMod(t.Context(), upstreamtest.VersionA)
	if text := fmt.Sprint(err); strings.ContainsAny(text, "\x1b\x00\n") || strings.Count(text, "line") > 8 || !strings.Contains(text, "red") {
		t.Errorf("%q", text)
	}
}

func TestErrorsShowNoCredentials(t *testing.T) {
	for _, user := range []string{"sesame@", "sesame:x-oauth-basic@", "me:sesame@"} {
		up := newUpstreamWith(t, Options{GOPROXY: "https://" + user + "127.0.0.1:1", Retries: -1})
		_, err := up.Info(t.Context(), module.Version{Path: "example.com/a", Version: "v1.0.0"})
		if err == nil || strings.Contains(err.Error(), "sesame") || !strings.Contains(err.Error(), "127.0.0.1:1") {
			t.Errorf("%s: %v", user, err)
		}
	}
}
