package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/proxyshim/access"
	"github.com/modferry/modferry/proxyshim/events"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/stores"
	"github.com/modferry/modferry/registry/storetest"
)

// env is a shim with pages, on a registry.
type env struct {
	t        *testing.T
	registry *registrytest.Registry
	store    *registry.Store
	shim     *proxyshim.Handler
	pages    *Handler
	names    []string // what is in the store; nil = an error
	listed   int      // how often that was asked
	now      time.Time
}

var errDenied = errors.New("the registry denies its catalog")

func newEnv(t *testing.T) *env {
	t.Helper()
	e := &env{t: t, registry: registrytest.New(t, registrytest.Options{}), now: time.Date(2026, 5, 2, 12, 0, 0, 0, time.UTC)}
	client, err := remote.NewClient(remote.ClientOptions{Retries: -1})
	check(t, err)
	router, err := stores.Route(client, e.registry.URL+"/golang")
	check(t, err)
	e.store = router.Stores()[0]
	e.shim, err = proxyshim.New(proxyshim.Options{
		Stores: router, Verifier: signtest.Signer(t, 0).Verifier(), CacheDir: t.TempDir(), Recheck: time.Hour, Private: "corp.example/*", Absent: -1,
		Now: func() time.Time { return e.now },
	})
	check(t, err)
	e.pages, err = New(Options{
		Shim: e.shim, Now: func() time.Time { return e.now },
		Names: func(context.Context) (Names, error) {
			e.listed++
			if e.names == nil {
				return Names{}, errDenied
			}
			return Names{Paths: e.names}, nil
		},
		Setup:  func(shim string, _ *access.Client) []Snippet { return []Snippet{{"sh", "export GOPROXY=" + shim}} },
		Mirror: func(m proxyshim.Miss, _ *access.Client) string { return "mirror " + m.Module.String() + m.Query },
	})
	check(t, err)
	t.Cleanup(func() { e.pages.Close(); check(t, errors.Join(e.shim.Close(), router.Close())) })
	return e
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (e *env) publish(path string, versions ...string) {
	e.t.Helper()
	for _, v := range versions {
		storetest.Publish(e.t, e.store, artifacttest.FullVersion(e.t, module.Version{Path: path, Version: v}, v), signtest.Signer(e.t, 0))
	}
	e.names = append(e.names, path)
}

// get asks as a browser does.
func (e *env) get(target string, with ...func(*http.Request)) *httptest.ResponseRecorder {
	e.t.Helper()
	r := httptest.NewRequest("GET", target, nil)
	r.Header.Set("Accept", "text/html,*/*;q=0.8")
	for _, f := range with {
		f(r)
	}
	w := httptest.NewRecorder()
	e.pages.ServeHTTP(w, r)
	return w
}

// shows checks what a page has in it.
func (e *env) shows(target string, status int, want ...string) string {
	e.t.Helper()
	w := e.get(target)
	if w.Code != status {
		e.t.Errorf("%s: %d, want %d: %s", target, w.Code, status, w.Body)
	}
	for _, part := range want {
		if !strings.Contains(w.Body.String(), part) {
			e.t.Errorf("%s lacks %q:\n%s", target, part, w.Body)
		}
	}
	return w.Body.String()
}

func TestTheSearchRanksWhatBeginsWithTheQuery(t *testing.T) {
	paths := []string{"example.com/xyaml", "github.com/Yaml/x", "gopkg.in/yaml.v3", "yaml.example/z"}
	x := index{Names: Names{Paths: paths}}
	for _, p := range paths {
		x.folded = append(x.folded, strings.ToLower(p))
	}
	got := x.search("YAML", func(path string) bool { return path != "gopkg.in/yaml.v3" })
	if want := []string{"yaml.example/z", "github.com/Yaml/x", "example.com/xyaml"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTheHomePage(t *testing.T) {
	e := newEnv(t)
	e.publish("corp.example/lib", "v1.0.0")
	e.publish("github.com/a/b", "v1.0.0")
	body := e.shows("/", 200, "2 modules", `href="/-/module/github.com/a/b"`, "export GOPROXY=http://example.com", "no snapshot of <b>sum.golang.org</b>")
	if urls := regexp.MustCompile(`(?:src|href)="([^/"][^"]*)"`).FindAllString(body, -1); !slices.Equal(urls, []string{`href="#main"`}) {
		t.Errorf("it refers to %v", urls)
	}
	e.shows("/?q=LIB", 200, "1 module with", "corp.example/lib")
	e.shows("/?q=github.com/x/y", 200, "No module with", `<a href="/-/module/github.com/x/y">look whether`)
	e.get("/?q=a")
	if e.listed != 1 {
		t.Errorf("the stores were asked %d times what there is", e.listed)
	}
}

func TestNamesAreReadAgainWhileTheOldOnesAreShown(t *testing.T) {
	e := newEnv(t)
	e.publish("corp.example/lib", "v1.0.0")
	e.shows("/", 200, "1 module")
	e.names, e.now = nil, e.now.Add(namesAge)
	e.shows("/", 200, "1 module")
	e.pages.names.working.Wait()
	e.shows("/", 200, "1 module", "The list is that of 2026-05-02 12:00:00 UTC; since then the store does not tell: the registry denies its catalog")
	if e.listed != 2 {
		t.Errorf("asked %d times", e.listed)
	}
}

func TestAStoreThatDoesNotTellWhatThereIs(t *testing.T) {
	e := newEnv(t)
	e.shows("/?q=corp.example/lib", 200, "denies its catalog", "Type the whole path", `href="/-/module/corp.example/lib"`)
}

func TestAModuleCostsNoMoreRequestsForMoreVersions(t *testing.T) {
	e := newEnv(t)
	var versions []string
	for i := range 60 {
		versions = append(versions, fmt.Sprintf("v1.%d.0", i))
	}
	e.publish("corp.example/lib", versions...)
	storetest.Publish(t, e.store, artifacttest.ModOnlyVersion(t, module.Version{Path: "corp.example/lib", Version: "v2.0.0+incompatible"}), signtest.Signer(t, 0))
	e.registry.Reset()
	e.shows("/-/module/corp.example/lib", 200, "60 versions", "page 1 of 2", "go get corp.example/lib@v1.59.0", "not looked at yet",
		"Of 1 more only go.mod", "v2.0.0&#43;incompatible")
	e.shows("/-/module/corp.example/lib?page=2", 200, ">v1.9.0<")
	e.shows("/-/module/corp.example/lib?page=99", 200, "page 2 of 2")
	if n := len(e.registry.Requests()); n > 2 { // the list, and whether it can be believed
		t.Errorf("%d requests: %v", n, e.registry.Requests())
	}
	e.shows("/-/module/corp.example/lib@v1.59.0", 200)
	before := len(e.registry.Requests())
	e.shows("/-/module/corp.example/lib", 200, "accepted", "private, not in it")
	if n := len(e.registry.Requests()); n != before {
		t.Errorf("what is known was asked again: %v", e.registry.Requests()[before:])
	}
}

func TestAVersionIsDescribedByWhatItWasAcceptedFor(t *testing.T) {
	e := newEnv(t)
	e.publish("corp.example/lib", "v1.0.0")
	e.publish("github.com/a/b", "v1.0.0")
	key := signtest.Signer(t, 0).KeyID()
	e.shows("/-/module/corp.example/lib@v1.0.0", 200, "not known before the zip is fetched")
	e.get("/corp.example/lib/@v/v1.0.0.zip")
	e.shows("/-/module/corp.example/lib@v1.0.0", 200, "none that is recognised")
	e.shows("/-/module/corp.example/lib@v1.0.0", 200, "accepted", key, "private, not in it", "/golang/corp.example/lib:v1.0.0", "h1:")
	e.shows("/-/module/github.com/a/b@v1.0.0", 200, "accepted", `<span class="bad">no record</span>`)
	var got struct {
		Module, Version, Command, Digest string
		SignedBy                         []string
		Private                          bool
	}
	check(t, json.Unmarshal(e.get("/-/api/module/corp.example/lib@v1.0.0").Body.Bytes(), &got))
	if got.Module != "corp.example/lib" || got.Command != "go get corp.example/lib@v1.0.0" || !slices.Equal(got.SignedBy, []string{key}) || !got.Private {
		t.Errorf("%+v", got)
	}
}

func TestWhatIsRefusedIsSaidInTheWordsOfTheShim(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(*env)
		status  int
		text    string
	}{
		"nobody signed it":          {func(e *env) { e.registry.DeleteTag("golang/corp.example/lib", signatureTag(e)) }, 403, "SECURITY: corp.example/lib@v1.0.0"},
		"a scanner's verdict":       {func(e *env) { e.registry.Inject(registrytest.HarborPolicyViolation()) }, 403, "current image with 2 vulnerabilities cannot be pulled"},
		"no access to the registry": {func(e *env) { e.registry.Inject(registrytest.Denied()) }, 403, "requested access to the resource is denied"},
		"a registry that is down":   {func(e *env) { e.registry.Inject(registrytest.InternalError()) }, 502, "the store failed"},
		"it is not there":           {func(e *env) { e.registry.DeleteTag("golang/corp.example/lib", "v1.0.0") }, 404, "not found: corp.example/lib@v1.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.publish("corp.example/lib", "v1.0.0")
			test.prepare(e)
			e.shows("/-/module/corp.example/lib@v1.0.0", test.status, test.text)
			w := e.get("/-/api/module/corp.example/lib@v1.0.0")
			var got struct{ Error string }
			check(t, json.Unmarshal(w.Body.Bytes(), &got))
			if w.Code != test.status || !strings.Contains(got.Error, test.text) {
				t.Errorf("%d %q", w.Code, got.Error)
			}
			if missing := e.shim.Wishes(true); len(missing) > 0 {
				t.Errorf("who looks at a page wishes for %v", missing)
			}
		})
	}
}

func TestAListTellsWhatTheRegistryHoldsBack(t *testing.T) {
	e := newEnv(t)
	e.publish("corp.example/lib", "v1.0.0", "v1.1.0")
	observed := events.Observe(e.pages, e.pages.Observe)
	get := func(target string) {
		observed.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", target, nil))
	}
	list := func() string { return e.shows("/-/module/corp.example/lib", 200, "v1.0.0", "v1.1.0") }
	for name, target := range map[string]string{
		"a go command was refused it": "/corp.example/lib/@v/v1.0.0.info",
		"somebody looked at its page": "/-/module/corp.example/lib@v1.0.0",
	} {
		t.Run(name, func(t *testing.T) {
			e.registry.Inject(registrytest.HarborPolicyViolation())
			get(target)
			if text := list(); strings.Count(text, "held back by the registry") != 1 || !strings.Contains(text, "current image with 2 vulnerabilities cannot be pulled") {
				t.Errorf("the list: %s", text)
			}
			var got struct {
				Versions []struct {
					Version  string
					HeldBack *struct{ Text string }
				}
			}
			check(t, json.Unmarshal(e.get("/-/api/module/corp.example/lib").Body.Bytes(), &got))
			if v := got.Versions; len(v) != 2 || v[0].HeldBack != nil || v[1].HeldBack == nil || !strings.Contains(v[1].HeldBack.Text, "2 vulnerabilities") {
				t.Errorf("as JSON: %+v", v)
			}
			e.registry.Heal()
			get("/corp.example/lib/@v/v1.0.0.info")
			if text := list(); strings.Contains(text, "held back by the registry") {
				t.Error("it is let through, and still said to be held back")
			}
			e.now = e.now.Add(2 * time.Hour) // for the next one, what is cached has to be asked for again
		})
	}
}

func TestWhatThePolicyDeniesIsNotOffered(t *testing.T) {
	e := newEnv(t)
	e.publish("corp.example/lib", "v1.2.3", "v1.3.0")
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "k.pub"), signtest.Signer(t, 0).PublicKey(), 0o600))
	file := filepath.Join(dir, "policy.yaml")
	check(t, os.WriteFile(file, []byte("version: 1\nkeys: {k: {file: k.pub}}\n"+
		"rules: [{modules: ['**'], signedBy: {anyOf: [k]}, checksumDatabase: none}]\n"+
		"deny: [{modules: ['corp.example/lib@>=v1.3.0'], reason: CVE-2026-0001}]\n"), 0o600))
	policy, err := sign.OpenPolicy(file, sign.PolicyFileOptions{})
	check(t, err)
	router, err := registry.Route("x", func(string) (*registry.Store, error) { return e.store, nil })
	check(t, err)
	shim, err := proxyshim.New(proxyshim.Options{Stores: router, Policy: policy, CacheDir: t.TempDir()})
	check(t, err)
	t.Cleanup(func() { check(t, shim.Close()) })
	e.pages.Shim = shim
	for _, target := range []string{"/-/module/corp.example/lib", "/-/api/module/corp.example/lib"} {
		if body := e.shows(target, 200, "v1.2.3"); strings.Contains(body, "v1.3.0") {
			t.Errorf("%s offers what is denied:\n%s", target, body)
		}
	}
	e.shows("/-/module/corp.example/lib@v1.3.0", 403, "CVE-2026-0001")
}

