package registry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
)

func publishIndex(t *testing.T, s *registry.Store, signer *sign.Signer, paths ...string) {
	t.Helper()
	if err := s.PublishIndex(t.Context(), paths, signer); err != nil {
		t.Fatal(err)
	}
}

func wantIndex(t *testing.T, s *registry.Store, v sign.Verifier, want ...string) {
	t.Helper()
	if got, err := s.Index(t.Context(), v); err != nil || !slices.Equal(got, want) {
		t.Errorf("index %q, %v; want %q", got, err, want)
	}
}

func TestAnIndexGrows(t *testing.T) {
	_, inRegistry := newRegistry(t, registrytest.Options{})
	for _, s := range []*registry.Store{inRegistry, open(t, newClient(t, remote.ClientOptions{}), "oci:"+t.TempDir())} {
		ours := signtest.Signer(t, 0)
		publishIndex(t, s, ours, "example.com/b", "example.com/Azure")
		publishIndex(t, s, ours, "example.com/a", "example.com/b")
		wantIndex(t, s, ours.Verifier(), "example.com/Azure", "example.com/a", "example.com/b")
	}
}

func TestNothingIsWrittenToAnIndexThatHasItAll(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	ours := signtest.Signer(t, 0)
	publishIndex(t, s, ours, "example.com/a", "example.com/b")
	reg.Reset()
	publishIndex(t, s, ours, "example.com/b")
	if n, got := reg.Count("", ""), reg.Count(http.MethodGet, registrytest.Manifest); n != 2 || got != 2 {
		t.Errorf("%d requests, %d for manifests; want the index and its signatures", n, got)
	}
}

func TestTheFirstIndexHasWhatTheCatalogNames(t *testing.T) {
	_, s := newRegistry(t, registrytest.Options{})
	ours := signtest.Signer(t, 0)
	storetest.Publish(t, s, artifacttest.ModOnlyVersion(t, artifacttest.Version), ours)
	path := artifacttest.Version.Path
	publishIndex(t, s, ours, "example.com/new")
	wantIndex(t, s, ours.Verifier(), path, "example.com/new")

	reg, bare := newRegistry(t, registrytest.Options{})
	reg.Inject(registrytest.NoCatalog())
	publishIndex(t, bare, ours, "example.com/new")
	wantIndex(t, bare, ours.Verifier(), "example.com/new")
}

// Each signer has an index: nobody vouches for what others name, and nobody overwrites it.
func TestEveryIndexThatIsTrustedCounts(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	reg.Inject(registrytest.NoCatalog())
	ours, theirs := signtest.Signer(t, 0), signtest.Signer(t, 1)
	publishIndex(t, s, ours, "example.com/a")
	publishIndex(t, s, theirs, "example.com/b")
	publishIndex(t, s, nil, "example.com/c")
	wantIndex(t, s, sign.SkipVerify{}, "example.com/a", "example.com/b", "example.com/c")

	got, err := s.Index(t.Context(), ours.Verifier())
	if !slices.Equal(got, []string{"example.com/a"}) || !errors.Is(err, sign.ErrUntrusted) || !errors.Is(err, sign.ErrUnsigned) {
		t.Errorf("got %q, %v; want ours, and the faults of the others", got, err)
	}
}

func TestAnIndexInAnothersPlaceIsNotUsed(t *testing.T) {
	_, s := newRegistry(t, registrytest.Options{})
	ours := signtest.Signer(t, 0)
	publishIndex(t, s, signtest.Signer(t, 1), "example.com/forged")
	d, raw, err := s.Manifest(t.Context(), artifact.IndexRepository, artifact.IndexTag(signtest.Signer(t, 1).KeyID()))
	if err == nil {
		err = s.PushManifest(t.Context(), artifact.IndexRepository, d, raw, artifact.IndexTag(ours.KeyID()))
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Index(t.Context(), ours.Verifier()); len(got) > 0 || !errors.Is(err, sign.ErrUntrusted) {
		t.Errorf("got %q, %v", got, err)
	}
	publishIndex(t, s, ours, "example.com/a")
	if got, _ := s.Index(t.Context(), ours.Verifier()); !slices.Equal(got, []string{"example.com/a"}) {
		t.Errorf("it was mended to %q", got)
	}
}

func TestAStoreWithoutAnIndex(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	_, err := s.Index(t.Context(), sign.SkipVerify{})
	storetest.WantMeaning(t, err, registry.ErrNotFound)
	reg.Inject(registrytest.ServiceUnavailable())
	_, err = s.Index(t.Context(), sign.SkipVerify{})
	storetest.WantMeaning(t, err, registry.ErrUnavailable)
	if err := s.PublishIndex(t.Context(), []string{"example.com/a"}, nil); !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("published during an outage: %v", err)
	}
}

