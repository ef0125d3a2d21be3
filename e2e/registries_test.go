package e2e

import (
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	craneregistry "github.com/google/go-containerregistry/pkg/registry"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/modferry/modferry/registry/remote/registrytest"
)

// TestRegistries does the main job with the registries that people have: with the real ones that can be started here, and
// with a fake one that answers as the others were seen to.
func TestRegistries(t *testing.T) {
	second := os.Getenv(envRegistry2)
	if second == "" {
		t.Skipf("%s is not set; run make registries", envRegistry2)
	}
	fake := func(o registrytest.Options, faults ...registrytest.Fault) func(*testing.T, *testscript.Env) {
		return func(t *testing.T, env *testscript.Env) {
			r := registrytest.New(t, o)
			for _, f := range faults {
				r.Inject(f)
			}
			openAddress(env, r.Host())
		}
	}
	for _, k := range []storeKind{
		{"distribution-2", func(t *testing.T, env *testscript.Env) { startRegistry(t, registryOptions{bin: second}).open(t, env) }},
		{"distribution-3", func(t *testing.T, env *testscript.Env) { startRegistry(t, registryOptions{}).open(t, env) }},
		{"crane", openCrane},
		{"harbor", fake(registrytest.Options{PageSize: 2}, registrytest.HarborImmutableTag().For("v*"), registrytest.HarborUnsigned())},
		{"gitea", fake(registrytest.Options{FoldTags: true})},
		{"zot", fake(registrytest.Options{}, registrytest.LastTagGone())},
		{"olareg", fake(registrytest.Options{}, registrytest.NoCatalog(), registrytest.EmptyTagsOfTheUnknown())},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			runScripts(t, k, filepath.Join("testdata", "registries"))
		})
	}
	for name, o := range map[string]registryOptions{"cache of distribution-2": {bin: second}, "cache of distribution-3": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runScripts(t, storeKind{"cache", startRegistry(t, o).openCache}, filepath.Join("testdata", "cache"))
		})
	}
}

// openAddress tells a script about a registry.
func openAddress(env *testscript.Env, addr string) {
	env.Setenv("REGISTRY", addr)
	env.Setenv("STORE", addr+"/golang")
}

// openCrane starts crane's registry, which has everything in memory.
func openCrane(t *testing.T, env *testscript.Env) {
	server := httptest.NewServer(craneregistry.New(craneregistry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	openAddress(env, strings.TrimPrefix(server.URL, "http://"))
}

// upkeepKey finds what a script can do to its registry, an *upkeep, in its values.
type upkeepKey struct{}

// upkeep is what the administrator of a registry does. Its address stays.
type upkeep struct {
	registry *distribution
	relay    *relay
}

func (u *upkeep) do(ts *testscript.TestScript, what func(*distribution) error) {
	if u == nil {
		ts.Fatalf("this registry is a part of the test")
	}
	ts.Check(what(u.registry))
	u.relay.lead(u.registry.addr)
}

// restart kills the registry and starts it again.
func cmdRestart(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 0 || neg {
		ts.Fatalf("usage: restart")
	}
	u, _ := ts.Value(upkeepKey{}).(*upkeep)
	u.do(ts, (*distribution).restart)
}

// collectgarbage has the registry remove all that no tag leads to.
func cmdCollectGarbage(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 0 || neg {
		ts.Fatalf("usage: collectgarbage")
	}
	u, _ := ts.Value(upkeepKey{}).(*upkeep)
	u.do(ts, (*distribution).collectGarbage)
}
