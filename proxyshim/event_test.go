package proxyshim

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/proxyshim/events"
	"github.com/modferry/modferry/registry"
)

// observed makes a request of e's shim and returns the event of it, and the body of the answer.
func (e *env) observed(method, path string) (events.Event, string) {
	e.t.Helper()
	var seen []events.Event
	server := httptest.NewServer(events.Observe(e.handler, func(ev *events.Event) { seen = append(seen, *ev) }))
	req, err := http.NewRequestWithContext(e.t.Context(), method, server.URL+path, nil)
	check(e.t, err)
	resp, err := http.DefaultClient.Do(req)
	check(e.t, err)
	data, err := io.ReadAll(resp.Body)
	check(e.t, err)
	check(e.t, resp.Body.Close())
	body := string(data)
	server.Close() // waits for what is being answered
	if len(seen) != 1 {
		e.t.Fatalf("%s %s: %d events", method, path, len(seen))
	}
	ev := seen[0]
	if ev.Status != resp.StatusCode || ev.Bytes != int64(len(body)) || ev.Method != method || ev.Path != path ||
		!strings.HasPrefix(ev.Client, "127.0.0.1:") || ev.ID == "" || ev.Time.IsZero() || ev.Duration <= 0 {
		e.t.Errorf("%s %s: %d, %d bytes: %+v", method, path, resp.StatusCode, len(body), ev)
	}
	if failed := resp.StatusCode >= 400; failed != strings.HasSuffix(body, "request "+ev.ID+"\n") {
		e.t.Errorf("%s %s: the text of %s is\n%s", method, path, ev.ID, body)
	}
	return ev, body
}

func TestAnEventSaysWhatWasAnsweredWith(t *testing.T) {
	l := newTestLog(t, "").grow(300)
	c := content{m: lib}
	l.add(c)
	private := module.Version{Path: "corp.example/p", Version: "v1.0.0"}
	e := newEnv(t, withLog(l), func(o *Options) { o.Private = "corp.example" })
	s := l.snapshot(nil)
	e.mirror(l, s, c)
	e.publish(content{m: private})
	mod, err := e.store.Find(t.Context(), lib)
	check(t, err)
	key := e.signer.Verifier().Rule("").Fingerprint
	for _, test := range []struct {
		path   string
		kind   kind
		module module.Version
		query  string
		cached bool
	}{
		{libURL + ".info", kindInfo, lib, "", false},
		{libURL + ".mod", kindMod, lib, "", true}, // it came with .info
		{libURL + ".zip", kindZip, lib, "", false},
		{libURL + ".zip", kindZip, lib, "", true},
		{"/example.com/lib/@v/list", kindList, module.Version{Path: lib.Path}, "", false},
		{"/example.com/lib/@v/list", kindList, module.Version{Path: lib.Path}, "", true},
		{"/example.com/lib/@latest", kindLatest, lib, "latest", true},
		{"/corp.example/p/@v/v1.0.0.mod", kindMod, private, "", false},
		{logURL + "lookup/example.com/lib@v1.2.3", kindLookup, lib, "", true},
	} {
		ev, _ := e.observed(http.MethodGet, test.path)
		if ev.Outcome != events.Served || ev.Err != nil || ev.Kind != eventKinds[test.kind] || ev.Kind == "" || ev.Module != test.module || ev.Query != test.query ||
			ev.Cached != test.cached || ev.Store != e.store.String() {
			t.Errorf("%s: %+v", test.path, ev)
		}
		if test.module == lib && (ev.Manifest != mod.Descriptor.Digest || len(ev.Keys) != 1) {
			t.Errorf("%s: manifest %s, keys %v (of %s)", test.path, ev.Manifest, ev.Keys, key)
		}
		if want := s.Head().Tree; test.module == lib && ev.Head != want || test.module == private && ev.Head.N != 0 {
			t.Errorf("%s: head of %d records", test.path, ev.Head.N)
		}
	}
	e.restart()
	if ev, _ := e.observed(http.MethodGet, libURL+".zip"); !ev.Cached {
		t.Error("what an earlier process cached does not count as cached")
	}
	if ev, _ := e.observed(http.MethodHead, libURL+".info"); ev.Outcome != events.Served || ev.Bytes != 0 {
		t.Errorf("HEAD: %+v", ev)
	}
}

func TestAnEventSaysWhyARequestFailed(t *testing.T) {
	for name, test := range map[string]struct {
		fault   func(*http.Request) (*http.Response, error)
		method  string
		path    string
		signer  *sign.Signer
		outcome events.Outcome
		reason  string
		err     error
	}{
		"signed by nobody":   {nil, "GET", libURL + ".info", nil, events.Refused, "unsigned", sign.ErrUnsigned},
		"signed by another":  {nil, "GET", libURL + ".zip", testSigner(t, 1), events.Refused, "untrusted", sign.ErrUntrusted},
		"registry denies it": {ociError(403, "DENIED", "no"), "GET", libURL + ".zip", nil, events.Denied, "", registry.ErrDenied},
		"registry's policy":  {ociError(412, "PROJECTPOLICYVIOLATION", "no"), "GET", libURL + ".info", nil, events.HeldBack, "", registry.ErrPolicy},
		"registry is down":   {down, "GET", libURL + ".mod", nil, events.Unavailable, "", registry.ErrUnavailable},
		"absent":             {nil, "GET", "/example.com/other/@v/v1.0.0.info", nil, events.Absent, "", registry.ErrNotFound},
		"malformed":          {nil, "GET", "/example.com/lib/@v/v1.zip", nil, events.Invalid, "", errSyntax},
		"no such method":     {nil, "DELETE", libURL + ".info", nil, events.Invalid, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			e.publishAs(content{m: lib}, test.signer)
			mod, err := e.store.Find(t.Context(), lib)
			check(t, err)
			e.transport.inject(test.fault)
			ev, _ := e.observed(test.method, test.path)
			if ev.Outcome != test.outcome || ev.Reason != test.reason || !errors.Is(ev.Err, test.err) {
				t.Errorf("%s, reason %q, error %v", ev.Outcome, ev.Reason, ev.Err)
			}
			if ev.Outcome == events.Refused && (ev.Module != lib || ev.Manifest != mod.Descriptor.Digest) {
				t.Errorf("refused %s %s", ev.Module, ev.Manifest)
			}
			if ev.Reason != "" && !slices.Contains(events.Reasons(), ev.Reason) {
				t.Errorf("%q is not among the reasons", ev.Reason)
			}
			if log := e.log.String(); ev.Err != nil && ev.Outcome != events.Absent && !strings.Contains(log, "request="+ev.ID) {
				t.Errorf("%s is not in the log:\n%s", ev.ID, log)
			}
		})
	}
}

func TestARequestThatNeverReachesTheHandlerIsAnEvent(t *testing.T) {
	e := newEnv(t)
	var ev events.Event
	h := events.Observe(OnlyHosts(e.handler, nil, e.options.Log), func(got *events.Event) { ev = *got })
	req := httptest.NewRequest(http.MethodGet, "http://rebound.example/"+libURL+".info", nil)
	h.ServeHTTP(httptest.NewRecorder(), req)
	if ev.Outcome != events.Denied || ev.Status != http.StatusMisdirectedRequest {
		t.Errorf("%+v", ev)
	}
}
