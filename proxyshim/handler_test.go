package proxyshim

import (
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"
)

var (
	lib   = module.Version{Path: "example.com/lib", Version: "v1.2.3"}
	graph = module.Version{Path: "example.com/graph", Version: "v0.9.0"}
	upper = module.Version{Path: "example.com/Upper/Case", Version: "v2.0.0+incompatible"}
)

const (
	libURL   = "/example.com/lib/@v/v1.2.3"
	graphURL = "/example.com/graph/@v/v0.9.0"
	upperURL = "/example.com/%21upper/%21case/@v/v2.0.0+incompatible"
)

func TestNewNeedsItsOptions(t *testing.T) {
	e := newEnv(t)
	for name, change := range map[string]func(*Options){
		"stores":   func(o *Options) { o.Stores = nil },
		"verifier": func(o *Options) { o.Verifier = nil },
		"cache":    func(o *Options) { o.CacheDir = "" },
	} {
		o := e.options
		change(&o)
		if h, err := New(o); err == nil || !strings.Contains(err.Error(), "are required") {
			_ = h.Close()
			t.Errorf("no error without %s", name)
		}
	}
}

func TestServesTheFilesByteForByte(t *testing.T) {
	e := newEnv(t)
	for m, url := range map[module.Version]string{lib: libURL, upper: upperURL} {
		c := content{m: m, origin: "0123456789012345678901234567890123456789"}
		e.publish(c)
		zip, err := os.ReadFile(c.zip(t))
		check(t, err)
		for range 2 { // cold, warm
			for ext, want := range map[string]string{".info": string(c.info()), ".mod": string(c.gomod()), ".zip": string(zip)} {
				if status, body := e.get(url + ext); status != http.StatusOK || body != want {
					t.Errorf("%s%s: %d, %d bytes, want %d: %.200q", m, ext, status, len(body), len(want), body)
				}
			}
		}
	}
}

func TestContentTypesHeadAndRange(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	for path, want := range map[string]string{
		libURL + ".info":           "application/json",
		libURL + ".mod":            "text/plain; charset=UTF-8",
		libURL + ".zip":            "application/zip",
		"/example.com/lib/@v/list": "text/plain; charset=UTF-8",
		"/example.com/lib/@latest": "application/json",
	} {
		_, body := e.get(path)
		head, err := http.Head(e.url + path)
		check(t, err)
		head.Body.Close()
		if head.StatusCode != http.StatusOK || head.Header.Get("Content-Type") != want || head.ContentLength != int64(len(body)) {
			t.Errorf("HEAD %s: %s %q, %d bytes; want %q, %d bytes", path, head.Status, head.Header.Get("Content-Type"), head.ContentLength, want, len(body))
		}
	}
	_, zip := e.get(libURL + ".zip")
	r, err := http.NewRequest(http.MethodGet, e.url+libURL+".zip", nil)
	check(t, err)
	r.Header.Set("Range", "bytes=10-29")
	resp, err := http.DefaultClient.Do(r)
	check(t, err)
	defer resp.Body.Close()
	part, err := io.ReadAll(resp.Body)
	check(t, err)
	if resp.StatusCode != http.StatusPartialContent || string(part) != zip[10:30] {
		t.Errorf("range: %s, %d bytes", resp.Status, len(part))
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	e := newEnv(t)
	resp, err := http.Post(e.url+libURL+".info", "text/plain", strings.NewReader("x"))
	check(t, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %s, Allow %q", resp.Status, resp.Header.Get("Allow"))
	}
}

func TestPagesForPeopleAndMachines(t *testing.T) {
	e := newEnv(t)
	e.want("/", http.StatusOK, "modferry")
	e.want("/-/healthz", http.StatusOK, "ok")
	e.want("/-/other", http.StatusNotFound, "not found: ")
	e.want("/favicon.ico", http.StatusNotFound, "not found: ")
	e.want("/sumdb/sum.golang.org/supported", http.StatusOK, "")
	check(t, e.handler.Close())
	e.want("/-/readyz", http.StatusServiceUnavailable, "shutting down")
	e.want(libURL+".info", http.StatusServiceUnavailable, "shutting down")
	if got := e.transport.requests(); len(got) > 0 {
		t.Errorf("registry requests: %v", got)
	}
}

func TestListHasFullVersionsWithoutPseudoVersions(t *testing.T) {
	e := newEnv(t)
	for _, v := range []string{"v1.10.0", "v1.9.0", "v1.11.0-rc.1", oldPseudo} {
		e.publish(content{m: module.Version{Path: "example.com/lib", Version: v}})
	}
	e.publish(content{m: module.Version{Path: "example.com/lib", Version: "v1.12.0"}, modOnly: true})
	e.publish(content{m: graph, modOnly: true})
	if status, body := e.get("/example.com/lib/@v/list"); status != http.StatusOK || body != "v1.9.0\nv1.10.0\nv1.11.0-rc.1\n" {
		t.Errorf("list: %d %q", status, body)
	}
	e.want("/example.com/lib/@latest", http.StatusOK, `"v1.10.0"`)
	if status, body := e.get("/example.com/graph/@v/list"); status != http.StatusOK || body != "" {
		t.Errorf("list of a mod-only module: %d %q", status, body)
	}
	e.want("/example.com/graph/@latest", http.StatusNotFound, "not found: no full version of example.com/graph")
	e.want("/example.com/none/@v/list", http.StatusNotFound, "not found: module example.com/none")
	e.want("/example.com/none/@latest", http.StatusNotFound, "not found: module example.com/none")
}

func TestRevisionsATagCanAnswer(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: upper})
	e.publish(content{m: module.Version{Path: "example.com/lib", Version: newPseudo}, origin: "ba98765432101111111111111111111111111111"})
	e.want("/example.com/%21upper/%21case/@v/v2.0.0.info", http.StatusOK, `"v2.0.0+incompatible"`)
	e.want("/example.com/lib/@v/ba98765.info", http.StatusOK, newPseudo)
	e.want("/example.com/lib/@v/ba98765432101111111111111111111111111111.info", http.StatusOK, newPseudo)
	e.want("/example.com/lib/@v/ba98765432102222222222222222222222222222.info", http.StatusNotFound, "not found: revision")
	e.want("/example.com/lib/@v/main.info", http.StatusNotFound, "not found: revision main")
}

