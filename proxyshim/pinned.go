package proxyshim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
)

// snapshotRetry is how soon stores are asked for a snapshot again, if the recheck
// interval is longer, after they failed to give one and when something newer than
// the snapshot at hand is needed.
const snapshotRetry = 10 * time.Second

// checksums is what the handler knows of the checksum database. One snapshot is
// pinned: the newest of all stores that was accepted, which must prove that the
// highest head ever accepted is part of it. Another one does not replace it
// unless it is accepted, too.
type checksums struct {
	log     *sumdb.Log
	private string // patterns of module paths the database is not asked about
	files   *snapshotFiles

	mu  sync.Mutex
	now *pinned
}

// pinned is the outcome of looking for snapshots. It never changes.
type pinned struct {
	*sumdb.Snapshot                  // nil: no store has one that was accepted
	manifest        digest.Digest    // of Snapshot
	store           string           // where it came from
	verifier        string           // fingerprint of what accepted its signature
	checked         time.Time        // when the stores were last asked
	faults          map[string]error // what each store failed with then; absence is no fault
	seen            bool             // a head is remembered: there was a snapshot once
}

func (s *checksums) get() *pinned {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *checksums) set(p *pinned) *pinned {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = p
	return p
}

// isPrivate reports whether the database is nobody's business for that module.
func (s *checksums) isPrivate(path string) bool {
	return s.private != "" && module.MatchPrefixPatterns(s.private, path)
}

// fault returns why there is no snapshot at hand, nil if the stores have none.
func (p *pinned) fault() error {
	var errs []error
	for _, store := range slices.Sorted(maps.Keys(p.faults)) {
		errs = append(errs, p.faults[store])
	}
	return errors.Join(errs...)
}

// stale reports whether the stores have to be asked again, at the earliest
// reasonable moment if early.
func (h *Handler) stale(p *pinned, early bool) bool {
	interval := h.recheck
	if early || len(p.faults) > 0 {
		interval = min(interval, snapshotRetry)
	}
	return h.age(p.checked) >= interval || p.verifier != h.verifier.Fingerprint()
}

// pinned returns the snapshot to go by. The error is the client's or the
// shutdown's; what stores fail with is in the result. With early, a new snapshot
// is noticed before the next re-check.
func (h *Handler) pinned(ctx context.Context, early bool) (*pinned, error) {
	if p := h.sums.get(); p != nil && !h.stale(p, early) {
		return p, nil
	}
	return share(ctx, h, "checksum snapshot", func(ctx context.Context) (*pinned, error) {
		return h.refreshPinned(ctx, early)
	})
}

// refreshPinned asks the stores for newer snapshots, unless that was just done.
func (h *Handler) refreshPinned(ctx context.Context, early bool) (*pinned, error) {
	fingerprint := h.verifier.Fingerprint()
	old := h.sums.get()
	if old == nil || old.verifier != fingerprint {
		old = h.sums.files.load(ctx, fingerprint, h.stores.Stores())
	}
	if old != nil && !h.stale(old, early) {
		return h.sums.set(old), nil
	}
	next := &pinned{verifier: fingerprint, checked: h.now(), faults: make(map[string]error)}
	if old != nil {
		next.Snapshot, next.manifest, next.store = old.Snapshot, old.manifest, old.store
	}
	if next.Snapshot != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	for _, c := range h.candidates(ctx, next) {
		if err := h.consider(ctx, c, next); err != nil {
			next.faults[c.store.String()] = err
		}
	}
	if h.ctx.Err() != nil {
		return nil, errClosed
	}
	next.seen = h.sums.files.hasHead()
	h.logPinned(old, next)
	if next.Snapshot != nil {
		if err := h.sums.files.save(next); err != nil {
			h.log.Warn("keeping the checksum snapshot in the cache", "log", h.sums.log.Name(), "error", err)
		}
	}
	return h.sums.set(next), nil
}

// candidate is a signed snapshot in a store.
type candidate struct {
	*registry.Snapshot
	store *registry.Store
}

// candidates returns the newest snapshot of each store, the largest first, and
// records the faults of stores in next.
func (h *Handler) candidates(ctx context.Context, next *pinned) []candidate {
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		list []candidate
	)
	for _, store := range h.stores.Stores() {
		if next.Snapshot != nil && h.outages.holds(store.String()) {
			mu.Lock() // others are being asked already
			next.faults[store.String()] = fmt.Errorf("%s: %w a moment ago", store, registry.ErrUnavailable)
			mu.Unlock()
			continue
		}
		wg.Go(func() {
			found, err := store.Snapshot(ctx, h.sums.log, h.verifier)
			h.judge(store, err)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				list = append(list, candidate{found, store})
			case !errors.Is(err, registry.ErrNotFound):
				next.faults[store.String()] = err
			}
		})
	}
	wg.Wait()
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(b.Tree.N, a.Tree.N) })
	return list
}

// consider pins c in next, if it is newer than the snapshot there. It is an error
// if c contradicts what was seen before.
func (h *Handler) consider(ctx context.Context, c candidate, next *pinned) error {
	if next.Snapshot != nil {
		head := next.Head()
		switch {
		case c.Descriptor.Digest == next.manifest, c.Tree == head.Tree:
			return nil
		case c.Tree.N < head.N && c.store.String() == next.store:
			return &sumdb.HistoryError{Log: h.sums.log.Name(), Old: head, New: sumdb.Head{Tree: c.Tree}, Err: sumdb.ErrShrunk}
		case c.Tree.N < head.N:
			return nil // the stores are not replicated at the same time
		}
	}
	s, err := h.sums.files.read(ctx, c)
	if err == nil {
		err = h.sums.files.remember(ctx, s)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.store.Reference(h.sums.log.Repository(), c.Descriptor.Digest.String()), err)
	}
	next.Snapshot, next.manifest, next.store = s, c.Descriptor.Digest, c.store.String()
	return nil
}

// logPinned says what changed. Stores that fail are asked often.
func (h *Handler) logPinned(old, next *pinned) {
	name := h.sums.log.Name()
	for store, err := range next.faults {
		switch {
		case old != nil && old.faults[store] != nil && old.faults[store].Error() == err.Error():
		case isSecurity(err):
			h.report(Failure{Kind: Refused, Err: err}, "checksum snapshot", "log", name, "store", store)
		case !isUnreachable(err): // which is logged as an outage
			h.log.Warn("the checksum snapshot cannot be read", "log", name, "store", store, "error", err)
		}
	}
	switch {
	case next.Snapshot != nil && (old == nil || old.manifest != next.manifest):
		h.log.Info("checksum snapshot", "log", name, "store", next.store, "records", next.Head().N, "captured", snapshotDay(next.Snapshot))
	case next.Snapshot == nil && old == nil && len(next.faults) == 0:
		h.log.Warn("no store has a checksum snapshot, so modules are not checked against the log", "log", name)
	}
}
