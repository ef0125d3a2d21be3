package bundle

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
)

// newRegistry returns a registry with two versions of which the zips are large.
func newRegistry(t *testing.T) (*registrytest.Registry, *registry.Store) {
	t.Helper()
	reg := registrytest.New(t, registrytest.Options{})
	c, err := remote.NewClient(remote.ClientOptions{
		MinBackoff: time.Microsecond, MaxBackoff: time.Millisecond,
		Credentials: func(context.Context, string) (auth.Credential, error) { return auth.EmptyCredential, nil },
	})
	must(t, err)
	s, err := c.Open(reg.Host() + "/golang")
	must(t, err)
	for _, version := range []string{"v1.0.0", "v1.1.0"} {
		m := module.Version{Path: "example.com/m", Version: version}
		storetest.Publish(t, s, fullVersion(t, m, bytesOf(300_000+len(version))), signtest.Signer(t, 0))
	}
	return reg, s
}

func TestABundleIsTheSameWhateverTheRegistryAnswersInBetween(t *testing.T) {
	reg, s := newRegistry(t)
	want := tarOf(t, newPlan(t, s, PlanOptions{}), 1, WriteOptions{})
	for name, fault := range map[string]registrytest.Fault{
		"429":               registrytest.RateLimited(0).Times(1),
		"500":               registrytest.InternalError().Times(1),
		"503 to a blob":     registrytest.ServiceUnavailable().On("GET", registrytest.Blob).Times(1),
		"half of a blob":    registrytest.TruncatedBody().On("GET", registrytest.Blob).Times(1),
		"half, and another": registrytest.TruncatedBody().On("GET", registrytest.Blob).Times(2),
	} {
		reg.Heal()
		p := newPlan(t, s, PlanOptions{})
		reg.Inject(fault)
		if got := tarOf(t, p, 1, WriteOptions{}); !bytes.Equal(got, want) {
			t.Errorf("%s: other bytes", name)
		}
	}
	for name, test := range map[string]struct {
		fault registrytest.Fault
		want  error
	}{
		"nothing but 500":              {registrytest.InternalError(), registry.ErrUnavailable},
		"half a blob, again and again": {registrytest.TruncatedBody().On("GET", registrytest.Blob), registry.ErrUnavailable},
		"other bytes":                  {registrytest.WrongDigestBody().On("GET", registrytest.Blob), registry.ErrCorrupt},
	} {
		reg.Heal()
		p := newPlan(t, s, PlanOptions{})
		reg.Inject(test.fault)
		var item *ItemError
		if err := p.WriteTo(t.Context(), 1, &bytes.Buffer{}, WriteOptions{}); !errors.Is(err, test.want) || !errors.As(err, &item) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatAPolicyOfTheRegistryHoldsBackIsNamedAndLeftOut(t *testing.T) {
	reg, s := newRegistry(t)
	list := items(t, s)
	reg.Inject(registrytest.HarborPolicyViolation().For("v1.1.0"))
	p, err := NewPlan(t.Context(), s, list, PlanOptions{})
	must(t, err)
	v, err := openBytes(tarOf(t, p, 1, WriteOptions{}), Options{})
	must(t, err)
	if got := names(v); strings.Join(got, " ") != "example.com/m:v1.0.0" {
		t.Errorf("in the bundle are %v", got)
	}
	if len(p.HeldBack) != 1 || p.HeldBack[0].Item.Tag != "v1.1.0" || !errors.Is(p.HeldBack[0], registry.ErrPolicy) {
		t.Errorf("held back are %v", p.HeldBack)
	}
}
