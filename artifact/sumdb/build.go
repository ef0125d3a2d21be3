package sumdb

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/sumdb/tlog"
)

// BuildOptions say how a snapshot is built. The zero value is usable.
type BuildOptions struct {
	// Base is an earlier snapshot of the log to build upon, not one that was opened: its spine and its frontier are not
	// fetched again, and its heads become earlier heads.
	Base *Snapshot

	// BaseDigest is the digest of the manifest that Base was read from. It is recorded as the previous snapshot.
	BaseDigest digest.Digest

	// Earlier are more heads that were published, in any order; those of Base need not be among them. Two mirrors
	// that publish at the same time leave a snapshot each; whoever builds the next one names both heads.
	Earlier []Head

	// Captured is the day to record, for people. The zero time records none.
	Captured time.Time

	// Progress, if not nil, is called after each tile with the number of tiles
	// there and the number needed. Calls do not overlap.
	Progress func(done, total int)
}

// Build makes the snapshot of a log at the head in note, as the log signed it, with the log's tiles. Without a Base,
// a log of 72 million records takes about 1,100 tiles; a day later, building upon that snapshot takes a handful.
//
// If the log has not grown since Base, the result is Base itself and nothing is
// fetched; heads in Earlier wait for the next one, because snapshots are named by
// their size. Of more than [MaxEarlier] earlier heads, the oldest are left out.
//
// Errors match [ErrSignature]; [ErrShrunk] and [ErrForked] (a [*HistoryError]) when the log contradicts Base or
// Earlier; [artifact.ErrCorrupt] for tiles that do not fit the head; or they come from fetch.
func Build(ctx context.Context, log *Log, note []byte, fetch TileFunc, o BuildOptions) (*Snapshot, error) {
	head, err := log.OpenHead(note)
	if err != nil {
		return nil, err
	}
	if head.N == 0 {
		return nil, corrupt("checksum database %s: the log is empty", log.Name())
	}
	if o.Base != nil && o.Base.log.Key() != log.Key() {
		return nil, corrupt("checksum snapshot of %s cannot be built upon one of %s", log.Key(), o.Base.log.Key())
	}
	earlier, err := earlierHeads(log, head, o)
	if err != nil {
		return nil, err
	}
	if o.Base != nil && o.Base.head.N == head.N {
		return o.Base, nil
	}
	s := newSnapshot(log, head, earlier)
	s.previous = o.BaseDigest
	if !o.Captured.IsZero() {
		s.captured = o.Captured.UTC().Truncate(24 * time.Hour)
	}
	jobs, err := s.missing(o.Base)
	if err != nil {
		return nil, err
	}
	err = each(ctx, len(jobs), o.Progress, func(ctx context.Context, i int) error {
		data, err := fetchTile(ctx, fetch, jobs[i].tile)
		copy(jobs[i].dst, data)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.levels[0] = hashTiles(s.spine.held)
	if err := s.check(); err != nil {
		return nil, cmp.Or(checkPrefix(ctx, log, head, fetch, o.Base), err)
	}
	return s, nil
}

// earlierHeads merges the heads of the base with those in the options, and checks what can be seen without tiles.
func earlierHeads(log *Log, head Head, o BuildOptions) ([]Head, error) {
	var heads, earlier []Head
	if o.Base != nil {
		heads = append(o.Base.Earlier(), o.Base.head)
		if o.Base.Compare(head) == Forked {
			return nil, &HistoryError{Log: log.Name(), Old: o.Base.head, New: head, Err: ErrForked}
		}
	}
	heads = append(heads, o.Earlier...)
	slices.SortStableFunc(heads, func(x, y Head) int { return cmp.Compare(x.N, y.N) })
	for _, h := range heads {
		last := len(earlier) - 1
		switch {
		case h.N > head.N:
			return nil, &HistoryError{Log: log.Name(), Old: h, New: head, Err: ErrShrunk}
		case h.N == head.N && h.Hash != head.Hash:
			return nil, &HistoryError{Log: log.Name(), Old: h, New: head, Err: ErrForked}
		case h.N == head.N || h.N == 0:
			// It adds nothing.
		case last < 0 || h.N > earlier[last].N:
			earlier = append(earlier, h)
		case h.Hash != earlier[last].Hash:
			return nil, &HistoryError{Log: log.Name(), Old: earlier[last], New: h, Err: ErrForked}
		}
	}
	return earlier[max(0, len(earlier)-MaxEarlier):], nil
}

// missing copies what a base (nil = none) has, and returns the tiles to fetch for what it does not have.
func (s *Snapshot) missing(base *Snapshot) ([]job, error) {
	var jobs []job
	known, spine := 0, make([]byte, s.spine.size)
	s.spine.held = spine
	if base != nil {
		old, err := base.spine.all()
		if err != nil {
			return nil, err
		}
		known = copy(spine, old)
	}
	for start := known / TileSize * TileSize; start < len(spine); start += TileSize {
		jobs = append(jobs, newJob(1, int64(start/TileSize), spine[start:min(start+TileSize, len(spine))]))
	}
	if len(s.edge) > 0 {
		jobs = append(jobs, newJob(0, s.fullTiles(), s.edge))
	}
	for _, index := range s.frontier.indexes {
		dst, _ := s.frontier.tile(index)
		if base != nil {
			if tile, ok := base.frontier.tile(index); ok {
				copy(dst, tile)
				continue
			}
		}
		jobs = append(jobs, newJob(0, index, dst))
	}
	return jobs, nil
}

// checkPrefix tells a fork from tiles that are corrupt, once what was built does not fit the head: nothing
// that is built upon the base's spine does if the head of the base is not of a prefix of the log.
func checkPrefix(ctx context.Context, log *Log, head Head, fetch TileFunc, base *Snapshot) error {
	if base == nil {
		return nil
	}
	old := base.head
	hash, err := tlog.TreeHash(old.N, tlog.TileHashReader(head.Tree, tileReader{ctx, fetch}))
	if err == nil && hash != old.Hash {
		return &HistoryError{Log: log.Name(), Old: old, New: head, Err: ErrForked}
	}
	return nil
}
