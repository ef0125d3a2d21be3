// Package storetest has what tests of stores and of their backends share.
package storetest

import (
	"context"
	"errors"
	"io"
	"iter"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
)

// sentinels are all the meanings an error of a store can have.
var sentinels = []error{
	registry.ErrNotFound, registry.ErrUnauthorized, registry.ErrDenied, registry.ErrPolicy, registry.ErrUnavailable, registry.ErrUnsupported,
	registry.ErrCorrupt, registry.ErrReference, artifact.ErrLimit,
}

// WantMeaning checks that err has this meaning and no other.
func WantMeaning(t *testing.T, err, want error) {
	t.Helper()
	for _, s := range sentinels {
		if is := errors.Is(err, s); is != (s == want) {
			t.Errorf("errors.Is(%q, %q) = %v", err, s, is)
		}
	}
}

// FetchBlob reads a blob of the repository "a".
func FetchBlob(ctx context.Context, s *registry.Store, b artifact.Blob) ([]byte, error) {
	rc, err := s.Blob(ctx, "a", b.Descriptor)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(rc)
}

// OnlyError returns the error of a listing that has nothing else in it.
func OnlyError(t *testing.T, listing iter.Seq2[string, error]) error {
	t.Helper()
	var errs []error
	for name, err := range listing {
		if name != "" || err == nil {
			t.Errorf("%q, %v in a listing that failed", name, err)
		}
		errs = append(errs, err)
	}
	if len(errs) != 1 {
		t.Fatalf("the listing gives %d errors, want one: %v", len(errs), errs)
	}
	return errs[0]
}

// Image pushes a small image that is no module and returns its manifest.
func Image(t testing.TB, s *registry.Store, repo, tag string) (ocispec.Descriptor, []byte) {
	t.Helper()
	config := artifact.NewBlob(ocispec.MediaTypeImageConfig, []byte("{}"))
	if err := s.PushBlob(t.Context(), repo, config); err != nil {
		t.Fatal(err)
	}
	raw := []byte(`{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageManifest + `",` +
		`"config":{"mediaType":"` + ocispec.MediaTypeImageConfig + `","digest":"` + config.Descriptor.Digest.String() + `","size":2},"layers":[]}`)
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	if err := s.PushManifest(t.Context(), repo, d, raw, tag); err != nil {
		t.Fatal(err)
	}
	return d, raw
}

// Publish publishes and fails the test on an error.
func Publish(t testing.TB, s *registry.Store, a *artifact.Artifact, signer *sign.Signer) registry.Outcome {
	t.Helper()
	outcome, err := s.Publish(t.Context(), a, registry.PublishOptions{Signer: signer, Recorded: true})
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}
