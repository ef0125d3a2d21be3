package verify

import (
	"errors"
	"fmt"
	"testing"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/artifact/sumdb/sumdbtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/ocilayout"
)

// snapshotOf returns a snapshot of a log of n records.
func snapshotOf(t *testing.T, n int) *sumdb.Snapshot {
	t.Helper()
	log, err := sumdb.ParseLog(sumdbtest.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	var l sumdbtest.Hashes
	for i := range n {
		l.Append(fmt.Appendf(nil, "example.com/m v1.%d.0 h1:x\n", i))
	}
	s, err := sumdb.Build(t.Context(), log, l.Note(t, int64(n)), l.Tile, sumdb.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newStore returns a store with that snapshot, signed; without, if it is nil.
func newStore(t *testing.T, s *sumdb.Snapshot, signer *sign.Signer) *registry.Store {
	t.Helper()
	store, err := ocilayout.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if s == nil {
		return store
	}
	image, err := s.Pack()
	if err == nil {
		err = store.PublishSnapshot(t.Context(), image, s.Log(), nil, signer)
	}
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestTheNewestGoodSnapshotOfAllStoresCounts(t *testing.T) {
	ours, foreign := signtest.Signer(t, 0), signtest.Signer(t, 1)
	small, large := snapshotOf(t, 300), snapshotOf(t, 400)
	for _, test := range []struct {
		name   string
		stores []*registry.Store
		want   int64
		fault  error // of the last store
	}{
		{"the larger one", []*registry.Store{newStore(t, small, ours), newStore(t, large, ours)}, 400, nil},
		{"the smaller one, if the larger one is not signed by us", []*registry.Store{newStore(t, small, ours), newStore(t, large, foreign)}, 300, sign.ErrUntrusted},
		{"the smaller one, if the larger one is not signed at all", []*registry.Store{newStore(t, small, ours), newStore(t, large, nil)}, 300, sign.ErrUnsigned},
		{"none, if there is none", []*registry.Store{newStore(t, nil, nil)}, 0, registry.ErrNoLayout},
		{"none, if none is good", []*registry.Store{newStore(t, large, foreign)}, 0, sign.ErrUntrusted},
	} {
		t.Run(test.name, func(t *testing.T) {
			search := &Search{Log: large.Log(), Verifier: ours.Verifier(), Stores: test.stores}
			found := search.Run(t.Context(), Newest{})
			last := test.stores[len(test.stores)-1]
			if err := found.Faults[last.String()]; !errors.Is(err, test.fault) {
				t.Errorf("fault %v, want %v", err, test.fault)
			}
			s, err := found.For(last)
			switch {
			case test.want > 0 && (err != nil || s.Head().N != test.want):
				t.Errorf("snapshot %v, error %v, want %d records", s, err, test.want)
			case test.want == 0 && (s != nil || !errors.Is(err, test.fault)):
				t.Errorf("snapshot %v, error %v, want %v", s, err, test.fault)
			}
		})
	}
}

func TestASnapshotThatTheAccountMayNotReadIsMissedOnlyIfThereWasOne(t *testing.T) {
	store := newStore(t, nil, nil)
	denied := &registry.Error{Err: registry.ErrDenied}
	n := &Newest{Faults: map[string]error{store.String(): denied}}
	if s, err := n.For(store); s != nil || err != nil {
		t.Errorf("never seen: %v, %v", s, err)
	}
	n.Seen = true
	if s, err := n.For(store); s != nil || !errors.Is(err, registry.ErrDenied) {
		t.Errorf("seen before: %v, %v", s, err)
	}
}
