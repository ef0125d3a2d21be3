package proxyshim

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/proxyshim/cache"
	"github.com/modferry/modferry/proxyshim/events"
	"github.com/modferry/modferry/proxyshim/snapshots"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/verify"
)

const (
	// snapshotRetry is how soon stores are asked for a snapshot again that failed to give one, if the recheck interval is
	// longer.
	snapshotRetry = 10 * time.Second
	// snapshotAgain is how soon they are when something newer than the snapshot at hand is needed, and was asked for in
	// vain. The first time they are asked at once: whoever mirrors something uses it in the same minute.
	snapshotAgain = time.Second
)

// checksums is what the handler knows of the checksum database. One snapshot counts: the newest of all stores that was
// accepted, which must prove that the highest head ever accepted is part of it. Another one does not replace it unless
// it is accepted, too.
type checksums struct {
	log     *sumdb.Log
	files   *snapshots.Files
	indexes tileIndexes
	now     atomic.Pointer[snapshots.Found] // nil: nothing was asked for since the start
}

// snapshotFingerprint returns the fingerprint of what has to accept a snapshot.
func (h *Handler) snapshotFingerprint(policy sign.Verifier) string {
	return policy.Rule(h.sums.log.Repository()).Fingerprint
}

// stale reports whether the stores have to be asked again, at the earliest reasonable moment if early.
func (h *Handler) stale(n *snapshots.Found, early bool) bool {
	interval := h.recheck
	switch {
	case early && n.Vain:
		interval = min(interval, snapshotAgain)
	case early:
		interval = 0
	case len(n.Faults) > 0:
		interval = min(interval, snapshotRetry)
	}
	policy := h.policy()
	return h.age(n.Checked) >= interval || n.Verifier != h.snapshotFingerprint(policy) || h.revoked(n, policy)
}

// revoked reports whether a policy revokes the snapshot at hand.
func (h *Handler) revoked(n *snapshots.Found, policy sign.Verifier) bool {
	return n.Snapshot != nil && policy.Deny(registry.SnapshotSubject(h.sums.log, n.Manifest)) != nil
}

// newest returns the snapshot to go by. The error is the client's or the shutdown's; what stores fail with is in the
// result. With early, a new snapshot is noticed before the next re-check.
func (h *Handler) newest(ctx context.Context, early bool) (*snapshots.Found, error) {
	if n := h.sums.now.Load(); n != nil && !h.stale(n, early) {
		return n, nil
	}
	flight := "checksum snapshot " + h.snapshotFingerprint(h.policy()) // what another policy accepts is no answer
	return share(ctx, h, flight, func(ctx context.Context) (*snapshots.Found, error) {
		return h.refreshSnapshot(ctx, early)
	})
}

// snapshotFor is the verify.Checker's source of snapshots.
func (h *Handler) snapshotFor(ctx context.Context, store *registry.Store, newer bool) (*sumdb.Snapshot, error) {
	n, err := h.newest(ctx, newer)
	if err != nil {
		return nil, err
	}
	return n.For(store)
}

// refreshSnapshot asks the stores for newer snapshots, unless that was just done.
func (h *Handler) refreshSnapshot(ctx context.Context, early bool) (*snapshots.Found, error) {
	policy := h.policy()
	fingerprint := h.snapshotFingerprint(policy)
	old := h.sums.now.Load()
	if old == nil || old.Verifier != fingerprint {
		old = h.sums.files.Load(ctx, fingerprint, h.stores.Stores())
	}
	if old != nil && h.revoked(old, policy) {
		old = nil
	}
	if old != nil && !h.stale(old, early) {
		h.sums.now.Store(old)
		return old, nil
	}
	base := verify.Newest{}
	if old != nil {
		base = *old.Newest
	}
	if base.Snapshot != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	next := &snapshots.Found{Verifier: fingerprint, Checked: h.now(), Newest: h.search(policy, base.Snapshot != nil).Run(ctx, base)}
	if h.ctx.Err() != nil {
		return nil, errClosed
	}
	next.Seen = h.sums.files.HasHead()
	next.Vain = early && next.Manifest == base.Manifest
	h.logSnapshot(old, next)
	if next.Snapshot != nil {
		if err := h.sums.files.Save(next); err != nil {
			h.log.Warn("keeping the checksum snapshot in the cache", "log", h.sums.log.Name(), "error", err)
		}
	}
	h.sums.now.Store(next)
	return next, nil
}

