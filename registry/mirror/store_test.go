package mirror

import (
	"context"
	"testing"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/stores"
)

// openStores opens stores for routes, as somebody without credentials or patience.
func openStores(t testing.TB, routes string) *registry.Router {
	t.Helper()
	stores, err := stores.Route(newClient(t), routes)
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

func newClient(t testing.TB) *remote.Client {
	t.Helper()
	client, err := remote.NewClient(remote.ClientOptions{
		MinBackoff: time.Microsecond, MaxBackoff: time.Millisecond,
		Credentials: func(context.Context, string) (auth.Credential, error) { return auth.EmptyCredential, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func loadSigner(t testing.TB, file string) *sign.Signer {
	t.Helper()
	signer, err := sign.LoadSigner(file, func() ([]byte, error) { return []byte(signtest.Password), nil })
	if err != nil {
		t.Fatal(err)
	}
	return signer
}