// meddled is a backend to which others publish an index each time before ours is tagged.
type meddled struct {
	registry.Backend
	others func() // publishes another one, as often as it is to happen
}

func (m *meddled) PushManifest(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, tag string) error {
	if d.ArtifactType == artifact.ArtifactTypeIndex && tag == "" {
		m.others()
	}
	return m.Backend.PushManifest(ctx, repo, d, raw, tag)
}

func TestTwoWhoAddAtTheSameTimeLoseNothing(t *testing.T) {
	ours := signtest.Signer(t, 0)
	for _, test := range []struct {
		times int
		err   error
	}{{1, nil}, {2, nil}, {1000, registry.ErrConflict}} {
		_, s := newRegistry(t, registrytest.Options{})
		n := 0
		late := registry.New(&meddled{s.Backend, func() {
			if n++; n <= test.times {
				publishIndex(t, s, ours, fmt.Sprintf("example.com/other%d", n))
			}
		}})
		if err := late.PublishIndex(t.Context(), []string{"example.com/mine"}, ours); !errors.Is(err, test.err) {
			t.Errorf("%d others: %v, want %v", test.times, err, test.err)
		}
		got, err := s.Index(t.Context(), ours.Verifier())
		if err != nil || slices.Contains(got, "example.com/mine") != (test.err == nil) || !slices.Contains(got, "example.com/other1") {
			t.Errorf("%d others: index %q, %v", test.times, got, err)
		}
	}
}

// An index that somebody spoilt is begun anew, and where the catalog is shown to nobody that is said.
func TestWhatAnIndexOfNoUseHadIsLostLoudly(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	ours := signtest.Signer(t, 0)
	publishIndex(t, s, ours, "example.com/a")
	reg.SetManifest("golang/"+artifact.IndexRepository, artifact.IndexTag(ours.KeyID()), []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}`))
	reg.Inject(registrytest.NoCatalog())
	if err := s.PublishIndex(t.Context(), []string{"example.com/b"}, ours); !errors.Is(err, registry.ErrIndexLost) {
		t.Errorf("%v", err)
	}
	wantIndex(t, s, ours.Verifier(), "example.com/b")
	if err := s.PublishIndex(t.Context(), []string{"example.com/b"}, ours); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestIndexesWithoutEndAreNotRead(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	ours := signtest.Signer(t, 0)
	publishIndex(t, s, ours, "example.com/a")
	for i := range 1100 {
		reg.SetManifest("golang/"+artifact.IndexRepository, fmt.Sprintf("signer-z%d", i), []byte(`{}`))
	}
	reg.Reset()
	paths, err := s.Index(t.Context(), ours.Verifier())
	if !errors.Is(err, artifact.ErrLimit) || !slices.Equal(paths, []string{"example.com/a"}) {
		t.Errorf("%q, %v", paths, err)
	}
	if n := reg.Count("", ""); n > 1100 {
		t.Errorf("%d requests", n)
	}
}

// slow is a backend whose requests take time.
type slow struct{ registry.Backend }

func (s slow) PushManifest(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, tag string) error {
	time.Sleep(10 * time.Millisecond)
	return s.Backend.PushManifest(ctx, repo, d, raw, tag)
}

// The second looks before the first has put its index, and overwrites it.
func TestWhatAnotherOverwritesIsAddedAgain(t *testing.T) {
	ours := signtest.Signer(t, 0)
	s := slow{open(t, newClient(t, remote.ClientOptions{}), "oci:"+t.TempDir()).Backend}
	synctest.Test(t, func(t *testing.T) {
		var both sync.WaitGroup
		for i := range 2 {
			both.Go(func() {
				time.Sleep(time.Duration(i) * 5 * time.Millisecond)
				if err := registry.New(s).PublishIndex(t.Context(), []string{fmt.Sprintf("example.com/m%d", i)}, ours); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
	})
	wantIndex(t, registry.New(s), ours.Verifier(), "example.com/m0", "example.com/m1")
}