// search returns a search that accepts what goes on from the highest head ever accepted. With one at hand, stores that
// did not answer a moment ago are left alone.
func (h *Handler) search(policy sign.Verifier, atHand bool) *verify.Search {
	return &verify.Search{
		Log: h.sums.log, Verifier: policy, Stores: h.stores.Stores(),
		Find: func(ctx context.Context, store *registry.Store) (*registry.Snapshot, error) {
			if atHand && h.outages.holds(store.String()) {
				return nil, fmt.Errorf("%s: %w a moment ago", store, registry.ErrUnavailable)
			}
			found, err := store.Snapshot(ctx, h.sums.log, policy)
			h.classify(store, err)
			return found, err
		},
		Read: func(ctx context.Context, c verify.Candidate) (*sumdb.Snapshot, error) {
			s, err := h.sums.files.Read(ctx, c)
			if err == nil {
				err = h.sums.files.Remember(ctx, s)
			}
			return s, err
		},
	}
}

// logSnapshot says what changed. Stores that fail are asked often.
func (h *Handler) logSnapshot(old, next *snapshots.Found) {
	name := h.sums.log.Name()
	for store, err := range next.Faults {
		switch {
		case old != nil && old.Faults[store] != nil && old.Faults[store].Error() == err.Error():
		case isSecurity(err):
			h.report(Failure{Kind: events.Refused, Err: err}, "checksum snapshot", "log", name, "store", store)
		case verify.Classify(err) != verify.Unavailable: // which is logged as an outage
			h.log.Warn("the checksum snapshot cannot be read", "log", name, "store", store, "error", err)
		}
	}
	switch {
	case next.Snapshot != nil && (old == nil || old.Manifest != next.Manifest):
		h.log.Info("checksum snapshot", "log", name, "store", next.Store, "records", next.Head().N, "captured", snapshotDay(next.Snapshot))
	case next.Snapshot == nil && old == nil && len(next.Faults) == 0:
		h.log.Warn("no store has a checksum snapshot, so modules are not checked against the log", "log", name)
	}
}

// lacksRecord reports whether e was accepted without a record, but would not be by a policy now: before there was a
// snapshot, or by other options.
func (h *Handler) lacksRecord(policy sign.Verifier, e *cache.Entry) bool {
	if h.sums.record(e) != nil {
		return false
	}
	switch h.checker(policy).Records(e.Module.Path) {
	case sign.RecordsNone, sign.RecordsDefault:
		return false
	case sign.RecordsRequired:
		return true
	}
	n := h.sums.now.Load()
	if n == nil { // nothing was asked for since the start
		n = h.sums.files.Load(h.ctx, h.snapshotFingerprint(policy), h.stores.Stores())
	}
	return n != nil && n.Snapshot != nil
}

// record returns the record of e, nil if none is known: one of another log, which was served before, counts for nothing.
func (s *checksums) record(e *cache.Entry) []byte {
	if e.Log != s.log.Key() {
		return nil
	}
	return e.Record
}

// known returns what e tells about its version: evidence with the tile that is in the cache, if there is one.
func (s *checksums) known(e *cache.Entry) verify.Known {
	if e == nil {
		return verify.Known{}
	}
	known := verify.Known{Manifest: e.Manifest.Digest}
	if evidence, err := sumdb.ParseEvidence(s.log, s.record(e), nil); err == nil {
		evidence.Tile = s.files.Tile(evidence.TileIndex())
		known.Evidence = &evidence
	}
	return known
}

// recall returns the evidence of e, verified, with the tile in the snapshot or in
// the cache. It is sumdb.ErrNoTile if neither has a tile that is good.
func (s *checksums) recall(snap *sumdb.Snapshot, e *cache.Entry) (sumdb.Evidence, error) {
	evidence, err := sumdb.ParseEvidence(s.log, e.Record, nil)
	if err == nil {
		err = snap.Verify(e.Module, e.Sum, e.GoModSum, evidence)
	}
	if !errors.Is(err, sumdb.ErrNoTile) {
		return evidence, err
	}
	n := evidence.TileIndex()
	if evidence.Tile = s.files.Tile(n); evidence.Tile == nil {
		return evidence, err
	}
	if snap.CheckTile(n, evidence.Tile) != nil {
		s.files.DropTile(n) // changed on disk
		return evidence, err
	}
	return evidence, snap.Verify(e.Module, e.Sum, e.GoModSum, evidence)
}
