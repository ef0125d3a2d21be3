package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
)

// Newest is the newest snapshot of all stores that is good. It never changes.
type Newest struct {
	*sumdb.Snapshot                  // nil: no store has one that is good
	Manifest        digest.Digest    // of Snapshot
	Store           string           // where it came from
	Faults          map[string]error // what each store failed with; absence is no fault
	Seen            bool             // there was a snapshot once
}

// For returns the snapshot that confirms versions in store, nil if there is none, or the fault to stop at.
// Registries that answer to an account without a right to list what exists say that it may not read what does
// not exist; that only counts once there was a snapshot.
func (n *Newest) For(store *registry.Store) (*sumdb.Snapshot, error) {
	err := n.Faults[store.String()]
	if n.Snapshot != nil || !n.Seen && Classify(err) == Denied {
		return n.Snapshot, nil
	}
	return nil, err
}

// Fault returns what all stores failed with that failed.
func (n *Newest) Fault() error {
	var errs []error
	for _, store := range slices.Sorted(maps.Keys(n.Faults)) {
		errs = append(errs, n.Faults[store])
	}
	return errors.Join(errs...)
}

// A Candidate is a signed snapshot in a store, the content of which nobody has looked at yet.
type Candidate struct {
	*registry.Snapshot
	Store *registry.Store
}

// A Search looks for the newest good snapshot of a log.
type Search struct {
	Log      *sumdb.Log
	Verifier sign.Verifier
	Stores   []*registry.Store

	// Find and Read, if not nil, take the place of the store's Snapshot and of reading all blobs of a candidate.
	Find func(context.Context, *registry.Store) (*registry.Snapshot, error)
	Read func(context.Context, Candidate) (*sumdb.Snapshot, error)
}

// Run asks the stores for snapshots that are newer than that of old, if it has one.
func (s *Search) Run(ctx context.Context, old Newest) *Newest {
	next := old
	next.Faults = make(map[string]error)
	for _, c := range s.candidates(ctx, &next) {
		if err := s.consider(ctx, c, &next); err != nil {
			next.Faults[c.Store.String()] = err
		}
	}
	return &next
}

// candidates returns the newest snapshot of each store, the largest first, and records the faults of stores in next.
func (s *Search) candidates(ctx context.Context, next *Newest) []Candidate {
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		list []Candidate
	)
	find := s.Find
	if find == nil {
		find = func(ctx context.Context, store *registry.Store) (*registry.Snapshot, error) {
			return store.Snapshot(ctx, s.Log, s.Verifier)
		}
	}
	for _, store := range s.Stores {
		wg.Go(func() {
			found, err := find(ctx, store)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				list = append(list, Candidate{found, store})
			case !errors.Is(err, registry.ErrNotFound):
				next.Faults[store.String()] = err
			}
		})
	}
	wg.Wait()
	slices.SortStableFunc(list, func(a, b Candidate) int { return cmp.Compare(b.Tree.N, a.Tree.N) })
	return list
}

// consider makes c the snapshot of next, if it is newer than the one there. It is an error
// if c contradicts what was seen before.
func (s *Search) consider(ctx context.Context, c Candidate, next *Newest) error {
	if next.Snapshot != nil {
		head := next.Head()
		switch {
		case c.Descriptor.Digest == next.Manifest, c.Tree == head.Tree:
			return nil
		case c.Tree.N < head.N && c.Store.String() == next.Store:
			return &sumdb.HistoryError{Log: s.Log.Name(), Old: head, New: sumdb.Head{Tree: c.Tree}, Err: sumdb.ErrShrunk}
		case c.Tree.N < head.N:
			return nil // the stores are not replicated at the same time
		}
	}
	read := s.Read
	if read == nil {
		read = s.read
	}
	snapshot, err := read(ctx, c)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Store.Reference(s.Log.Repository(), c.Descriptor.Digest.String()), err)
	}
	next.Snapshot, next.Manifest, next.Store = snapshot, c.Descriptor.Digest, c.Store.String()
	return nil
}

func (s *Search) read(ctx context.Context, c Candidate) (*sumdb.Snapshot, error) {
	return sumdb.Read(ctx, s.Log, c.Raw, func(ctx context.Context, d ocispec.Descriptor) ([]byte, error) { return c.Blob(ctx, s.Log, d) })
}

// Blob reads a blob of the snapshot.
func (c Candidate) Blob(ctx context.Context, log *sumdb.Log, d ocispec.Descriptor) (data []byte, err error) {
	err = Repeat(ctx, func() error {
		data, err = c.Store.SnapshotBlob(ctx, log, d)
		return err
	})
	return data, err
}
