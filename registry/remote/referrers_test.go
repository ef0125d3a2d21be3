package remote

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
)

// refer pushes n manifests that refer to subject, and returns their digests, sorted.
func refer(t *testing.T, s *registry.Store, repo string, subject ocispec.Descriptor, n int) (all []digest.Digest) {
	t.Helper()
	for i := range n {
		all = append(all, pushReferrer(t, s, repo, subject, i))
	}
	slices.Sort(all)
	return all
}

// pushReferrer pushes the i-th manifest that refers to subject, and returns its digest.
func pushReferrer(t *testing.T, s *registry.Store, repo string, subject ocispec.Descriptor, i int) digest.Digest {
	t.Helper()
	_, image := storetest.Image(t, s, repo, "")
	raw := []byte(fmt.Sprintf(`{"subject":{"mediaType":%q,"digest":%q,"size":%d},"annotations":{"n":"%d"},%s`,
		subject.MediaType, subject.Digest, subject.Size, i, image[1:]))
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	if err := s.PushManifest(t.Context(), repo, d, raw, ""); err != nil {
		t.Fatal(err)
	}
	return d.Digest
}

func digests(list []ocispec.Descriptor) (all []digest.Digest) {
	for _, d := range list {
		all = append(all, d.Digest)
	}
	slices.Sort(all)
	return all
}

func TestReferrersAreListedWhereverTheListIsKept(t *testing.T) {
	for name, tt := range map[string]struct {
		fault *registrytest.Fault
		tag   bool // clients keep the list
	}{
		"by the registry, in pages":             {nil, false},
		"by clients, for there is no such list": {ptr(registrytest.NoReferrers()), true},
		"by clients, for that is not allowed":   {ptr(registrytest.Answer(http.StatusMethodNotAllowed, "UNSUPPORTED", "").On("", registrytest.Referrers)), true},
		"by clients, for a page for people is":  {ptr(registrytest.Answer(http.StatusOK, "", "").On("", registrytest.Referrers)), true},
		"by clients, for it remains empty":      {ptr(registrytest.EmptyReferrers()), true},
	} {
		t.Run(name, func(t *testing.T) {
			reg, s := newRegistry(t, registrytest.Options{PageSize: 2})
			if tt.fault != nil {
				reg.Inject(*tt.fault)
			}
			subject, _ := storetest.Image(t, s, "a", "v1.0.0")
			if list, err := s.Referrers(t.Context(), "a", subject.Digest); err != nil || len(list) != 0 {
				t.Errorf("before: %v, %v", list, err)
			}
			want := refer(t, s, "a", subject, 5)
			list, err := s.Referrers(t.Context(), "a", subject.Digest)
			if err != nil || !slices.Equal(digests(list), want) {
				t.Errorf("%v, %v; want %v", digests(list), err, want)
			}
			if tagged := slices.Contains(reg.Tags("golang/a"), registry.ReferrersTag(subject.Digest)); tagged != tt.tag {
				t.Errorf("the list is under a tag: %v, want %v", tagged, tt.tag)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

func TestRegistryWithoutListsIsNotAskedForEach(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	reg.Inject(registrytest.NoReferrers())
	subject, _ := storetest.Image(t, s, "a", "v1.0.0")
	refer(t, s, "a", subject, 3)
	for range 3 {
		if list, err := s.Referrers(t.Context(), "a", subject.Digest); err != nil || len(list) != 3 {
			t.Fatal(list, err)
		}
	}
	if n := reg.Count("", registrytest.Referrers); n != 1 {
		t.Errorf("it was asked %d times, want once", n)
	}
}

func TestListOfReferrersThatCannotBeReadIsNotReplaced(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	reg.Inject(registrytest.NoReferrers())
	subject, _ := storetest.Image(t, s, "a", "v1.0.0")
	tag := registry.ReferrersTag(subject.Digest)
	for name, raw := range map[string]string{
		"an image": `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[]}`,
		"text":     `hello`,
	} {
		t.Run(name, func(t *testing.T) {
			before := reg.SetManifest("golang/a", tag, []byte(raw))
			if _, err := s.Referrers(t.Context(), "a", subject.Digest); !errors.Is(err, registry.ErrCorrupt) {
				t.Errorf("listing: %v", err)
			}
			image := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"subject":{"digest":"` + subject.Digest.String() + `","size":1}}`)
			d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: digest.FromBytes(image), Size: int64(len(image))}
			if err := s.PushManifest(t.Context(), "a", d, image, ""); !errors.Is(err, registry.ErrCorrupt) {
				t.Errorf("pushing: %v", err)
			}
			if after := digest.FromBytes(reg.Manifest("golang/a", tag)); after != before {
				t.Errorf("the list was replaced by %s", after)
			}
		})
	}
}

// "cosign copy" of any image puts it under the tag of its list as well, in repositories without other referrers.
func TestATagThatNamesTheSubjectIsNoListOfReferrers(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	reg.Inject(registrytest.NoReferrers())
	subject, raw := storetest.Image(t, s, "a", "v1.0.0")
	if err := s.PushManifest(t.Context(), "a", subject, raw, registry.ReferrersTag(subject.Digest)); err != nil {
		t.Fatal(err)
	}
	if list, err := s.Referrers(t.Context(), "a", subject.Digest); err != nil || len(list) != 0 {
		t.Errorf("before: %v, %v", list, err)
	}
	want := refer(t, s, "a", subject, 2)
	if list, err := s.Referrers(t.Context(), "a", subject.Digest); err != nil || !slices.Equal(digests(list), want) {
		t.Errorf("%v, %v; want %v", digests(list), err, want)
	}
	if d, err := s.Resolve(t.Context(), "a", "v1.0.0"); err != nil || d.Digest != subject.Digest {
		t.Errorf("v1.0.0 is %v, %v", d, err)
	}
}

// crane and regctl delete a referrer and leave it in the list, which distribution takes from nobody then.
func TestAReferrerThatWasDeletedDoesNotKeepOthersFromBeingListed(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{AllowDelete: true})
	reg.Inject(registrytest.NoReferrers())
	subject, _ := storetest.Image(t, s, "a", "v1.0.0")
	all := refer(t, s, "a", subject, 3)
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodDelete, reg.Server().URL+"/v2/golang/a/manifests/"+all[1].String(), nil)
	if resp, err := reg.Server().Client().Do(req); err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatal(resp, err)
	}
	want := []digest.Digest{all[0], all[2], pushReferrer(t, s, "a", subject, 3)}
	slices.Sort(want)
	list, err := s.Referrers(t.Context(), "a", subject.Digest)
	if err != nil || !slices.Equal(digests(list), want) {
		t.Errorf("%v, %v; want %v", digests(list), err, want)
	}
}

func TestReferrersWithoutEndAreNotReadToTheEnd(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	reg.Inject(registrytest.EndlessReferrers())
	subject := digest.FromString("subject")
	list, err := s.Referrers(t.Context(), "a", subject)
	if err != nil || len(list) < 1000 || len(list) > 2100 {
		t.Errorf("%d are listed, %v; want some 1000", len(list), err)
	}
	if n := reg.Count("", registrytest.Referrers); n > 100 {
		t.Errorf("%d requests", n)
	}
}
