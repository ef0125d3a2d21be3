package transfer_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/transfer"
	"github.com/modferry/modferry/registry/transfer/transfertest"
)

// Everything that a store holds arrives, byte for byte, and a second time nothing is left to do.
func TestEveryKindIsCopied(t *testing.T) {
	signer := signtest.Signer(t, 0)
	for name, stores := range map[string]func() (from, to *registry.Store){
		"registry to directory": func() (_, _ *registry.Store) { _, s := newRegistry(t); return s, newLayout(t) },
		"directory to registry": func() (_, _ *registry.Store) { _, s := newRegistry(t); return newLayout(t), s },
	} {
		t.Run(name, func(t *testing.T) {
			from, to := stores()
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
