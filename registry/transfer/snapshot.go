package transfer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/opencontainers/go-digest"
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
	have   *sumdb.Manifest // one that is there, with whose blobs the next one has most in common
	asked  bool            // the source, for its newest one
	newest *sumdb.Snapshot // of both: it confirms versions
	fault  error           // what is wrong with the source's

	// What was read last: the newest snapshot is under two tags.
	last     *sumdb.Snapshot
	manifest digest.Digest // of that
}

// snapshot copies a checksum snapshot, if the log is the one that the destination has seen. The tag latest only moves to
// one in which the log of the destination's goes on.
func (x *copying) snapshot(ctx context.Context) (registry.Outcome, error) {
	log := x.Checker.Log
	if x.Repository != log.Repository() {
		return 0, fmt.Errorf("%s: %w: it is not of the checksum database %s",
			x.Copier.Source.Reference(x.Repository, x.Tag), registry.ErrUnsupported, log.Name())
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
	sigs, err := x.signed(ctx, registry.SnapshotSubject(log, found.Descriptor.Digest), x.Checker.Verifier)
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
	older, err := x.compare(ctx, found, x.from, x.Tag == sumdb.LatestTag)
	if x.Tag == sumdb.LatestTag {
		err = x.conclude(err)
	}
	switch {
	case err != nil:
		return 0, err
	case older && x.Tag == sumdb.LatestTag:
		return registry.Exists, nil
	}
	outcome, err := x.to.ImportSnapshot(ctx, in, log, x.history.have)
	if err == nil && !x.DryRun {
		x.history.have = found.Manifest
	}
	return outcome, err
}

// changed is the error for a tag that was moved meanwhile.
func (x *copying) changed() error {
	return fmt.Errorf("%s: %w: the tag names another manifest than a moment ago",
		x.Copier.Source.Reference(x.Repository, x.Tag), registry.ErrUnavailable)
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
		h.newest, h.have = h.there, found.Manifest
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
		_, err = c.compare(ctx, found, c.Source, true)
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

// compare reads a snapshot of the source, whose signatures were accepted, and checks that its log is the one that the
// destination has seen. If it is the source's latest, it must show that itself, and confirms versions from then on,
// unless it is older.
func (c *Copier) compare(ctx context.Context, found *registry.Snapshot, from *registry.Store, latest bool) (older bool, err error) {
	if err := c.look(ctx); err != nil {
		return false, err
	}
	h, log := &c.history, c.Checker.Log
	s, err := c.read(ctx, found, from)
	if err != nil {
		return false, err
	}
	if h.there == nil {
		if latest {
			h.newest = s
		}
		return false, nil
	}
	now, relation := h.there.Head(), h.there.Compare(s.Head())
	if older = relation == sumdb.Older || relation == sumdb.Unproven; relation == sumdb.Newer {
		relation = s.Compare(now)
	}
	switch {
	case relation == sumdb.Forked:
		return older, &sumdb.HistoryError{Log: log.Name(), Old: now, New: s.Head(), Err: sumdb.ErrForked}
	case relation == sumdb.Unproven && latest && !older:
		return older, fmt.Errorf("checksum snapshot of %s with %d records: %w: that of %d records; "+
			"mirror into the source once, with the destination's snapshot in it", log.Name(), s.Head().N, sumdb.ErrUnproven, now.N)
	case latest && !older:
		h.newest = s
	}
	return older, nil
}

// read reads all of a snapshot, and checks it.
func (c *Copier) read(ctx context.Context, found *registry.Snapshot, from *registry.Store) (*sumdb.Snapshot, error) {
	h := &c.history
	if h.manifest == found.Descriptor.Digest {
		return h.last, nil
	}
	candidate := verify.Candidate{Snapshot: found, Store: from}
	s, err := sumdb.Read(ctx, c.Checker.Log, found.Raw, func(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
		return candidate.Blob(ctx, c.Checker.Log, d)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from.Reference(c.Checker.Log.Repository(), found.Descriptor.Digest.String()), err)
	}
	h.last, h.manifest = s, found.Descriptor.Digest
	return s, nil
}
