package registry_test

import (
	"context"
	"testing"
	"time"

	"golang.org/x/mod/module"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/stores"
)

const namespace = "golang"

// anonymous are the credentials of someone who never logged in.
func anonymous(context.Context, string) (auth.Credential, error) {
	return auth.EmptyCredential, nil
}

// newClient returns a client that does not wait for long.
func newClient(t testing.TB, o remote.ClientOptions) *remote.Client {
	t.Helper()
	if o.MinBackoff == 0 {
		o.MinBackoff, o.MaxBackoff = time.Microsecond, time.Millisecond
	}
	if o.Credentials == nil {
		o.Credentials = anonymous
	}
	c, err := remote.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newRegistry returns a registry and a store in it.
func newRegistry(t testing.TB, o registrytest.Options) (*registrytest.Registry, *registry.Store) {
	t.Helper()
	reg := registrytest.New(t, o)
	return reg, open(t, newClient(t, remote.ClientOptions{}), reg.Host()+"/"+namespace)
}

func open(t testing.TB, c *remote.Client, ref string) *registry.Store {
	t.Helper()
	s, err := stores.Open(c, ref)
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

func pushAll(t testing.TB, s *registry.Store, blobs []artifact.Blob) {
	t.Helper()
	for _, b := range blobs {
		if err := s.PushBlob(t.Context(), repo, b); err != nil {
			t.Fatal(err)
		}
	}
}

// load finds a version and has its signatures verified.
func load(t testing.TB, s *registry.Store, m module.Version, v sign.Verifier) (*registry.Module, []string, error) {
	t.Helper()
	found, err := s.Find(t.Context(), m)
	if err != nil {
		return nil, nil, err
	}
	keys, err := s.Verify(t.Context(), found, v)
	return found, keys, err
}
