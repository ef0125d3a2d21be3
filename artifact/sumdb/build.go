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
	// Base is an earlier snapshot of the log to build upon: its spine and its
	// frontier are not fetched again, and its heads become earlier heads.
	Base *Snapshot

	// BaseDigest is the digest of the manifest that Base was read from. It is
	// recorded as the previous snapshot.
	BaseDigest digest.Digest

	// Earlier are more heads that were published, in any order; those of Base
	// need not be among them. Two mirrors that publish at the same time leave
	// a snapshot each; whoever builds the next one names both heads.
	Earlier []Head

	// Captured is the day to record, for people. The zero time records none.
	Captured time.Time

	// Jobs is the number of tiles fetched at the same time; 0 means 8.
	Jobs int

	// Progress, if not nil, is called after each tile with the number of tiles
	// there and the number needed, which may grow. Calls do not overlap.
	Progress func(done, total int)
}

// Build makes the snapshot of a log at the head in note, as the log signed it,
// with the log's tiles. Without a Base, a log of 72 million records takes about
// 1,100 tiles; a day later, building upon that snapshot takes a handful.
//
// If the log has not grown since Base, the result is Base itself and nothing is
// fetched; heads in Earlier wait for the next one, because snapshots are named by
// their size. Of more than [MaxEarlier] earlier heads, the oldest are left out.
//
// Errors match [ErrSignature]; [ErrShrunk] and [ErrForked] (a [*HistoryError])
// when the log contradicts Base or Earlier; [artifact.ErrCorrupt] for tiles
// that do not fit the head; or they come from fetch.
func Build(ctx context.Context, log *Log, note []byte, fetch TileFunc, o BuildOptions) (*Snapshot, error) {
	head, err := log.OpenHead(note)
	if err != nil {
		return nil, err
	}
	if head.N == 0 {
		return nil, corrupt("checksum database %s: the log is empty", log.Name())
	}
	b := &builder{log: log, head: head, base: o.Base, fetcher: newFetcher(fetch, o)}
	if err := b.collectEarlier(o.Earlier); err != nil {
		return nil, err
	}
	if o.Base != nil && o.Base.head.N == head.N {
		return o.Base, nil
	}
	if err := b.checkBase(ctx); err != nil {
		return nil, err
	}
	p, err := b.collectParts(ctx)
	if err != nil {
		return nil, err
	}
	p.captured, p.previous = o.Captured, o.BaseDigest
	return newSnapshot(p)
}

// A builder holds what Build knows so far.
type builder struct {
	log     *Log
	head    Head
	base    *Snapshot // may be nil
	earlier []Head
	fetcher *fetcher
}

// collectEarlier merges the heads of the base with more, and checks what can be
// seen without tiles.
func (b *builder) collectEarlier(more []Head) error {
	var heads []Head
	if b.base != nil {
		if b.base.log.Key() != b.log.Key() {
			return corrupt("checksum snapshot of %s cannot be built upon one of %s", b.log.Key(), b.base.log.Key())
		}
		heads = append(b.base.Earlier(), b.base.head)
		if b.base.Compare(b.head) == Forked {
			return b.historyError(b.base.head, ErrForked)
		}
	}
	heads = append(heads, more...)
	slices.SortStableFunc(heads, func(x, y Head) int { return cmp.Compare(x.N, y.N) })
	for _, h := range heads {
		last := len(b.earlier) - 1
		switch {
		case h.N > b.head.N:
			return b.historyError(h, ErrShrunk)
		case h.N == b.head.N && h.Hash != b.head.Hash:
			return b.historyError(h, ErrForked)
		case h.N == b.head.N || h.N == 0:
			// It adds nothing.
		case last < 0 || h.N > b.earlier[last].N:
			b.earlier = append(b.earlier, h)
		case h.Hash != b.earlier[last].Hash:
			return &HistoryError{Log: b.log.Name(), Old: b.earlier[last], New: h, Err: ErrForked}
		}
	}
	b.earlier = b.earlier[max(0, len(b.earlier)-MaxEarlier):]
	return nil
}

func (b *builder) historyError(old Head, err error) error {
	return &HistoryError{Log: b.log.Name(), Old: old, New: b.head, Err: err}
}

// checkBase checks, by tiles of the new head, that the base's head is a prefix of
// it. Otherwise a fork would look like corrupt tiles: nothing built upon the
// base's spine hashes to the new root.
func (b *builder) checkBase(ctx context.Context) error {
	if b.base == nil {
		return nil
	}
	old := b.base.head
	tiles := &tileReader{ctx: ctx, fetcher: b.fetcher}
	hash, err := tlog.TreeHash(old.N, tlog.TileHashReader(b.head.Tree, tiles))
	switch {
	case tiles.err != nil:
		return tiles.err
	case err != nil:
		return corrupt("checksum database %s: the tiles of the log do not fit the signed head of %d records: %v", b.log.Name(), b.head.N, err)
	}
	if hash != old.Hash {
		return b.historyError(old, ErrForked)
	}
	return nil
}

// collectParts fetches what the base does not have.
func (b *builder) collectParts(ctx context.Context) (parts, error) {
	n := b.head.N
	p := parts{
		log: b.log, head: b.head, earlier: b.earlier,
		spine: make([]byte, n>>TileHeight*tlog.HashSize),
		edge:  make([]byte, n%TileWidth*tlog.HashSize),
	}
	var jobs []job
	known := 0
	if b.base != nil {
		known = copy(p.spine, b.base.spine.Bytes())
	}
	for start := known / TileSize * TileSize; start < len(p.spine); start += TileSize {
		dst := p.spine[start:min(start+TileSize, len(p.spine))]
		jobs = append(jobs, newJob(1, int64(start/TileSize), dst))
	}
	if len(p.edge) > 0 {
		jobs = append(jobs, newJob(0, n>>TileHeight, p.edge))
	}
	indexes := frontierTiles(n, b.earlier)
	p.frontier = make([]byte, len(indexes)*TileSize)
	for i, index := range indexes {
		dst := p.frontier[i*TileSize:][:TileSize]
		if b.base != nil {
			if tile, ok := b.base.frontier.tile(index); ok {
				copy(dst, tile)
				continue
			}
		}
		jobs = append(jobs, newJob(0, index, dst))
	}
	return p, b.fetcher.run(ctx, jobs)
}
