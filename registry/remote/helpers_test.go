package remote

import (
	"context"
	"testing"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote/registrytest"
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
func newRegistry(t testing.TB, o registrytest.Options) (*registrytest.Registry, *registry.Store) {
	t.Helper()
	reg := registrytest.New(t, o)
	return reg, open(t, newClient(t, ClientOptions{}), reg.Host()+"/"+namespace)
}

func open(t testing.TB, c *Client, ref string) *registry.Store {
	t.Helper()
	s, err := c.Open(ref)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