func TestRegistryRequestsPerVersion(t *testing.T) {
	e := newEnv(t)
	for _, v := range []string{"v1.0.0", "v1.0.1", "v1.0.2"} {
		e.publish(content{m: module.Version{Path: "example.com/lib", Version: v}})
	}
	e.publish(content{m: graph, modOnly: true})
	e.askForSnapshot()
	for _, test := range []struct {
		name  string
		paths []string
		limit int
	}{
		{"full, in the go command's order", []string{"lib/@v/v1.0.0.info", "lib/@v/v1.0.0.mod", "lib/@v/v1.0.0.zip"}, 3},
		{"full, zip first", []string{"lib/@v/v1.0.1.zip", "lib/@v/v1.0.1.mod", "lib/@v/v1.0.1.info"}, 3},
		{"mod-only", []string{"graph/@v/v0.9.0.mod", "graph/@v/v0.9.0.info"}, 3}, // the full version is absent
		{"list", []string{"lib/@v/list"}, 2}, // and the manifest of the latest, to see that it is a module version
		{"latest after list", []string{"lib/@latest"}, 2},
		{"again", []string{
			"lib/@v/v1.0.0.info", "lib/@v/v1.0.0.mod", "lib/@v/v1.0.0.zip", "lib/@v/v1.0.1.zip",
			"lib/@v/list", "lib/@latest", "graph/@v/v0.9.0.mod",
		}, 0},
	} {
		got := e.requests(func() {
			for _, path := range test.paths {
				e.want("/example.com/"+path, http.StatusOK, "")
			}
		})
		got = slices.DeleteFunc(got, func(r string) bool { return r == "GET /v2/" })
		if len(got) > test.limit {
			t.Errorf("%s: %d requests, want at most %d: %v", test.name, len(got), test.limit, got)
		}
	}
}

func TestZipLayerIsNotTouchedForInfoAndMod(t *testing.T) {
	e := newEnv(t)
	a := e.publish(content{m: lib})
	got := e.requests(func() {
		e.want(libURL+".info", http.StatusOK, "v1.2.3")
		e.want(libURL+".mod", http.StatusOK, "module")
	})
	for _, r := range got {
		if strings.HasSuffix(r, a.Manifest.Zip.Digest.String()) {
			t.Errorf("zip layer was read: %v", got)
		}
	}
}

func TestAbsenceIsRememberedBriefly(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: graph, modOnly: true})
	ask := func() {
		e.want(libURL+".info", http.StatusNotFound, "not found: example.com/lib@v1.2.3")
		e.want("/example.com/lib/@v/list", http.StatusNotFound, "not found: ")
	}
	ask()
	if got := e.requests(ask); len(got) > 0 {
		t.Errorf("requests about what is known to be absent: %v", got)
	}
	e.publish(content{m: lib})
	e.clock.advance(defaultAbsent + time.Second)
	e.want(libURL+".info", http.StatusOK, "v1.2.3")
	e.want("/example.com/lib/@v/list", http.StatusOK, "v1.2.3")
}

