package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/verify"
)

// An Event is what became of an item.
type Event struct {
	Item    Item             // with the descriptor that the source has, as far as that is known
	Module  module.Version   // that it is about; of a revision, with the name in the version's place; zero of others
	Outcome registry.Outcome // if Err is nil
	Err     error
	Sent    int64 // bytes of blobs that were sent to the destination
	Mounted int64 // bytes of blobs that its registry took from another of its repositories
}

// Refused reports whether the item was found and is not to be trusted: [verify.Class.IsRefusal] of its error, or other
// content is at the destination.
func (e Event) Refused() bool {
	return verify.Classify(e.Err).IsRefusal() || errors.Is(e.Err, registry.ErrConflict)
}

// deadAfter is how many items in a row may find that a store does not answer, each after all retries, before the rest
// is not tried any more.
const deadAfter = 8

// A run copies items and stops when it is no use to go on.
type run struct {
	*Copier
	jobs   int
	report func(Event)

	mu         sync.Mutex
	unanswered int // items in a row
}

// How many items are copied at a time unless somebody says otherwise: a registry is spared; in a directory, those that
// wait for the disk wait for it together.
const (
	registryJobs  = 4
	directoryJobs = 32
)

// CopyAll copies items, which are in the order of [Compare], jobs at a time where that keeps the order of their phases
// (0 = 4, or 32 into a directory), and tells report about each, one call at a time. One that fails does not hinder the
// others, unless they would fail as well: the error says why they were not tried.
func (c *Copier) CopyAll(ctx context.Context, items []Item, jobs int, report func(Event)) error {
	return c.newRun(jobs, report).all(ctx, items)
}

func (c *Copier) newRun(jobs int, report func(Event)) *run {
	if jobs == 0 && c.Destination.IsLayout() {
		jobs = directoryJobs
	}
	return &run{Copier: c, jobs: cmp.Or(jobs, registryJobs), report: report}
}

func (r *run) all(ctx context.Context, items []Item) error {
	defer r.scratch.hold()()
	for len(items) > 0 {
		n := 1
		for n < len(items) && phase(items[n]) == phase(items[0]) {
			n++
		}
		jobs := r.jobs
		switch phase(items[0]) {
		case Snapshot, Index: // each goes on from the one before: two indexes of one signer would take the same tag
			jobs = 1
		}
		if err := r.each(ctx, items[:n], jobs); err != nil {
			return err
		}
		items = items[n:]
	}
	return nil
}

// each copies items of one phase.
func (r *run) each(ctx context.Context, items []Item, jobs int) error {
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(jobs)
	for _, it := range items {
		if groupCtx.Err() != nil {
			break
		}
		g.Go(func() error {
			e := r.Copy(groupCtx, it)
			if groupCtx.Err() != nil {
				return context.Cause(groupCtx) // what was interrupted says nothing
			}
			return r.done(e)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// done reports an event, and returns why there is no use in going on.
func (r *run) done(e Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report(e)
	if !errors.Is(e.Err, registry.ErrUnavailable) {
		r.unanswered = 0
	} else {
		r.unanswered++
	}
	switch {
	case errors.Is(e.Err, registry.ErrReadOnly), errors.Is(e.Err, syscall.ENOSPC):
		return fmt.Errorf("nothing more was copied: %w", e.Err)
	case errors.Is(e.Err, registry.ErrUnreachable), r.unanswered == deadAfter:
		return fmt.Errorf("nothing more was copied: a store does not answer: %w", e.Err)
	}
	return nil
}
