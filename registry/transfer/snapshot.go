package transfer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/verify"
)

// history is what is known of the log of the checksum database.
type history struct {
	mu     sync.Mutex
	looked bool            // at the destination
	there  *sumdb.Snapshot // the newest one there; nil = none
	have   *sumdb.Manifest // of that
	asked  bool            // the source, for its newest one
	newest *sumdb.Snapshot // of both
	fault  error           // what is wrong with the source's
}

// snapshot copies a checksum snapshot, if the log of the destination's goes on in it. The tag latest is left alone where
// the destination's is newer.
func (x *copying) snapshot(ctx context.Context) (registry.Outcome, error) {
	log := x.Checker.Log
	if x.Repository != log.Repository() {
		return 0, fmt.Errorf("%s: %w: it is not of the checksum database %s", x.Copier.Source.Reference(x.Repository, x.Tag), registry.ErrUnsupported, log.Name())
	}
	found, err := x.from.FindSnapshot(ctx, log, x.Tag)
	if err != nil {
		return 0, err
	}
	x.found = found.Descriptor
	if want := x.Descriptor.Digest; want != "" && want != found.Descriptor.Digest {
		return 0, x.changed()
	}
	x.history.mu.Lock()
	defer x.history.mu.Unlock()
	sigs, err := x.signed(ctx, registry.SnapshotSubject(log, found.Descriptor.Digest))
	if err != nil {
		return 0, x.conclude(err)
	}
	image, err := x.image(ctx, found.Descriptor, found.Raw)
	if err != nil {
		return 0, err
	}
	in := x.toImport(&image, sigs)
	if now, err := x.to.FindSnapshot(ctx, log, x.Tag); err == nil && now.Descriptor.Digest == found.Descriptor.Digest {
		return x.to.ImportSnapshot(ctx, in, log, nil)
	}
	older, err := x.proceed(ctx, found, x.from)
	if x.Tag == sumdb.LatestTag {
		err = x.conclude(err)
	}
	if err != nil {
		return 0, err
	}
	if older && x.Tag == sumdb.LatestTag {
		return registry.Exists, nil
	}
	outcome, err := x.to.ImportSnapshot(ctx, in, log, x.history.have)
	if err == nil && !older && !x.DryRun {
		x.history.there, x.history.have = x.history.newest, found.Manifest
	}
	return outcome, err
}

// changed is the error for a tag that was moved meanwhile.
func (x *copying) changed() error {
	return fmt.Errorf("%s: %w: the tag names another manifest than a moment ago", x.Copier.Source.Reference(x.Repository, x.Tag), registry.ErrUnavailable)
}

// confirming is the [verify.Checker]'s Snapshot: the newest of source and destination.
func (c *Copier) confirming(ctx context.Context, _ *registry.Store, _ bool) (*sumdb.Snapshot, error) {
	h := &c.history
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := c.look(ctx); err != nil {
		return nil, err
	}
	if h.newest == h.there && !h.asked {
		if err := c.ask(ctx); err != nil {
			return nil, err
		}
	}
	return h.newest, h.fault
}

// look reads the destination's newest snapshot, once. Whoever put it there, the log signed it.
func (c *Copier) look(ctx context.Context) error {
	h := &c.history
	if h.looked {
		return nil
	}
	found, err := c.Destination.FindSnapshot(ctx, c.Checker.Log, sumdb.LatestTag)
	if err == nil {
		h.there, err = c.read(ctx, found, c.Destination)
	}
	switch class := verify.Classify(err); {
	case class == verify.Accepted:
		h.have, h.newest = found.Manifest, h.there
	case class == verify.Absent, class == verify.Denied, class.IsRefusal(), errors.Is(err, registry.ErrNoLayout):
		// None, or none of use. Registries exist that deny what does not exist to those who may not list.
	default:
		return err
	}
	h.looked = true
	return nil
}

// ask reads the source's newest snapshot, once.
func (c *Copier) ask(ctx context.Context) error {
	h := &c.history
	found, err := c.Source.Snapshot(ctx, c.Checker.Log, c.Checker.Verifier)
	if err == nil {
		_, err = c.proceed(ctx, found, c.Source)
	}
	err = c.conclude(err)
	class := verify.Classify(err)
	if class == verify.Failed || class == verify.Unavailable && !errors.Is(err, registry.ErrNoLayout) {
		return err
	}
	h.asked = true
	return nil
}

// conclude takes note of what is wrong with the source's newest snapshot, and returns it. Where the destination has one
// that confirms what it can, only one that contradicts it matters.
func (c *Copier) conclude(err error) error {
	h := &c.history
	if class := verify.Classify(err); class == verify.Accepted || class.IsRefusal() {
		h.asked = true
	}
	if verify.Classify(err).IsRefusal() && (errors.Is(err, sumdb.ErrForked) || h.there == nil) {
		h.fault = err
	}
	return err
}

// proceed reads a snapshot of the source, whose signatures were accepted, and checks that the log is the one that the
// destination has seen. It is the newest then, unless it is older than what is there.
func (c *Copier) proceed(ctx context.Context, found *registry.Snapshot, from *registry.Store) (older bool, err error) {
	if err := c.look(ctx); err != nil {
		return false, err
	}
	h, log := &c.history, c.Checker.Log
	s := h.newest
	if s == nil || s.Head().Tree != found.Tree {
		if s, err = c.read(ctx, found, from); err != nil {
			return false, err
		}
	}
	if h.newest == nil {
		h.newest = s
		return false, nil
	}
	now := h.newest.Head()
	if older = s.Head().N < now.N; older {
		if h.newest.Compare(s.Head()) == sumdb.Forked {
			return true, &sumdb.HistoryError{Log: log.Name(), Old: now, New: s.Head(), Err: sumdb.ErrForked}
		}
		return true, nil
	}
	switch s.Compare(now) {
	case sumdb.Forked:
		return false, &sumdb.HistoryError{Log: log.Name(), Old: now, New: s.Head(), Err: sumdb.ErrForked}
	case sumdb.Unproven:
		return false, fmt.Errorf("checksum snapshot of %s with %d records: %w: that of %d records; mirror into the source once, with the destination's snapshot in it",
			log.Name(), s.Head().N, sumdb.ErrUnproven, now.N)
	}
	h.newest = s
	return false, nil
}

// read reads all of a snapshot, and checks it.
func (c *Copier) read(ctx context.Context, found *registry.Snapshot, from *registry.Store) (*sumdb.Snapshot, error) {
	candidate := verify.Candidate{Snapshot: found, Store: from}
	s, err := sumdb.Read(ctx, c.Checker.Log, found.Raw, func(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
		return candidate.Blob(ctx, c.Checker.Log, d)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from.Reference(c.Checker.Log.Repository(), found.Descriptor.Digest.String()), err)
	}
	return s, nil
}
