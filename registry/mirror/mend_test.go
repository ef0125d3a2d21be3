package mirror

import (
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
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

// What was mirrored before licences were looked for is mended as it was.
func TestVerifyMendsWhatAnOlderModferryPublished(t *testing.T) {
	older := artifacttest.LicensedVersion(t, upstreamtest.ParseModule(t, "example.com/a@v1.0.0"), "text")
	tree := upstreamtest.NewTree(t)
	version := older.Manifest.Module.String()
	tree.Write(t, version, ".info", string(artifacttest.Info(older.Manifest.Module)))
	tree.Write(t, version, ".mod", string(artifacttest.GoMod(older.Manifest.Module)))
	tree.Write(t, version, ".zip", zipOf(t, older))
	older, err := older.WithoutLicenses()
	if err != nil {
		t.Fatal(err)
	}
	reg := registrytest.New(t, registrytest.Options{})
	stores := openStores(t, reg.Host()+"/golang")
	s := stores.Stores()[0]
	signer := signtest.Signer(t, 0)
	if _, err := s.Publish(t.Context(), older, registry.PublishOptions{Signer: signer, Recorded: true}); err != nil {
		t.Fatal(err)
	}
	m, err := s.Find(t.Context(), older.Manifest.Module)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range older.Blobs {
		if err := reg.RemoveBlob("golang/"+m.Repository, b.Descriptor.Digest); err != nil {
			t.Fatal(err)
		}
	}
	o := Options{Stores: stores, Upstream: collecttest.NewUpstream(t, tree.URL()), Signer: signer, Verify: true}
	if _, sum := run(t, []requirement.Requirement{upstreamtest.Full(version)}, o); sum.Mended != 1 {
		t.Errorf("%+v", sum)
	}
}

// zipOf returns the zip of an artifact.
func zipOf(t *testing.T, a *artifact.Artifact) string {
	t.Helper()
	rc, err := a.Blobs[2].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	var zip strings.Builder
	if err := a.Manifest.ExtractZip(&zip, rc); err != nil {
		t.Fatal(err)
	}
	return zip.String()
}
