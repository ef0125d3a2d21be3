package mirror

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry/collect/collecttest"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

// What TestHelperProcess is to mirror, and where to.
const (
	helperUpstream = "MIRROR_TEST_UPSTREAM"
	helperStore    = "MIRROR_TEST_STORE"
	helperKey      = "MIRROR_TEST_KEY"
)

var killed = []requirement.Requirement{
	upstreamtest.Full("example.com/a@v1.0.0"), upstreamtest.Full("example.com/b@v1.0.0"), upstreamtest.ModOnly("example.com/c@v1.0.0"),
	upstreamtest.Full("example.com/d@v1.0.0"), upstreamtest.Full("example.com/e@v1.0.0"), upstreamtest.ModOnly("example.com/f@v1.0.0"),
}

// TestHelperProcess is the process that TestMirrorThatIsKilled… kills.
func TestHelperProcess(t *testing.T) {
	if os.Getenv(helperStore) == "" {
		t.Skip("only for other tests")
	}
	run(t, killed, Options{
		Stores: openStores(t, os.Getenv(helperStore)), Upstream: collecttest.NewUpstream(t, os.Getenv(helperUpstream)),
		Signer: loadSigner(t, os.Getenv(helperKey)),
	})
}

func TestMirrorThatIsKilledAtAnyMomentIsFinishedByTheNext(t *testing.T) {
	tree := upstreamtest.NewTree(t)
	for _, it := range killed {
		tree.Add(t, it.Module.String(), nil)
	}
	prefix := filepath.Join(t.TempDir(), "cosign")
	if err := signtest.WriteKeyPair(prefix); err != nil {
		t.Fatal(err)
	}
	key := prefix + ".key"
	signer := loadSigner(t, key)
	for _, request := range []int32{1, 6, 11, 15} {
		t.Run(fmt.Sprintf("at request %d", request), func(t *testing.T) {
			store := "oci:" + filepath.Join(t.TempDir(), "store")
			ctx, kill := context.WithCancel(t.Context())
			defer kill()
			cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestHelperProcess$")
			var requests atomic.Int32
			proxy := upstreamtest.NewProxy(t, tree, func(_ http.ResponseWriter, r *http.Request) bool {
				if requests.Add(1) == request {
					kill()
				}
				return false
			})
			cmd.Env = append(os.Environ(), helperUpstream+"="+proxy.URL, helperStore+"="+store, helperKey+"="+key, "TMPDIR="+t.TempDir())
			if err := cmd.Run(); err == nil {
				t.Fatal("it was not killed")
			}

			stores := openStores(t, store)
			_, summary := run(t, killed, Options{Stores: stores, Upstream: collecttest.NewUpstream(t, tree.URL()), Signer: signer})
			if summary.New+summary.Existing != len(killed) {
				t.Errorf("%+v", summary)
			}
			for _, it := range killed {
				s, err := stores.For(it.Module.Path)
				if err != nil {
					t.Fatal(err)
				}
				m, err := s.Find(t.Context(), it.Module)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.Verify(t.Context(), m, signer.Verifier()); err != nil {
					t.Error(err)
				}
				if _, err := s.Meta(t.Context(), m); err != nil {
					t.Error(err)
				}
				if it.ModOnly {
					continue
				}
				zip := upstreamtest.TempFile(t)
				if err := s.Zip(t.Context(), m, zip); err != nil {
					t.Error(err)
				}
				if err := m.CheckZipFile(zip.Name()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
