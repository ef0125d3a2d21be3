package registry

import (
	"context"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry/registrytest"
)

const namespace = "golang"

// anonymous are the credentials of someone who never logged in.
func anonymous(context.Context, string) (auth.Credential, error) {
	return auth.EmptyCredential, nil
}

// newClient returns a client that does not wait for long.
func newClient(t testing.TB, o ClientOptions) *Client {
	t.Helper()
	if o.MinBackoff == 0 {
		o.MinBackoff, o.MaxBackoff = time.Microsecond, time.Millisecond
	}
	if o.Credentials == nil {
		o.Credentials = anonymous
	}
	c, err := NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newRegistry returns a registry and a store in it.
func newRegistry(t testing.TB, o registrytest.Options) (*registrytest.Registry, *Store) {
	t.Helper()
	reg := registrytest.New(t, o)
	return reg, open(t, newClient(t, ClientOptions{}), reg.Host()+"/"+namespace)
}

func open(t testing.TB, c *Client, ref string) *Store {
	t.Helper()
	s, err := c.Open(ref)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

const (
	repo     = "corp.example/lib_u"
	fullRepo = namespace + "/" + repo
)

// publish publishes and fails the test on an error.
func publish(t testing.TB, s *Store, a *artifact.Artifact, signer *sign.Signer) Outcome {
	t.Helper()
	outcome, err := s.Publish(t.Context(), a, PublishOptions{Signer: signer, Pinned: true})
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

// image pushes a small image that is no module and returns its manifest.
func image(t testing.TB, s *Store, repo, tag string) (ocispec.Descriptor, []byte) {
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
