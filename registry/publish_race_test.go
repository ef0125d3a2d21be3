package registry_test

import (
	"context"
	"reflect"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/storetest"
)

// blind is a backend that another publisher writes to between two looks at a tag: at the first one it is not there.
type blind struct {
	registry.Backend
	tag    string
	looked bool
}

func (b *blind) Manifest(ctx context.Context, repo, ref string) (ocispec.Descriptor, []byte, error) {
	if ref == b.tag && !b.looked {
		b.looked = true
		return ocispec.Descriptor{}, nil, registry.ErrNotFound
	}
	return b.Backend.Manifest(ctx, repo, ref)
}

func TestEvidenceOfAnotherPublisherIsNotOverwritten(t *testing.T) {
	s := open(t, newClient(t, remote.ClientOptions{}), "oci:"+t.TempDir())
	theirs := evidenceOf(artifacttest.Version, "1\nx\n\n")
	storetest.Publish(t, s, artifacttest.ModOnlyVersion(t, artifacttest.Version), signtest.Signer(t, 0))
	if err := s.PublishEvidence(t.Context(), theirs, signtest.Signer(t, 0)); err != nil {
		t.Fatal(err)
	}
	late := registry.New(&blind{Backend: s.Backend, tag: "sumdb-v1.2.3"})
	storetest.WantMeaning(t, late.PublishEvidence(t.Context(), evidenceOf(artifacttest.Version, "2\ny\n\n"), signtest.Signer(t, 1)), registry.ErrConflict)
	got, err := readEvidence(t, s, artifacttest.Version, true, signtest.Signer(t, 0).Verifier())
	if err != nil || !reflect.DeepEqual(got, theirs) {
		t.Errorf("%+v, %v; want theirs", got, err)
	}
	// The same record, before its tile was complete.
	ours := theirs
	ours.Tiles = nil
	late = registry.New(&blind{Backend: s.Backend, tag: "sumdb-v1.2.3"})
	if err := late.PublishEvidence(t.Context(), ours, signtest.Signer(t, 1)); err != nil {
		t.Error(err)
	}
	for i := range 2 {
		if got, err := readEvidence(t, s, artifacttest.Version, true, signtest.Signer(t, i).Verifier()); err != nil || !reflect.DeepEqual(got, theirs) {
			t.Errorf("key %d: %+v, %v; want theirs", i, got, err)
		}
	}
}

func TestHeadTagOfAnotherMirrorDoesNotMove(t *testing.T) {
	s := open(t, newClient(t, remote.ClientOptions{}), "oci:"+t.TempDir())
	log, signer := newLog(t), signtest.Signer(t, 0)
	first, _ := log.snapshot(t, 100, nil)
	_, theirs := log.snapshot(t, 100, first)
	_, ours := log.snapshot(t, 0, nil) // of the same head
	publishSnapshot(t, s, log, theirs, nil, signer)
	publishSnapshot(t, registry.New(&blind{Backend: s.Backend, tag: sumdb.HeadTag(200)}), log, ours, nil, signer)
	tagged, err := s.FindSnapshot(t.Context(), log.Log, sumdb.HeadTag(200))
	if err != nil || tagged.Descriptor.Digest != theirs.Descriptor.Digest {
		t.Errorf("head-200 is %+v, %v; want theirs", tagged, err)
	}
}
