package registry_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
)

func TestSignaturesThatCannotBeReadAreNotReplaced(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	storetest.Publish(t, s, a, signtest.Signer(t, 0))
	tag := sign.Tag(a.Descriptor.Digest)
	before := reg.Manifest(fullRepo, tag)
	for name, tt := range map[string]struct {
		fault registrytest.Fault
		want  string
	}{
		"denied":       {registrytest.Denied(), "denied"},
		"unauthorized": {registrytest.HarborProjectMissing(), "unauthorized"},
		"rotten":       {registrytest.WrongDigestBody(), "corrupt content"},
		"web server":   {registrytest.HTMLNotFound(), "the answer is not a registry's"},
		"policy":       {registrytest.Answer(http.StatusPreconditionFailed, "PRECONDITION", ""), "refused by a policy"},
		"no content":   {registrytest.Answer(http.StatusNoContent, "", ""), "unexpected answer"},
	} {
		reg.Heal()
		reg.Inject(tt.fault.On(http.MethodGet, registrytest.Manifest).For(tag))
		_, err := s.Publish(t.Context(), a, registry.PublishOptions{Signer: signtest.Signer(t, 1)})
		if err == nil || !strings.Contains(err.Error(), tag+": "+tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	reg.Heal()
	if after := reg.Manifest(fullRepo, tag); !bytes.Equal(after, before) {
		t.Errorf("the signatures are now %s", after)
	}
	foreign := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
	reg.SetManifest(fullRepo, tag, foreign)
	if _, err := s.Publish(t.Context(), a, registry.PublishOptions{Signer: signtest.Signer(t, 1)}); !errors.Is(err, registry.ErrCorrupt) || !bytes.Equal(reg.Manifest(fullRepo, tag), foreign) {
		t.Errorf("%v; want ErrCorrupt and nothing replaced", err)
	}
}

var errDied = errors.New("died")

// dying is the backend of a publisher that dies before a tag: it has signed, and nobody sees what.
type dying struct{ registry.Backend }

func (d dying) PushManifest(ctx context.Context, repo string, desc ocispec.Descriptor, raw []byte, tag string) error {
	if tag != "" && !strings.HasSuffix(tag, ".sig") {
		return errDied
	}
	return d.Backend.PushManifest(ctx, repo, desc, raw, tag)
}

func (dying) CreateTag(context.Context, string, ocispec.Descriptor, []byte, string, bool) error {
	return errDied
}

func TestSignatureIsAddedToThoseOfADeadPublisher(t *testing.T) {
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	log := newLog(t)
	_, snapshot := log.snapshot(t, 10, nil)
	for name, publish := range map[string]func(*registry.Store, *sign.Signer) error{
		"version": func(s *registry.Store, signer *sign.Signer) error {
			_, err := s.Publish(t.Context(), a, registry.PublishOptions{Signer: signer})
			return err
		},
		"evidence": func(s *registry.Store, signer *sign.Signer) error {
			return s.PublishEvidence(t.Context(), evidenceOf(artifacttest.Version, "1\nx\n\n"), signer)
		},
		"revision": func(s *registry.Store, signer *sign.Signer) error {
			return s.PublishRevision(t.Context(), meaning("main", "v1.2.3"), signer)
		},
		"snapshot": func(s *registry.Store, signer *sign.Signer) error {
			return s.PublishSnapshot(t.Context(), snapshot, log.Log, nil, signer)
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, s *registry.Store) {
				if err := publish(registry.New(dying{s.Backend}), signtest.Signer(t, 0)); !errors.Is(err, errDied) {
					t.Fatalf("%v; want death before the tag", err)
				}
				if err := publish(s, signtest.Signer(t, 1)); err != nil {
					t.Fatal(err)
				}
				if n := signatureCount(t, s); n != 2 {
					t.Errorf("%d signatures, want that of the dead publisher and ours", n)
				}
				if err := errors.Join(publish(s, signtest.Signer(t, 0)), publish(s, signtest.Signer(t, 1))); err != nil {
					t.Error(err)
				}
				if n := signatureCount(t, s); n != 2 {
					t.Errorf("%d signatures after publishing again, want 2", n)
				}
			})
		})
	}
}

// signatureCount counts the signatures on what is in a store.
func signatureCount(t *testing.T, s *registry.Store) (n int) {
	t.Helper()
	for repo, err := range s.Repositories(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for tag, err := range s.Tags(t.Context(), repo) {
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(tag, ".sig") {
				continue
			}
			_, raw, err := s.Manifest(t.Context(), repo, tag)
			if err != nil {
				t.Fatal(err)
			}
			layers, err := sign.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			n += len(layers)
		}
	}
	return n
}
