package proxyshim

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestCachedVersionsAreServedWhileTheRegistryIsDown(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	paths := []string{libURL + ".info", libURL + ".mod", libURL + ".zip", "/example.com/lib/@v/list", "/example.com/lib/@latest"}
	ask := func() {
		t.Helper()
		for _, path := range paths {
			e.want(path, http.StatusOK, "")
		}
	}
	ask()
	e.transport.inject(down)
	e.clock.advance(48 * time.Hour)
	ask()
	if n := strings.Count(e.log.String(), "does not answer"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, e.log)
	}
	if got := e.requests(ask); len(got) > 0 {
		t.Errorf("the store is not left alone for a moment: %v", got)
	}
	e.restart()
	ask()
	e.want(graphURL+".info", http.StatusBadGateway, "registry not available")

	e.transport.inject(nil)
	e.clock.advance(outageHold + time.Second)
	if got := e.requests(ask); len(got) == 0 {
		t.Error("not checked again after the outage")
	}
	if !strings.Contains(e.log.String(), "answers again") {
		t.Errorf("log:\n%s", e.log)
	}
}

func TestRecheckInterval(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	all := func() {
		for _, path := range []string{libURL + ".info", libURL + ".zip", libURL + ".mod", "/example.com/lib/@v/list", "/example.com/lib/@latest"} {
			e.want(path, http.StatusOK, "")
		}
	}
	all()
	e.clock.advance(59 * time.Minute)
	if got := e.requests(all); len(got) > 0 {
		t.Errorf("requests before the interval is over: %v", got)
	}
	e.clock.advance(time.Minute)
	got := strings.Join(e.requests(all), "\n")
	if n := strings.Count(got, "/manifests/v1.2.3"); n != 1 {
		t.Errorf("%d manifest requests at the re-check, want 1:\n%s", n, got)
	}
	if n := strings.Count(got, "/tags/list"); n != 1 {
		t.Errorf("%d tag listings at the re-check, want 1:\n%s", n, got)
	}
	if strings.Contains(got, "/lib/blobs/") {
		t.Errorf("blobs were read again:\n%s", got)
	}
	e.clock.advance(-time.Hour) // a clock set back must not prolong a verdict
	if got := e.requests(all); len(got) == 0 {
		t.Error("a verdict from the future was believed")
	}
}

func TestRecheckOfZeroAsksAtEveryRequest(t *testing.T) {
	e := newEnv(t, func(o *Options) { o.Recheck = 0 })
	e.publish(content{m: lib})
	e.want(libURL+".zip", http.StatusOK, "PK")
	for _, path := range []string{libURL + ".info", libURL + ".mod", libURL + ".zip", "/example.com/lib/@v/list"} {
		if got := e.requests(func() { e.want(path, http.StatusOK, "") }); len(got) == 0 {
			t.Errorf("%s: the store was not asked", path)
		}
	}
	e.transport.inject(ociError(http.StatusPreconditionFailed, "PROJECTPOLICYVIOLATION", "vulnerable"))
	e.want(libURL+".zip", http.StatusForbidden, "vulnerable")
}

func TestANewVersionOutdatesTheList(t *testing.T) {
	e := newEnv(t)
	e.publish(content{m: lib})
	e.want("/example.com/lib/@latest", http.StatusOK, `"v1.2.3"`)
	newer := lib
	newer.Version = "v1.3.0"
	e.publish(content{m: newer})
	e.want("/example.com/lib/@latest", http.StatusOK, `"v1.2.3"`)
	e.want("/example.com/lib/@v/v1.3.0.info", http.StatusOK, `"v1.3.0"`)
	e.want("/example.com/lib/@latest", http.StatusOK, `"v1.3.0"`)
}

func TestBrokenDownloadsAreRepeated(t *testing.T) {
	e := newEnv(t)
	a := e.publish(content{m: lib})
	path := "/blobs/" + a.Manifest.Zip.Digest.String()
	for name, body := range map[string]string{
		"damaged":   strings.Repeat("x", int(a.Manifest.Zip.Size)),
		"truncated": "",
	} {
		broken := 1
		e.transport.inject(func(r *http.Request) (*http.Response, error) {
			if broken == 0 || !strings.Contains(r.URL.Path, path) {
				return nil, nil
			}
			broken--
			resp, err := respond(path, http.StatusOK, "application/octet-stream", body)(r)
			resp.ContentLength = a.Manifest.Zip.Size
			return resp, err
		})
		e.want(libURL+".zip", http.StatusOK, "PK")
		if broken != 0 {
			t.Errorf("%s: no fault happened", name)
		}
		check(t, e.handler.cache.Drop(lib))
	}
}
