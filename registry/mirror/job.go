package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream"
)

// job is an item on its way. It is done when the event has a status.
type job struct {
	Event
	public bool            // the checksum database covers it
	store  *registry.Store // where it belongs; nil if nowhere

	have        *requirement.Sums // of what the store has; nil = nothing
	unread      bool              // the store has it, but only what is signed may be read
	signed      bool              // the store has it with our signature, if we sign
	lacksRecord bool              // the store has it without evidence that it should have
	damaged     *damaged          // the store has it without blobs that it should have; nil = they are there
	goModStored bool              // it failed, but its go.mod alone is there now
	tile        int64             // the complete level-0 tile that is stored with it; negative: none

	lookup     []byte // what the database answered
	lookupFail error  // why it did not; told only if upstream has the version, which matters more
}

// inspect looks what the store has and asks the database, if anything is to do. It
// fetches nothing and stores nothing.
func (r *runner) inspect(ctx context.Context, j *job) error {
	err := r.forbidden(ctx, sign.Subject{Module: j.Module})
	if err != nil {
		return err
	}
	if j.store, err = r.Stores.For(j.Module.Path); err != nil {
		return fmt.Errorf("mirroring %s: %w", j.Module, err)
	}
	if j.public {
		r.mu.Lock()
		if !slices.Contains(r.stores, j.store) {
			r.stores = append(r.stores, j.store)
		}
		r.mu.Unlock()
	}
	if err := r.outages.Check(j.store); err != nil {
		return err
	}
	have, signed, err := j.store.Confirm(ctx, j.Module, j.ModOnly, r.Signer)
	r.outages.Observe(j.store, err)
	switch {
	case errors.Is(err, registry.ErrNotFound):
	case errors.Is(err, registry.ErrPolicy):
		j.heldBack(err, r.Signer != nil)
	case err != nil:
		return err
	default:
		if err := r.forbidden(ctx, sign.Subject{Module: j.Module, Digest: have.Descriptor.Digest}); err != nil {
			return err
		}
		if err := j.found(j.store, have); err != nil {
			return err
		}
		j.have, j.signed = &requirement.Sums{Zip: have.Sum, GoMod: have.GoModSum}, signed
		if r.Verify {
			blobs, err := j.store.Damaged(ctx, have, false)
			if err != nil {
				return err
			}
			if len(blobs) > 0 {
				j.damaged = &damaged{module: have, blobs: blobs}
				if r.DryRun {
					j.Status = Mended
				}
				return nil // which is to be mended before anything else can be known
			}
		}
		if j.lacksRecord, err = r.lacksEvidence(ctx, j, have); err != nil {
			return fmt.Errorf("looking for %s: %w", j.Module, err)
		}
	}
	switch {
	case j.Status != "":
	case j.signed && (!j.lacksRecord || r.DryRun):
		j.Status = Existing
	case r.DryRun:
		return r.plan(ctx, j)
	case j.public:
		j.lookup, j.lookupFail = r.Checksums.Lookup(ctx, j.Module)
	}
	return nil
}

// forbidden is the error for what nobody may use on the other side, whoever signs it.
func (r *runner) forbidden(ctx context.Context, s sign.Subject) error {
	if r.Policy == nil {
		return nil
	}
	if _, err := r.Policy.Verify(ctx, s, nil); errors.Is(err, sign.ErrForbidden) {
		return fmt.Errorf("mirroring %s: %w", s.Module, err)
	}
	return nil
}

// heldBack deals with a version that a policy of the registry lets nobody read. One that only lacks a signature is
// published again, which signs it.
func (j *job) heldBack(err error, sign bool) {
	var answer *registry.Error
	if !errors.As(err, &answer) {
		answer = new(registry.Error)
	}
	if answer.Unsigned && sign {
		j.unread = true
		return
	}
	j.Status, j.Reference, j.HeldBack = Existing, answer.Where(), cmp.Or(answer.Message, registry.ErrPolicy.Error())
}

// plan says what would be done for a version that is not there, or not signed by us.
func (r *runner) plan(ctx context.Context, j *job) error {
	if j.have != nil || j.unread {
		j.Status = Signed
		return nil
	}
	j.Status = Planned
	_, err := r.Upstream.Info(ctx, j.Module)
	return err
}

