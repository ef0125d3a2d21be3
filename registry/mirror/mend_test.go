package mirror

import (
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/collect/collecttest"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

// A registry tells with HEAD whether a blob is there, and its size.
func TestVerifyMendsARegistry(t *testing.T) {
	const version = "example.com/a@v1.0.0"
	for name, blob := range map[string]func(*registry.Module) ocispec.Descriptor{
		"config": func(m *registry.Module) ocispec.Descriptor { return m.Config },
		"meta":   func(m *registry.Module) ocispec.Descriptor { return m.Manifest.Meta },
		"zip":    func(m *registry.Module) ocispec.Descriptor { return *m.Manifest.Zip },
	} {
		for damage, do := range map[string]func(*registrytest.Registry, string, ocispec.Descriptor) error{
			"removed": func(reg *registrytest.Registry, repo string, d ocispec.Descriptor) error {
				return reg.RemoveBlob(repo, d.Digest)
			},
			"cut short": func(reg *registrytest.Registry, repo string, d ocispec.Descriptor) error {
				return reg.SetBlob(repo, d.Digest, make([]byte, d.Size/2))
			},
		} {
			t.Run(name+" "+damage, func(t *testing.T) {
				reg := registrytest.New(t, registrytest.Options{})
				stores := openStores(t, reg.Host()+"/golang")
				up := collecttest.NewUpstream(t, upstreamtest.NewTree(t, version).URL())
				o := Options{Stores: stores, Upstream: up, Signer: signtest.Signer(t, 0), Verify: true}
				items := []requirement.Requirement{upstreamtest.Full(version)}
				run(t, items, o)

				m, err := stores.Stores()[0].Find(t.Context(), items[0].Module)
				if err != nil {
					t.Fatal(err)
				}
				d := blob(m)
				if err := do(reg, "golang/"+m.Repository, d); err != nil {
					t.Fatal(err)
				}
				if _, s := run(t, items, o); s != (Summary{Mended: 1, Bytes: d.Size}) {
					t.Errorf("%+v", s)
				}
				if damaged, err := stores.Stores()[0].Damaged(t.Context(), m, true); err != nil || len(damaged) > 0 {
					t.Errorf("left: %v, %v", damaged, err)
				}
				if _, s := run(t, items, o); s != (Summary{Existing: 1}) {
					t.Errorf("again: %+v", s)
				}
			})
		}
	}
}
