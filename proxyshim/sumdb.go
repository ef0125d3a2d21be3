package proxyshim

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/proxyshim/cache"
	"github.com/modferry/modferry/proxyshim/events"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/verify"
)

// typeTile is the content type of tiles.
const typeTile = "application/octet-stream"

// parseSumDB parses a request for a checksum database.
func (h *Handler) parseSumDB(q request) (request, error) {
	q, err := parseSumDB(q.name, h.sums.log.Name())
	if errors.Is(err, errOtherLog) {
		err = h.otherLog()
	}
	return q, err
}

// serveSumDB answers as https://go.dev/design/25530-sumdb#proxying-a-checksum-database
// has it. Every lookup is answered with the head of the newest snapshot, whatever
// head the record was captured at, because clients must be able to follow.
func (h *Handler) serveSumDB(w http.ResponseWriter, r *http.Request, q request) error {
	var (
		data []byte
		err  error
		kind = typeText
	)
	switch q.kind {
	case kindSupported:
		// In every state: otherwise the go command dials the log itself, as it does after a 404 for another one.
		if q.name != h.sums.log.Name() {
			err = fmt.Errorf("%w: %s", errOtherLog, h.servedLog())
		}
	case kindHead:
		data, err = h.head(r.Context())
	case kindLookup:
		data, err = h.lookup(r.Context(), q.module)
	default:
		kind = typeTile
		data, err = h.tile(r.Context(), q.tile)
	}
	if err != nil {
		return err
	}
	send(w, kind, data)
	return nil
}

// snapshot returns the snapshot to answer with. Without one, the error says why.
func (h *Handler) snapshot(ctx context.Context, early bool) (*sumdb.Snapshot, error) {
	n, err := h.newest(ctx, early)
	if err == nil && n.Snapshot == nil && !early {
		n, err = h.newest(ctx, true) // somebody waits for it
	}
	switch {
	case err != nil:
		return nil, err
	case n.Snapshot != nil:
		events.Of(ctx).Snapshot(n.Snapshot)
		return n.Snapshot, nil
	case len(n.Faults) > 0:
		return nil, n.Fault()
	}
	return nil, h.noSnapshot()
}

// head answers "latest".
func (h *Handler) head(ctx context.Context) ([]byte, error) {
	s, err := h.snapshot(ctx, false)
	if err != nil {
		return nil, err
	}
	return s.Head().Note, nil
}

// lookup answers with the record of m, which is verified each time.
func (h *Handler) lookup(ctx context.Context, m module.Version) ([]byte, error) {
	if h.isPrivate(m.Path) {
		return nil, h.privateModule(ctx, m)
	}
	s, err := h.snapshot(ctx, false)
	if err != nil {
		return nil, err
	}
	event := events.Of(ctx)
	cached := event != nil && h.isCached(m, kindLookup)
	e, err := h.version(ctx, m)
	if err != nil {
		return nil, err
	}
	event.Version(e, cached)
	data, err := h.sums.lookup(s, e)
	if lacking(err) {
		if s, e, err = h.complete(ctx, e); err != nil {
			return nil, err
		}
		data, err = h.sums.lookup(s, e)
	}
	if lacking(err) {
		return nil, h.noEvidence(m, s)
	}
	return data, err
}

// errNoRecord: a version has no checksum database record in the cache.
var errNoRecord = errors.New("no checksum database record")

// lacking reports whether something is missing that a store may have by now.
func lacking(err error) bool {
	return errors.Is(err, errNoRecord) || errors.Is(err, sumdb.ErrBeyondHead) || errors.Is(err, sumdb.ErrNoTile)
}

// lookup answers from what is in memory and in the cache.
func (s *checksums) lookup(snap *sumdb.Snapshot, e *cache.Entry) ([]byte, error) {
	if s.record(e) == nil {
		return nil, errNoRecord
	}
	evidence, err := s.recall(snap, e)
	if err != nil {
		return nil, err
	}
	return snap.Lookup(evidence)
}

// complete asks the stores for a newer snapshot and for the evidence of e, unless that was done a moment ago.
func (h *Handler) complete(ctx context.Context, e *cache.Entry) (*sumdb.Snapshot, *cache.Entry, error) {
	s, err := h.snapshot(ctx, true)
	if err != nil {
		return nil, nil, err
	}
	e, err = ask(ctx, h, h.versions, e.Module, snapshotAgain, false)
	return s, e, err
}

// tile answers with a tile at the width that was asked for.
func (h *Handler) tile(ctx context.Context, t tlog.Tile) ([]byte, error) {
	s, err := h.snapshot(ctx, false)
	if err != nil {
		return nil, err
	}
	data, err := h.sums.tile(s, t)
	if errors.Is(err, sumdb.ErrNoTile) {
		e, failed := h.withTile(ctx, t.N)
		if failed != nil {
			return nil, failed
		}
		if e != nil {
			if s, _, err = h.complete(ctx, e); err != nil {
				return nil, err
			}
			data, err = h.sums.tile(s, t)
		}
	}
	if errors.Is(err, sumdb.ErrBeyondHead) {
		if s, err = h.snapshot(ctx, true); err != nil {
			return nil, err
		}
		data, err = h.sums.tile(s, t)
	}
	switch {
	case errors.Is(err, sumdb.ErrBeyondHead):
		return nil, h.clientIsNewer(s)
	case errors.Is(err, sumdb.ErrNoTile):
		return nil, h.noTile(t, s)
	}
	return data, err
}

// tile answers from the snapshot and from the tiles in the cache.
func (s *checksums) tile(snap *sumdb.Snapshot, t tlog.Tile) ([]byte, error) {
	data, err := snap.Tile(t)
	if !errors.Is(err, sumdb.ErrNoTile) {
		return data, err
	}
	full := s.files.Tile(t.N)
	if full == nil {
		return nil, err
	}
	data, bad := snap.TileFrom(t, full)
	if errors.Is(bad, artifact.ErrCorrupt) { // changed on disk
		s.files.DropTile(t.N)
		return nil, err
	}
	return data, bad
}

// withTile returns a version whose evidence has the level-0 tile n: one in memory, or one in a store, which is fetched. It is
// nil if none is known, or that one must not be used. The error is that of a store that does not answer.
func (h *Handler) withTile(ctx context.Context, n int64) (*cache.Entry, error) {
	if e := h.inTile(n); e != nil {
		return e, nil
	}
	m, ok, err := h.tileOwner(ctx, n)
	if err != nil || !ok {
		return nil, err
	}
	e, err := h.version(ctx, m)
	switch class := verify.Classify(err); {
	case class.IsRefusal(), class == verify.Absent, class == verify.Denied:
		h.log.Warn("the version that has a tile cannot be used", "tile", n, "module", m.Path, "version", m.Version, "error", err)
		return nil, nil
	case class == verify.Unavailable:
		h.log.Warn("the version that has a tile cannot be fetched", "tile", n, "module", m.Path, "version", m.Version, "error", err)
		return nil, errTileUnavailable
	}
	return e, err
}

// errTileUnavailable names no module: who asks for a tile need not be allowed to know of the one that has it.
var errTileUnavailable = fmt.Errorf("%w: the version that has this tile cannot be fetched now; the shim's log names it", registry.ErrUnavailable)

// inTile returns a version in memory whose record is in the level-0 tile n, or nil.
func (h *Handler) inTile(n int64) *cache.Entry {
	return h.cache.Any(func(e *cache.Entry) bool {
		r, err := sumdb.ParseRecord(e.Record)
		return err == nil && r.ID>>sumdb.TileHeight == n
	})
}
