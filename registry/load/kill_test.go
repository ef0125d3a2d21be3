package load_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/bundle"
	"github.com/modferry/modferry/registry/load"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/stores"
	"github.com/modferry/modferry/registry/transfer"
	"github.com/modferry/modferry/registry/transfer/transfertest"
	"github.com/modferry/modferry/registry/verify"
)

// What TestHelperProcess is to copy, and where to.
const (
	helperFrom = "LOAD_TEST_FROM"
	helperTo   = "LOAD_TEST_TO"
	helperKey  = "LOAD_TEST_KEY"
	helperLog  = "LOAD_TEST_LOG"
)

// TestHelperProcess is the process that TestWhatIsKilled… kills.
func TestHelperProcess(t *testing.T) {
	if os.Getenv(helperTo) == "" {
		t.Skip("only for other tests")
	}
	v, err := sign.LoadKeys(os.Getenv(helperKey))
	must(t, err)
	log, err := sumdb.ParseLog(os.Getenv(helperLog))
	must(t, err)
	for it, err := range copyAll(t, os.Getenv(helperFrom), os.Getenv(helperTo), verify.Checker{Verifier: v, Log: log, Private: "corp.example/large"}) {
		t.Errorf("%s: %v", it, err)
	}
}

// copyAll loads a tar, or syncs a store, and returns what went wrong.
func copyAll(t testing.TB, from, to string, checker verify.Checker) map[string]error {
	t.Helper()
	failed := make(map[string]error)
	report := func(e transfer.Event) {
		if e.Err != nil {
			failed[e.Item.String()] = e.Err
		}
	}
	destination := open(t, to)
	if strings.HasSuffix(from, ".tar") {
		l := load.Loader{
			Destination: destination, Checker: checker, TempDir: t.TempDir(), Report: report,
			Opened: func(string, bundle.Info, []string, error) {},
		}
		must(t, l.File(t.Context(), from))
		return failed
	}
	source := open(t, from)
	s := transfer.Sync{
		Copier: &transfer.Copier{Source: source, Destination: destination, Checker: checker, Local: source.IsLayout(), TempDir: t.TempDir()},
		Report: report,
	}
	_, broken, err := s.Run(t.Context())
	must(t, err)
	if len(broken) > 0 {
		t.Fatal(broken)
	}
	return failed
}

func open(t testing.TB, ref string) *registry.Store {
	t.Helper()
	c, err := remote.NewClient(remote.ClientOptions{})
	must(t, err)
	s, err := stores.Open(c, ref)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// killer is a registry that kills whoever makes the nth request.
type killer struct {
	*registrytest.Registry
	left atomic.Int32
	kill atomic.Pointer[context.CancelFunc]
}

func (k *killer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if k.left.Add(-1) == 0 {
		(*k.kill.Load())()
	}
	k.Registry.ServeHTTP(w, r)
}

func newKiller(t testing.TB) (k *killer, ref string) {
	t.Helper()
	k = &killer{Registry: registrytest.New(t, registrytest.Options{})}
	server := httptest.NewServer(k)
	t.Cleanup(server.Close)
	_, host, _ := strings.Cut(server.URL, "://")
	return k, host + "/golang"
}

func TestWhatIsKilledAtAnyMomentIsFinishedByTheNext(t *testing.T) {
	d := deliver(t, 0)
	prefix := filepath.Join(t.TempDir(), "cosign")
	must(t, os.WriteFile(prefix+".pub", d.signer.PublicKey(), 0o666))
	directory := d.store.String()
	sent, centre := newKiller(t)
	for it, err := range copyAll(t, directory, centre, verify.Checker{Verifier: d.signer.Verifier(), Log: d.log.Log, Private: "corp.example/large"}) {
		t.Fatalf("%s: %v", it, err)
	}
	for name, test := range map[string]struct {
		from     string
		requests []int32
	}{
		"load into a registry":    {d.volumes[0], []int32{2, 12, 30, 60, 100}},
		"sync into a registry":    {directory, []int32{20, 70}},
		"sync out of a registry":  {centre, []int32{3, 20, 40}},
		"sync between registries": {centre, []int32{33, 77}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, request := range test.requests {
				t.Run(fmt.Sprintf("at request %d", request), func(t *testing.T) {
					receiver, to := newKiller(t)
					k := receiver
					if name == "sync out of a registry" {
						k, to = sent, "oci:"+filepath.Join(t.TempDir(), "store")
					}
					ctx, kill := context.WithCancel(t.Context())
					defer kill()
					k.kill.Store(&kill)
					k.left.Store(request)
					cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestHelperProcess$")
					cmd.Env = append(os.Environ(), helperFrom+"="+test.from, helperTo+"="+to, helperKey+"="+prefix+".pub", helperLog+"="+d.log.Key(), "TMPDIR="+t.TempDir())
					if out, err := cmd.CombinedOutput(); err == nil {
						t.Fatalf("it was not killed: %s", out)
					}
					k.left.Store(-1)

					checker := verify.Checker{Verifier: d.signer.Verifier(), Log: d.log.Log, Private: "corp.example/large"}
					for it, err := range copyAll(t, test.from, to, checker) {
						t.Errorf("%s: %v", it, err)
					}
					s := open(t, to)
					d.isComplete(t, s)
					isIntact(t, s, checker)
				})
			}
		})
	}
}

// isIntact checks that whatever a store has may be used, by copying all of it again.
func isIntact(t testing.TB, s *registry.Store, checker verify.Checker) {
	t.Helper()
	c := &transfer.Copier{Source: s, Destination: newLayout(t), Checker: checker, TempDir: t.TempDir()}
	must(t, c.CopyAll(t.Context(), transfertest.Items(t, s), 4, func(e transfer.Event) {
		if e.Err != nil {
			t.Errorf("%v: %v", e.Item, e.Err)
		}
	}))
}