func TestZipOfAModOnlyVersionSaysSo(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: graph, modOnly: true})
	e.want(graphURL+".mod", http.StatusOK, "module example.com/graph")
	e.want(graphURL+".zip", http.StatusNotFound, "not found: of example.com/graph@v0.9.0 only go.mod is mirrored; for the zip: modferry mirror example.com/graph@v0.9.0")
	misses := e.handler.Wishes(true)
	if len(misses) != 1 || misses[0].Module != graph {
		t.Errorf("misses: %+v", misses)
	}
}

func TestMissesAreDeduplicated(t *testing.T) {
	e := newEnv(t)
	for range 3 {
		e.get(libURL + ".info")
		e.get(libURL + ".zip")
	}
	e.clock.advance(time.Minute)
	e.get(libURL + ".mod")
	e.get("/example.com/lib/@latest")
	e.get("/example.com/lib/@v/list")
	e.get("/example.com/lib/@v/main.info")
	e.get("/example.com/lib/@v/bad.zip")
	e.get("/nonsense")
	misses := e.handler.Wishes(true)
	var got []string
	for _, m := range misses {
		got = append(got, m.Module.String()+" "+m.Query)
	}
	want := []string{"example.com/lib latest", "example.com/lib main", "example.com/lib@v1.2.3 "}
	if !slices.Equal(got, want) {
		t.Fatalf("misses: %q, want %q", got, want)
	}
	if m := misses[2]; m.Count != 7 || m.Last.Sub(m.First) != time.Minute {
		t.Errorf("miss: %+v", m)
	}
}

func TestTheFullFormOfAModOnlyVersionIsServedOnceItIsThere(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: graph, modOnly: true})
	ask := func() { e.want(graphURL+".zip", http.StatusNotFound, "only go.mod") }
	ask()
	if got := e.requests(ask); len(got) > 0 {
		t.Errorf("requests about what is known to be absent: %v", got)
	}
	e.publish(content{m: graph})
	e.want(graphURL+".mod", http.StatusOK, "module example.com/graph")
	e.clock.advance(defaultAbsent + time.Second)
	e.want(graphURL+".zip", http.StatusOK, "PK")
}

// A pull-through cache answers 404 for the full form while it cannot ask for it.
func TestThatThereIsNoZipIsNotBelievedOfACacheWithoutItsUpstream(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: graph})
	e.publish(content{m: graph, modOnly: true})
	e.askForSnapshot()
	e.transport.inject(func(r *http.Request) (*http.Response, error) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/manifests/v0.9.0"):
			return ociError(http.StatusNotFound, "MANIFEST_UNKNOWN", "unknown")(r)
		case strings.Contains(r.URL.Path, "/blobs/"):
			return ociError(http.StatusInternalServerError, "UNKNOWN", "unknown error")(r)
		}
		return nil, nil
	})
	e.want(graphURL+".mod", http.StatusOK, "module example.com/graph")
	e.want(graphURL+".zip", http.StatusBadGateway, "pull-through cache")
	e.want(graphURL+".mod", http.StatusOK, "module example.com/graph")
	e.transport.inject(nil)
	e.want(graphURL+".zip", http.StatusOK, "PK")
}

// Such a cache has the mod-only form, and all blobs, and answers 404 for the tag of the full form.
func TestACachedZipIsServedWhileACacheCannotAskForTheFullForm(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: graph})
	e.publish(content{m: graph, modOnly: true})
	e.want(graphURL+".zip", http.StatusOK, "")
	e.transport.inject(func(r *http.Request) (*http.Response, error) {
		fault := ociError(http.StatusNotFound, "MANIFEST_UNKNOWN", "unknown")
		if strings.Contains(r.URL.Path, "/graph/blobs/") {
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil || resp.StatusCode == http.StatusOK {
				return resp, err
			}
			resp.Body.Close()
			fault = ociError(http.StatusInternalServerError, "UNKNOWN", "unknown error")
		} else if !strings.HasSuffix(r.URL.Path, "/manifests/v0.9.0") {
			return nil, nil
		}
		return fault(r)
	})
	e.clock.advance(2 * time.Hour) // due to be checked again
	e.want(graphURL+".mod", http.StatusOK, "")
	e.want(graphURL+".zip", http.StatusOK, "")
}

func TestThatThereIsNoZipIsNotBelievedOfAStoreThatJustHadIt(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: graph})
	e.publish(content{m: graph, modOnly: true})
	asked := 0
	e.transport.inject(func(r *http.Request) (*http.Response, error) {
		if !strings.HasSuffix(r.URL.Path, "/manifests/v0.9.0") {
			return nil, nil
		}
		if asked++; asked == 2 { // of two replicas, the second has it
			return nil, nil
		}
		return ociError(http.StatusNotFound, "MANIFEST_UNKNOWN", "unknown")(r)
	})
	e.want(graphURL+".mod", http.StatusOK, "")
	e.want(graphURL+".zip", http.StatusBadGateway, "a moment ago")
}
