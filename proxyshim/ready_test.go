package proxyshim

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/modferry/modferry/registry/remote/registrytest"
)

func TestReadinessTellsApartWhatIsWrong(t *testing.T) {
	broken := errors.New("secret.pub: no key")
	for _, test := range []struct {
		name    string
		prepare func(*env)
		status  int
		want    []string
	}{
		{"all is well, without a snapshot", func(*env) {}, 200, []string{"ready\n", "[+] store: answers", "[-] snapshot: none of sum.golang.org: public modules are not verified"}},
		{
			"no store, and nothing cached", func(e *env) { e.transport.inject(down) }, 503,
			[]string{"not ready\n", "[-] store: 1 of 1 do not answer, and nothing is cached", "[-] snapshot: none of sum.golang.org that can be read"},
		},
		{
			"no store, and something cached", func(e *env) {
				e.publish(content{m: lib})
				e.want(libURL+".info", 200, "")
				e.clock.advance(2 * time.Hour)
				e.transport.inject(down)
			}, 200,
			[]string{"[-] store: 1 of 1 do not answer; what is cached is served"},
		},
		{
			"no store, and something cached by an earlier process", func(e *env) {
				e.publish(content{m: lib})
				e.want(libURL+".info", 200, "")
				e.restart()
				e.clock.advance(2 * time.Hour)
				e.transport.inject(down)
			}, 200,
			[]string{"what is cached is served"},
		},
		{"a registry that denies what does not exist", func(e *env) { e.transport.inject(ociError(403, "DENIED", "no")) }, 200, []string{"[+] store: answers"}},
		{
			"a broken policy", func(e *env) {
				e.restart(func(o *Options) { o.Conditions = []Condition{{"policy", func() error { return broken }}} })
			}, 200, []string{"[-] policy: the file was changed and is not in force"},
		},
		{"an orchestrator that ends it", func(e *env) { e.handler.Drain() }, 503, []string{"[-] process: the shim is shutting down"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEnv(t)
			test.prepare(e)
			for _, want := range test.want {
				e.want("/-/readyz", test.status, want)
			}
			if _, body := e.get("/-/readyz"); strings.Contains(body, "127.0.0.1") || strings.Contains(body, "secret") {
				t.Errorf("it tells names to everybody: %s", body)
			}
			if test.status == 503 {
				e.want("/-/healthz", 200, "ok")
			}
		})
	}
}

func TestReadinessKnowsTheSnapshot(t *testing.T) {
	l := newTestLog(t, "ready").grow(300)
	e := newEnv(t, withLog(l))
	e.publishSnapshot(l.snapshot(nil))
	e.want("/-/readyz", http.StatusOK, "[+] snapshot: 300 records of "+l.Name())
}

func TestReadinessAsksForTheSnapshotOnly(t *testing.T) {
	e := newEnvOn(t, registrytest.New(t, registrytest.Options{}).URL+"/golang")
	asked := e.requests(func() {
		for range 5 {
			e.want("/-/readyz", http.StatusOK, "ready")
		}
	})
	for _, r := range asked {
		if !strings.Contains(r, "/sumdb/") {
			t.Errorf("it asked for %s", r)
		}
	}
	if len(asked) == 0 || len(asked) > 3 {
		t.Errorf("%d requests: %v", len(asked), asked)
	}
}