func signatureTag(e *env) string {
	for _, tag := range e.registry.Tags("golang/corp.example/lib") {
		if strings.HasSuffix(tag, ".sig") {
			return tag
		}
	}
	e.t.Fatal("it has no signature")
	return ""
}

func TestOnlyWhatAClientMayReadIsShown(t *testing.T) {
	e := newEnv(t)
	e.publish("corp.example/pay", "v1.0.0")
	e.publish("github.com/a/b", "v1.0.0")
	for _, path := range []string{"/corp.example/pay/@v/v9.9.9.mod", "/github.com/a/b/@v/v9.9.9.mod"} {
		e.get(path)
	}
	file := filepath.Join(t.TempDir(), "access")
	check(t, os.WriteFile(file, []byte("bob:certificate:corp.example/pay\n*::*\n"), 0o600))
	g, err := access.Open(file, slog.New(slog.DiscardHandler))
	check(t, err)
	guarded := g.Handler(e.pages)
	ask := func(target string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", target, nil)
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		guarded.ServeHTTP(w, r)
		return w
	}
	for _, target := range []string{"/", "/?q=corp", "/-/wishes", "/-/api/modules", "/-/api/wishes"} {
		if w := ask(target); w.Code != 200 || strings.Contains(w.Body.String(), "corp.example/pay") {
			t.Errorf("%s: %d, and it shows what is private:\n%s", target, w.Code, w.Body)
		}
	}
	there, none := ask("/-/module/corp.example/pay"), ask("/-/module/corp.example/pay/none")
	if there.Code != 401 || none.Code != 401 || strings.ReplaceAll(none.Body.String(), "/none", "") != there.Body.String() {
		t.Errorf("what is there: %d %s, what is not: %d %s", there.Code, there.Body, none.Code, none.Body)
	}
	for _, target := range []string{"/-/api/module/corp.example/pay", "/-/api/module/corp.example/pay@v1.0.0", "/corp.example/pay/@v/list", "/sumdb/sum.golang.org/lookup/corp.example/pay@v1.0.0"} {
		if w := ask(target); w.Code != 401 {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}

// Routes are by prefixes of modules.
func TestAClientIsNotToldTheRoutesOfWhatItMayNotRead(t *testing.T) {
	e := newEnv(t)
	router, err := registry.Route("corp.example/secret=x,github.com/evil=none,github.com=x", func(string) (*registry.Store, error) { return e.store, nil })
	check(t, err)
	shim, err := proxyshim.New(proxyshim.Options{Stores: router, Verifier: signtest.Signer(t, 0).Verifier(), CacheDir: t.TempDir()})
	check(t, err)
	t.Cleanup(func() { check(t, shim.Close()) })
	e.pages.Shim = shim
	file := filepath.Join(t.TempDir(), "access")
	check(t, os.WriteFile(file, []byte("bob:certificate:corp.example/secret\n*::*\n"), 0o600))
	g, err := access.Open(file, slog.New(slog.DiscardHandler))
	check(t, err)
	for _, target := range []string{"/", "/github.com/evil/x/@v/list", "/golang.org/x/text/@v/list", "/sumdb/sum.golang.org/latest"} {
		w := httptest.NewRecorder()
		g.Handler(e.pages).ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		if w.Code == 401 || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}

func TestWhatOthersWroteIsText(t *testing.T) {
	e := newEnv(t)
	e.names = []string{`<script>alert(1)</script>`, `a.example/"onmouseover="x`}
	body := e.shows("/?q="+`%22%3E%3Cscript%3Ealert(2)%3C/script%3E`, 200, "“&#34;&gt;&lt;script&gt;alert(2)")
	body += e.shows("/", 200, "&lt;script&gt;alert(1)")
	body += e.shows("/-/module/%3Cscript%3E", 400)
	if strings.Contains(body, "<script>alert") || strings.Contains(body, `"onmouseover="x`) {
		t.Errorf("not escaped:\n%s", body)
	}
	if link(&artifact.Origin{URL: "javascript:alert(1)"}) != "" {
		t.Error("a link that runs a script")
	}
}

func TestPagesRunAndLoadNothingOfOthers(t *testing.T) {
	e := newEnv(t)
	for _, target := range []string{"/", "/-/wishes", "/-/module/x", "/-/api/modules", "/-/page.css", "/-/page.js", "/-/icon.svg"} {
		h := e.get(target).Header()
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("%s: %v", target, h)
		}
		if html := strings.HasPrefix(h.Get("Content-Type"), "text/html"); html && (h.Get("Content-Security-Policy") != policy || h.Get("Cache-Control") != "private, no-store") {
			t.Errorf("%s: %v", target, h)
		}
	}
}

func TestTheShimAnswersWhatIsNotForPeople(t *testing.T) {
	e := newEnv(t)
	e.publish("corp.example/lib", "v1.0.0")
	for target, want := range map[string]string{
		"/corp.example/lib/@v/list": "v1.0.0\n", "/-/healthz": "ok\n", "/-/nonsense": "not found: not a module request\n",
	} {
		if got := e.get(target).Body.String(); got != want {
			t.Errorf("%s: %q", target, got)
		}
	}
	plain := httptest.NewRecorder()
	e.pages.ServeHTTP(plain, httptest.NewRequest("GET", "/", nil))
	if !strings.HasPrefix(plain.Body.String(), "modferry: Go modules from ") {
		t.Errorf("what is no browser gets %s", plain.Body)
	}
	posted := httptest.NewRecorder()
	e.pages.ServeHTTP(posted, httptest.NewRequest("POST", "/", io.LimitReader(strings.NewReader("x"), 1)))
	if posted.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", posted.Code)
	}
}
