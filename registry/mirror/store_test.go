package mirror

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/modferry/modferry/artifact/sign"
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

func newSigner(t testing.TB) *sign.Signer { return loadSigner(t, newKey(t)) }

// sharedSigner is for tests that need no key of their own: making one is slow, by
// intention of who invented the key file's format.
func sharedSigner(t testing.TB) *sign.Signer {
	t.Helper()
	signer, err := theSigner()
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

var theSigner = sync.OnceValues(func() (*sign.Signer, error) {
	password := []byte("secret")
	private, _, err := sign.Generate(password)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp("", "cosign-*.key")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(private)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return sign.LoadSigner(f.Name(), func() ([]byte, error) { return password, nil })
})

// newKey returns the name of a new private key.
func newKey(t testing.TB) string {
	t.Helper()
	private, _, err := sign.Generate([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cosign.key")
	if err := os.WriteFile(file, private, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func loadSigner(t testing.TB, file string) *sign.Signer {
	t.Helper()
	signer, err := sign.LoadSigner(file, func() ([]byte, error) { return []byte("secret"), nil })
	if err != nil {
		t.Fatal(err)
	}
	return signer
}
