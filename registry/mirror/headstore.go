package mirror

import (
	"context"
	"errors"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/upstream"
)

// headStore is a store that receives evidence.
type headStore struct {
	*registry.Store
	latest *registry.Snapshot // the newest snapshot; nil = none that is of use
	signed bool               // latest has our signature, or needs none
}

// findSnapshot looks what snapshot a store has. One that is damaged, or signed by nobody
// we know, is replaced in time; what it says about the log is checked against the log's key.
func (p *treeHead) findSnapshot(ctx context.Context, s *registry.Store) (*headStore, error) {
	found, err := s.FindSnapshot(ctx, p.sums.Log, sumdb.LatestTag)
	switch {
	case registry.IsAbsent(err):
		return &headStore{Store: s}, nil
	case isDamage(err):
		p.ignore(s, err)
		return &headStore{Store: s}, nil
	case err != nil:
		return nil, err
	}
	if _, err := found.Head(p.sums.Log); err != nil {
		p.ignore(s, err)
		return &headStore{Store: s}, nil
	}
	if p.signer == nil {
		return &headStore{Store: s, latest: found, signed: true}, nil
	}
	err = s.VerifySnapshot(ctx, p.sums.Log, found, p.signer.Verifier())
	if err != nil && !errors.Is(err, sign.ErrUnsigned) && !errors.Is(err, sign.ErrUntrusted) {
		return nil, err
	}
	return &headStore{Store: s, latest: found, signed: err == nil}, nil
}

// ignore says that a store has a useless snapshot.
func (p *treeHead) ignore(s *registry.Store, err error) {
	p.log.Warn("ignoring a damaged checksum snapshot", "store", s.String(), "error", err)
}

// isDamage reports whether a snapshot could not be used for what it is.
func isDamage(err error) bool {
	return upstream.IsAlarm(err) || errors.Is(err, sumdb.ErrNotSnapshot) || errors.Is(err, artifact.ErrLimit)
}

// base returns the store with the newest snapshot, nil if there is none.
func (p *treeHead) base() *headStore {
	var best *headStore
	for _, s := range p.stores {
		if s.latest != nil && (best == nil || s.latest.Tree.N > best.latest.Tree.N) {
			best = s
		}
	}
	return best
}

// earlier returns the heads that were published in the stores besides those that
// the newest snapshot knows: two mirrors at the same time leave one each.
func (p *treeHead) earlier(ctx context.Context) ([]sumdb.Head, error) {
	known := make(map[int64]bool)
	if p.snapshot != nil {
		known[p.snapshot.Head().N] = true
		for _, h := range p.snapshot.Earlier() {
			known[h.N] = true
		}
	}
	var heads []sumdb.Head
	for _, s := range p.stores {
		sizes, err := s.Heads(ctx, p.sums.Log)
		if err != nil && !registry.IsAbsent(err) {
			return nil, err
		}
		for _, n := range sizes {
			if known[n] {
				continue
			}
			h, ok, err := p.headAt(ctx, s, n)
			if err != nil {
				return nil, err
			}
			if ok {
				heads, known[n] = append(heads, h), true
			}
		}
	}
	return heads, nil
}

// headAt returns the head that a store has a snapshot of; ok is false if that cannot be trusted.
func (p *treeHead) headAt(ctx context.Context, s *headStore, n int64) (h sumdb.Head, ok bool, err error) {
	found, err := s.FindSnapshot(ctx, p.sums.Log, sumdb.HeadTag(n))
	if err == nil {
		h, err = found.Head(p.sums.Log)
	}
	if isDamage(err) || errors.Is(err, registry.ErrNotFound) {
		p.ignore(s.Store, err)
		return sumdb.Head{}, false, nil
	}
	return h, err == nil, err
}
