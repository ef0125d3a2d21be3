package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/upstream"
)

// treeHead is the signed head of the checksum database that a run refers to. Its
// snapshot is in every store concerned before any evidence is.
type treeHead struct {
	sums     *upstream.Checksums
	signer   *sign.Signer // nil = do not sign
	progress func(done, total int)
	log      *slog.Logger

	mu       sync.Mutex // held while the head moves on
	head     sumdb.Head
	snapshot *sumdb.Snapshot // at head; nil = still to be read from a store
	stores   []*headStore
}

// newTreeHead finds the newest snapshot in the stores, moves on to the database's
// newest head, and publishes the snapshot of that where it is missing.
func newTreeHead(ctx context.Context, r *runner, stores []*registry.Store) (*treeHead, error) {
	p := &treeHead{sums: r.Checksums, signer: r.Signer, progress: r.reportTiles, log: r.Log}
	for _, s := range stores {
		found, err := p.findSnapshot(ctx, s)
		if err != nil {
			return nil, err
		}
		p.stores = append(p.stores, found)
	}
	return p, p.renew(ctx)
}

// renew moves on to the database's newest head. The caller holds p.mu, or is alone.
func (p *treeHead) renew(ctx context.Context) error {
	newest, err := p.sums.Latest(ctx)
	if err != nil {
		return err
	}
	if newest.N == 0 {
		return fmt.Errorf("the checksum database %s is empty", p.sums.Name())
	}
	if err := p.moveOn(ctx, newest); err != nil {
		return p.sums.Alarm(err)
	}
	return p.publish(ctx)
}

// moveOn makes newest the head of the run, unless the one of a store is newer.
func (p *treeHead) moveOn(ctx context.Context, newest sumdb.Head) error {
	base := p.base()
	if base != nil && p.snapshot == nil {
		head, err := base.latest.Head(p.sums.Log)
		if err != nil {
			return err
		}
		if head.Tree == newest.Tree {
			p.head = head
			return nil // nothing of the snapshot itself may be needed
		}
		if err := p.load(ctx, base); err != nil {
			return err
		}
	}
	if p.snapshot != nil {
		p.head = p.snapshot.Head()
		switch p.snapshot.Compare(newest) {
		case sumdb.Equal, sumdb.Older:
			return nil // an old answer out of some cache
		case sumdb.Unproven:
			return p.prove(ctx, newest)
		}
	}
	return p.build(ctx, newest)
}

// load reads the snapshot of a store. A damaged one is forgotten: the next will be built from nothing.
func (p *treeHead) load(ctx context.Context, from *headStore) error {
	s, err := sumdb.Read(ctx, p.sums.Log, from.latest.Raw, func(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
		return from.SnapshotBlob(ctx, p.sums.Log, d)
	})
	switch {
	case err == nil:
		p.snapshot = s
	case errors.Is(err, sumdb.ErrForked) || !isDamage(err):
		return fmt.Errorf("reading the checksum snapshot of %s: %w", from, err)
	default:
		p.ignore(from.Store, err)
		from.latest, from.signed = nil, false
	}
	return nil
}

// build makes the snapshot of a newer head.
func (p *treeHead) build(ctx context.Context, newest sumdb.Head) error {
	o := sumdb.BuildOptions{Base: p.snapshot, Captured: time.Now(), Progress: p.progress}
	if base := p.base(); base != nil && p.snapshot != nil {
		o.BaseDigest = base.latest.Descriptor.Digest
	}
	var err error
	if o.Earlier, err = p.earlier(ctx); err != nil {
		return err
	}
	s, err := sumdb.Build(ctx, p.sums.Log, newest.Note, p.sums.Tile, o)
	if err != nil {
		return fmt.Errorf("capturing the checksum database %s: %w", p.sums.Name(), err)
	}
	p.snapshot, p.head = s, s.Head()
	return nil
}

// publish stores the snapshot where it is missing.
func (p *treeHead) publish(ctx context.Context) error {
	for _, s := range p.stores {
		if s.latest != nil && s.signed && s.latest.Tree == p.head.Tree {
			continue
		}
		if err := p.needSnapshot(ctx); err != nil {
			return err
		}
		image, err := p.snapshot.Pack()
		if err != nil {
			return err
		}
		var have *sumdb.Manifest
		if s.latest != nil {
			have = s.latest.Manifest
		}
		if err := s.PublishSnapshot(ctx, image, p.sums.Log, have, p.signer); err != nil {
			return err
		}
		m, err := sumdb.ParseManifest(image.Raw)
		if err != nil {
			return err
		}
		s.latest, s.signed = &registry.Snapshot{Manifest: m, Descriptor: image.Descriptor, Raw: image.Raw}, true
	}
	return nil
}

// needSnapshot reads the snapshot at the head, unless that was done.
func (p *treeHead) needSnapshot(ctx context.Context) error {
	if p.snapshot != nil {
		return nil
	}
	if base := p.base(); base != nil {
		if err := p.load(ctx, base); err != nil || p.snapshot != nil {
			return err
		}
	}
	return p.build(ctx, p.head) // it was damaged
}

// capture returns the evidence for a version, given the database's answer to its
// lookup. It moves on once if the record is newer than the head.
func (p *treeHead) capture(ctx context.Context, m module.Version, lookup []byte) (sumdb.Evidence, error) {
	s, err := p.current(ctx)
	if err != nil {
		return sumdb.Evidence{}, err
	}
	e, err := s.Capture(ctx, m, lookup, p.sums.Tile)
	if errors.Is(err, sumdb.ErrBeyondHead) {
		if s, err = p.newer(ctx, s); err != nil {
			return sumdb.Evidence{}, err
		}
		e, err = s.Capture(ctx, m, lookup, p.sums.Tile)
	}
	if err != nil {
		return sumdb.Evidence{}, p.sums.Alarm(fmt.Errorf("checking %s against the checksum database %s: %w", m, p.sums.Name(), err))
	}
	return e, nil
}

func (p *treeHead) current(ctx context.Context) (*sumdb.Snapshot, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.needSnapshot(ctx); err != nil {
		return nil, err
	}
	return p.snapshot, p.publish(ctx) // again only if it turned out to be damaged
}

// newer returns a snapshot that is newer than s, if there is one.
func (p *treeHead) newer(ctx context.Context, s *sumdb.Snapshot) (*sumdb.Snapshot, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.snapshot != s {
		return p.snapshot, nil
	}
	if err := p.renew(ctx); err != nil {
		return nil, err
	}
	return p.snapshot, nil
}
