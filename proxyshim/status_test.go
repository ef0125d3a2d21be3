package proxyshim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote/registrytest"
)

func TestWhatTheRegistrySaysBecomesTheRightStatus(t *testing.T) {
	const file, list = libURL + ".info", "/example.com/lib/@v/list"
	for _, test := range []struct {
		name   string
		fault  func(*http.Request) (*http.Response, error)
		status int
		text   string // all lists and files
	}{
		{"repository unknown", ociError(http.StatusNotFound, "NAME_UNKNOWN", "repository name not known"), http.StatusNotFound, "not found: "},
		{"manifest unknown", ociError(http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown"), http.StatusNotFound, "not found: "},
		{"Harbor's not found", ociError(http.StatusNotFound, "NOT_FOUND", "artifact not found"), http.StatusNotFound, "not found: "},
		{"policy", ociError(http.StatusPreconditionFailed, "PROJECTPOLICYVIOLATION", "current image with 3 vulnerabilities cannot be pulled"), http.StatusForbidden, "current image with 3 vulnerabilities cannot be pulled"},
		{"unauthorized", ociError(http.StatusUnauthorized, "UNAUTHORIZED", "unauthorized to access repository"), http.StatusForbidden, "unauthorized to access repository"},
		{"denied", ociError(http.StatusForbidden, "DENIED", "requested access is denied"), http.StatusForbidden, "requested access is denied"},
		{"rate limit", ociError(http.StatusTooManyRequests, "TOOMANYREQUESTS", "slow down"), http.StatusBadGateway, "slow down"},
		{"server error", ociError(http.StatusInternalServerError, "UNKNOWN", "database is gone"), http.StatusBadGateway, "database is gone"},
		{"gateway", respond("/v2/", http.StatusServiceUnavailable, "text/html", "<h1>sorry</h1>"), http.StatusBadGateway, "503"},
		{"network", down, http.StatusBadGateway, ""},
		{"timeout", func(*http.Request) (*http.Response, error) { return nil, timeout{} }, http.StatusGatewayTimeout, ""},
		{"some web server", respond("/v2/", http.StatusNotFound, "text/html", "<h1>404</h1>"), http.StatusBadGateway, ""},
		{"nonsense", respond("/v2/", http.StatusOK, "text/html", "<h1>welcome</h1>"), 0, ""},
		{"redirect loop", ociError(http.StatusTeapot, "UNKNOWN", "teapot"), http.StatusBadGateway, "teapot"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEnv(t)
			e.publish(content{m: lib})
			e.transport.inject(test.fault)
			for _, path := range []string{file, list, "/example.com/lib/@latest"} {
				status, body := e.get(path)
				if test.status == 0 {
					if status == http.StatusOK || status == http.StatusNotFound {
						t.Errorf("%s: %d %s", path, status, body)
					}
					continue
				}
				if status != test.status || !strings.Contains(body, test.text) {
					t.Errorf("%s: %d %s, want %d …%s…", path, status, body, test.status, test.text)
				}
			}
			if files := e.files(); len(files) > 0 {
				t.Errorf("cached: %v", files)
			}
		})
	}
}

type timeout struct{}

func (timeout) Error() string   { return "i/o timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

func TestDenialNamesRegistryAccountAndWhatToCheck(t *testing.T) {
	err := fmt.Errorf("%s: %w", lib, &registry.Error{
		Registry: "harbor.example", Repository: "golang/example.com/lib", Account: "robot$golang", Status: 401,
		Code: "UNAUTHORIZED", Message: "unauthorized to access repository", Err: registry.ErrUnauthorized,
	})
	status, text := describe(lib, err)
	if status != http.StatusForbidden {
		t.Error(status)
	}
	for _, part := range []string{"harbor.example", "golang/example.com/lib", "robot$golang", "unauthorized to access repository", "project exists", "docker login harbor.example"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in %q", part, text)
		}
	}
}

func TestTheStrictestCauseCounts(t *testing.T) {
	err := errors.Join(registry.ErrNotFound, artifact.ErrCorrupt)
	if status, text := describe(lib, err); status != http.StatusForbidden || !strings.HasPrefix(text, "SECURITY: ") {
		t.Errorf("%d %s", status, text)
	}
	if status, text := describe(lib, errors.Join(err, registry.ErrUnavailable)); status != http.StatusBadGateway {
		t.Errorf("during an outage, which may be why the rest looks wrong: %d %s", status, text)
	}
	if status, _ := describe(lib, errors.New("whatever")); status != http.StatusInternalServerError {
		t.Error(status)
	}
}

func TestAMissingPartIsNoAbsence(t *testing.T) {
	e := newEnv(t)
	a := e.publish(content{m: lib})
	e.transport.inject(func(r *http.Request) (*http.Response, error) {
		if !strings.Contains(r.URL.Path, a.Manifest.Zip.Digest.String()) {
			return nil, nil
		}
		return ociError(http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown")(r)
	})
	e.want(libURL+".info", http.StatusOK, "v1.2.3")
	e.want(libURL+".zip", http.StatusForbidden, "a blob is missing")
}

// The go command shows at most 8 lines, drops lines over 648 bytes, and shows
// nothing at all if there is a control character.
func TestAnswersAreFitForTheGoCommand(t *testing.T) {
	for _, text := range []string{
		"short", "two\nlines", "bell \a and escape \x1b[31m", "bad \xff utf-8", strings.Repeat("long ", 1000), strings.Repeat("ü", 1000), "non-breaking\u00a0space", "\u202eoverride",
	} {
		got := plain(text)
		if len(got) > maxText || strings.ToValidUTF8(got, "") != got {
			t.Errorf("plain(%.20q) = %q", text, got)
		}
		for _, r := range got {
			if r != '\n' && !unicode.IsGraphic(r) {
				t.Errorf("plain(%.20q) has %q", text, r)
			}
		}
	}
	if got := plain("as it is\n"); got != "as it is\n" {
		t.Errorf("%q", got)
	}
}

func TestACancelledRequestIsNotAnsweredWithAnEmptyFile(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	e.handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, libURL+".mod", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d, body %q", w.Code, w.Body)
	}
}

// Whoever runs go build reads which module it is, what the registry says, and whom to ask; and the go command goes to no
// other proxy.
func TestARefusalByPolicySaysWhatAndWhomToAsk(t *testing.T) {
	for name, test := range map[string]struct {
		fault registrytest.Fault
		says  []string
	}{
		"vulnerable":       {registrytest.HarborPolicyViolation(), []string{"current image with 2 vulnerabilities", "ask whoever administers the project golang of "}},
		"being scanned":    {registrytest.HarborPendingScan(), []string{`with "Pending" status`, "try again in a minute"}},
		"never scanned":    {registrytest.HarborUnscanned(), []string{"without vulnerability scanning", "to have it scanned"}},
		"without its sigs": {registrytest.HarborUnsigned(), []string{"not signed by cosign", "signature may be on its way"}},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, registrytest.Options{})
			e := newEnvOn(t, reg.URL+"/golang")
			e.publishAs(content{m: lib}, nil)
			reg.Inject(test.fault)
			for _, ext := range []string{".info", ".mod", ".zip"} {
				for _, part := range append(test.says, "example.com/lib@v1.2.3: "+reg.Host()+" holds it back by policy") {
					e.want(libURL+ext, http.StatusForbidden, part)
				}
			}
			e.want("/example.com/lib/@latest", http.StatusForbidden, "holds it back by policy")
		})
	}
}