// finish does what inspection found to be missing.
func (r *runner) finish(ctx context.Context, j *job) error {
	if err := r.outages.Check(j.store); err != nil {
		return err
	}
	if j.damaged != nil {
		if err := r.mend(ctx, j); err != nil {
			return err
		}
		if j.Status != "" {
			return nil
		}
	}
	var e *artifact.Evidence
	if !j.signed {
		got, err := fetch(ctx, r.Upstream, r.temp, j.Module, j.ModOnly)
		if err != nil {
			return r.goModInstead(ctx, j, err)
		}
		defer os.Remove(got.ZipFile) // "" for a mod-only version; the directory is removed in any case
		if e, err = r.evidence(ctx, j); err != nil {
			return err
		}
		if err := r.publish(ctx, j, got, e); err != nil {
			return err
		}
	}
	if !j.lacksRecord {
		return nil
	}
	return r.complete(ctx, j, e)
}

// goModInstead mirrors the go.mod of a version whose zip upstream does not have or give away, because of err:
// more module graphs need it than builds need the zip. The item has failed all the same.
func (r *runner) goModInstead(ctx context.Context, j *job, err error) error {
	var failed *upstream.Error
	switch {
	case j.ModOnly, goproxy.IsToolchain(j.Module), ctx.Err() != nil: // a toolchain has nothing but its zip
		return err
	case !errors.As(err, &failed), failed.File != string(goproxy.Zip), failed.Status == 0 && !errors.Is(err, upstream.ErrNotFound):
		return err
	}
	it := j.Requirement
	it.ModOnly, it.Revisions = true, nil
	alone := &job{Event: Event{Requirement: it}, public: j.public, tile: -1}
	also := r.inspect(ctx, alone)
	if also == nil && alone.Status == "" {
		also = r.finish(ctx, alone)
	}
	switch {
	case also == nil:
		j.goModStored = true
		return fmt.Errorf("%w; its go.mod is mirrored", err)
	case errors.Is(also, upstream.ErrChecksum), errors.Is(also, registry.ErrConflict):
		return errors.Join(also, err) // which is worse than that something is missing
	}
	return err
}

// publish checks what was fetched, and publishes it.
func (r *runner) publish(ctx context.Context, j *job, files artifact.Files, e *artifact.Evidence) error {
	if e != nil {
		files.SumDB, files.Tiles = e.Record, e.Tiles
	}
	a, err := build(files)
	if err != nil {
		return err
	}
	m := a.Manifest
	j.Got = requirement.Sums{Zip: m.Sum, GoMod: m.GoModSum}
	if err := j.checkLock("upstream"); err != nil {
		return err
	}
	if err := checkSums(requirement.Sums{Zip: j.Sum, GoMod: j.GoModSum}, m, j.From); err != nil {
		return err
	}
	if e != nil {
		record, err := sumdb.ParseRecord(e.Record)
		if err != nil {
			return err
		}
		zipSum, modSum, err := record.Sums(j.Module)
		if err != nil {
			return err
		}
		if err := checkSums(requirement.Sums{Zip: zipSum, GoMod: modSum}, m, "the checksum database "+r.Checksums.Name()); err != nil {
			return err
		}
		j.Recorded, j.tile = true, r.tileOf(e.Record, e.Tiles)
	}
	outcome, err := j.store.Publish(ctx, a, registry.PublishOptions{
		Signer:   r.Signer,
		Recorded: j.Recorded,
		Absent:   j.have == nil && !j.unread,
	})
	r.outages.Observe(j.store, err)
	if err != nil {
		return err
	}
	return j.published(j.store, a, outcome)
}

// complete publishes evidence for a version that is stored without it.
func (r *runner) complete(ctx context.Context, j *job, e *artifact.Evidence) error {
	if e == nil {
		captured, err := r.evidence(ctx, j)
		if err != nil {
			return err
		}
		e = captured
	}
	record, err := sumdb.ParseRecord(e.Record)
	if err != nil {
		return err
	}
	if err := record.Check(j.Module, j.have.Zip, j.have.GoMod); err != nil {
		return fmt.Errorf("SECURITY: %s was stored without asking the checksum database, and is not what that knows: find out who changed it, and delete it: %w: %w",
			j.Reference, upstream.ErrChecksum, err)
	}
	err = j.store.PublishEvidence(ctx, *e, r.Signer)
	r.outages.Observe(j.store, err)
	if err != nil {
		return err
	}
	j.Recorded, j.tile = true, r.tileOf(e.Record, e.Tiles)
	if j.Status != Signed {
		j.Status = Completed
	}
	return nil
}
