package mirror

import (
	"context"
	"testing"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
)

// openStores opens stores for routes, as somebody without credentials or patience.
func openStores(t testing.TB, routes string) *registry.Router {
	t.Helper()
	stores, err := newClient(t).Route(routes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stores.Close(); err != nil {
			t.Error(err)
		}
	})
	return stores
}

func newClient(t testing.TB) *registry.Client {
	t.Helper()
	client, err := registry.NewClient(registry.ClientOptions{
		MinBackoff: time.Microsecond, MaxBackoff: time.Millisecond,
		Credentials: func(context.Context, string) (auth.Credential, error) { return auth.EmptyCredential, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func newSigner(t testing.TB) *sign.Signer { return loadSigner(t, newKey(t)) }
