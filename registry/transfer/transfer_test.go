package transfer_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/transfer"
	"github.com/modferry/modferry/registry/transfer/transfertest"
)

// Everything that a store holds arrives, byte for byte, and a second time nothing is left to do.
func TestEveryKindIsCopied(t *testing.T) {
	for name, tt := range map[string]struct {
		stores  func() (from, to *registry.Store)
		formats []sign.Format
	}{
		"registry to directory": {func() (_, _ *registry.Store) { _, s := newRegistry(t); return s, newLayout(t) }, nil},
		"directory to registry": {func() (_, _ *registry.Store) { _, s := newRegistry(t); return newLayout(t), s }, nil},
		"bundles to directory":  {func() (_, _ *registry.Store) { _, s := newRegistry(t); return s, newLayout(t) }, []sign.Format{sign.Bundle}},
		"bundles to registry":   {func() (_, _ *registry.Store) { _, s := newRegistry(t); return newLayout(t), s }, []sign.Format{sign.Bundle}},
		"signatures in both formats to a registry without lists of referrers": {func() (_, _ *registry.Store) {
			reg, s := newRegistry(t)
			reg.Inject(registrytest.NoReferrers())
			return newLayout(t), s
		}, []sign.Format{sign.Classic, sign.Bundle}},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := tt.stores()
			signer := new(sign.Signer)
			*signer = *signtest.Signer(t, 0)
			signer.Format = tt.formats
			log := transfertest.NewLog(t)
			transfertest.Everything(t, from, log, signer)
			list := transfertest.Items(t, from)
			var kinds []transfer.Kind
			for _, it := range list {
				kinds = append(kinds, it.Kind())
			}
			want := []transfer.Kind{
				transfer.Snapshot, transfer.Snapshot, transfer.Snapshot, // two heads, and the latest
				transfer.Evidence, transfer.Version, transfer.Evidence, transfer.Version, transfer.Revision, transfer.Index,
			}
			if !slices.Equal(kinds, want) {
				t.Fatalf("%v in the order %v, want %v", list, kinds, want)
			}
			if got := copyAll(t, newCopier(from, to, log, signer.Verifier()), list); !maps.Equal(got, map[registry.Outcome]int{registry.Published: len(list)}) {
				t.Errorf("%v", got)
			}
			for _, it := range list {
				a, _, err1 := from.Manifest(t.Context(), it.Repository, it.Tag)
				b, _, err2 := to.Manifest(t.Context(), it.Repository, it.Tag)
				if err1 != nil || err2 != nil || a.Digest != b.Digest {
					t.Errorf("%v is %s, %v; at the source %s, %v", it, b.Digest, err2, a.Digest, err1)
				}
				have, err1 := from.Signatures(t.Context(), it.Repository, a.Digest)
				copied, err2 := to.Signatures(t.Context(), it.Repository, b.Digest)
				if err1 != nil || err2 != nil || len(copied) != len(have) || len(have) != len(signer.Formats()) {
					t.Errorf("%v has %d signatures, %v; at the source %d, %v", it, len(copied), err2, len(have), err1)
				}
				if _, err := to.VerifyManifest(t.Context(), it.Repository, subject(a.Digest), signer.Verifier()); err != nil {
					t.Errorf("%v: %v", it, err)
				}
			}
			if got := copyAll(t, newCopier(from, to, log, signer.Verifier()), list); !maps.Equal(got, map[registry.Outcome]int{registry.Exists: len(list)}) {
				t.Errorf("again: %v", got)
			}
		})
	}
}
