package transfer_test

import (
	"context"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/stores"
	"github.com/modferry/modferry/registry/transfer"
	"github.com/modferry/modferry/registry/transfer/transfertest"
	"github.com/modferry/modferry/registry/verify"
)

// newClient returns a client that does not wait for long.
func newClient(t testing.TB) *remote.Client {
	t.Helper()
	c, err := remote.NewClient(remote.ClientOptions{
		MinBackoff: time.Microsecond, MaxBackoff: time.Millisecond,
		Credentials: func(context.Context, string) (auth.Credential, error) { return auth.EmptyCredential, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
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

func newLayout(t testing.TB) *registry.Store {
	return open(t, nil, "oci:"+t.TempDir()+"/store")
}

func newRegistry(t testing.TB) (*registrytest.Registry, *registry.Store) {
	t.Helper()
	reg := registrytest.New(t, registrytest.Options{})
	return reg, open(t, newClient(t), reg.Host()+"/golang")
}

func newCopier(from, to *registry.Store, log *transfertest.Log, v sign.Verifier) *transfer.Copier {
	return &transfer.Copier{
		Source: from, Destination: to, Local: from.IsLayout(),
		Checker: verify.Checker{Verifier: v, Log: log.Log},
	}
}

// copyAll copies list and returns how often it ended how.
func copyAll(t testing.TB, c *transfer.Copier, list []transfer.Item) map[registry.Outcome]int {
	t.Helper()
	count := make(map[registry.Outcome]int)
	for _, it := range list {
		e := c.Copy(t.Context(), it)
		if e.Err != nil {
			t.Fatalf("%v: %v", it, e.Err)
		}
		count[e.Outcome]++
	}
	return count
}

func subject(d digest.Digest) sign.Subject { return sign.Subject{Digest: d} }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
