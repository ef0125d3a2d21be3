package registry_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/registry"
)

func TestListOfReferrersGrowsByOneAtATime(t *testing.T) {
	var raw []byte
	var want []digest.Digest
	for _, name := range []string{"b", "a", "b", "c"} {
		d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString(name), Size: 1}
		image, added, err := registry.AddReferrer(raw, d)
		if err != nil || added == slices.Contains(want, d.Digest) {
			t.Fatalf("%s: added %v, %v", name, added, err)
		}
		if added {
			raw, want = image.Raw, append(want, d.Digest)
		}
	}
	list, err := registry.ParseReferrers(raw)
	var got []digest.Digest
	for _, d := range list {
		got = append(got, d.Digest)
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

func FuzzReferrers(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"digest":"sha256:00","size":1}],"subject":{"digest":"sha256:00"}}`))
	f.Add([]byte(`{"mediaType":"application/x","manifests":{}}`))
	added := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("x"), Size: 1}
	f.Fuzz(func(t *testing.T, data []byte) {
		if subject, d := registry.Referrer(added, data); subject == nil && d.ArtifactType != "" {
			t.Errorf("refers to nothing and has the type %q", d.ArtifactType)
		}
		before, err := registry.ParseReferrers(data)
		image, grown, e := registry.AddReferrer(data, added)
		switch {
		case err != nil:
			if !errors.Is(err, registry.ErrCorrupt) || e == nil {
				t.Errorf("%v, and then %v", err, e)
			}
		case e == nil && grown:
			after, err := registry.ParseReferrers(image.Raw)
			if err != nil || len(after) != len(before)+1 || !json.Valid(image.Raw) {
				t.Errorf("%d of %d, %v", len(after), len(before), err)
			}
		}
	})
}
