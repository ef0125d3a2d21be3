package mirror

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
)

// Options configures [Run]. Stores and Upstream are needed.
type Options struct {
	Stores    *registry.Router // where to
	Upstream  *Upstream        // where from
	Checksums *Checksums       // nil = nothing is checked against a database
	Signer    *sign.Signer     // nil = do not sign
	Jobs      int              // versions at a time; 0 = 4
	DryRun    bool             // look what would be done, and whether upstream has it
	Report    func(Event)      // told what became of each item, one call at a time; nil = nobody
	TempDir   string           // for zips on their way; "" = the system's
}

// Run mirrors items. What the store has already is not fetched again, so that
// running again finishes what was interrupted. An item that fails does not
// hinder the others: see its event, and the summary.
//
// The error is one of ctx or of o. Items that were not done by then have no event.
func Run(ctx context.Context, items []Item, o Options) (Summary, error) {
	if o.Stores == nil || o.Upstream == nil {
		return Summary{}, errors.New("mirroring takes a store and an upstream")
	}
	if o.Jobs <= 0 {
		o.Jobs = 4
	}
	temp, err := os.MkdirTemp(o.TempDir, "modferry-mirror-*")
	if err != nil {
		return Summary{}, fmt.Errorf("making room for zips: %w", err)
	}
	r := &runner{Options: o, temp: temp}
	err = r.all(ctx, items)
	return r.summary, errors.Join(err, os.RemoveAll(temp))
}

// runner is one call of Run.
type runner struct {
	Options
	temp string

	mu      sync.Mutex // guards summary and calls of Report
	summary Summary
}

func (r *runner) all(ctx context.Context, items []Item) error {
	var group errgroup.Group
	group.SetLimit(r.Jobs)
	for _, it := range items {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			start := time.Now()
			e := r.one(ctx, it)
			if e.Status == Failed && ctx.Err() != nil {
				return nil // that is why
			}
			e.Elapsed = time.Since(start)
			r.report(e)
			return nil
		})
	}
	_ = group.Wait()
	return context.Cause(ctx)
}

func (r *runner) report(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.add(e)
	if r.Report != nil {
		r.Report(e)
	}
}

// one mirrors a version.
func (r *runner) one(ctx context.Context, it Item) Event {
	e := Event{Item: it}
	if err := r.mirror(ctx, &e); err != nil {
		e.Status, e.Err = Failed, err
	}
	return e
}

// mirror does the work for e and fills it in.
func (r *runner) mirror(ctx context.Context, e *Event) error {
	store, err := r.Stores.For(e.Module.Path)
	if err != nil {
		return fmt.Errorf("mirroring %s: %w", e.Module, err)
	}
	have, done, err := store.Confirm(ctx, e.Module, e.ModOnly, r.Signer)
	switch {
	case errors.Is(err, registry.ErrNotFound):
	case err != nil:
		return err
	default:
		if err := e.found(store, have); err != nil || done {
			return err
		}
	}
	if r.DryRun {
		return r.plan(ctx, e, have != nil)
	}
	return r.ferry(ctx, store, e)
}

// plan says what would be done for a version that is not there, or not signed by us.
func (r *runner) plan(ctx context.Context, e *Event, exists bool) error {
	if exists {
		e.Status = Signed
		return nil
	}
	e.Status = Planned
	_, err := r.Upstream.Info(ctx, e.Module)
	return err
}

// ferry fetches a version, checks it and publishes it.
func (r *runner) ferry(ctx context.Context, store *registry.Store, e *Event) error {
	cargo, err := r.fetch(ctx, e.Module, e.ModOnly)
	if err != nil {
		return err
	}
	defer cargo.remove()
	a, err := cargo.pack()
	if err != nil {
		return err
	}
	m := a.Manifest
	if err := e.Item.sums().check(e.Module, m.Sum, m.GoModSum, e.From); err != nil {
		return err
	}
	if cargo.sums != nil {
		if err := cargo.sums.check(e.Module, m.Sum, m.GoModSum, "the checksum database "+r.Checksums.Name()); err != nil {
			return err
		}
		e.Pinned = true
	}
	outcome, err := store.Publish(ctx, a, registry.PublishOptions{
		Signer: r.Signer,
		Pinned: e.Pinned,
		Absent: e.Reference == "", // nothing was found
	})
	if err != nil {
		return err
	}
	return e.published(store, a, outcome)
}
