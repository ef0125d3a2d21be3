package mirror

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/registry"
)

// scanPoll is how often a registry is asked whether it lets a version through.
const scanPoll = 2 * time.Second

// scanned is a version in a registry whose policy may want it scanned before anybody reads it.
type scanned struct {
	Event
	store *registry.Store
	held  string // what the registry said last
}

// expectScan remembers a version that is in a registry now, for [runner.awaitScans]. Call it with r.mu held.
func (r *runner) expectScan(j *job) {
	if r.WaitForScan <= 0 || r.DryRun || j.Status == Failed || j.ModOnly || j.store.IsLayout() {
		return
	}
	r.scans = append(r.scans, &scanned{Event: Event{Requirement: j.Requirement, Reference: j.Reference, Digest: j.Digest}, store: j.store})
}

// awaitScans waits until the registries' policies let the versions through that are there, as long as scans have not
// ended and WaitForScan lasts, and reports those that are held back then.
func (r *runner) awaitScans(ctx context.Context) {
	waiting, cancel := context.WithTimeout(ctx, r.WaitForScan)
	defer cancel()
	asking := ctx // at least once, however short the wait is: what is reported is what the registry says
	for left, told := r.scans, 0; len(left) > 0; {
		left = r.askForScans(asking, left)
		asking = waiting
		if len(left) == 0 || ctx.Err() != nil {
			return
		}
		if told != len(left) && r.Scanning != nil {
			r.Scanning(len(left))
		}
		told = len(left)
		select {
		case <-waiting.Done():
			for _, s := range left {
				r.reportHeld(s)
			}
			return
		case <-time.After(cmp.Or(r.ScanPoll, scanPoll)):
		}
	}
}

// askForScans asks for versions, reports those that are held back for good, and returns those whose scans have not ended.
func (r *runner) askForScans(ctx context.Context, list []*scanned) (left []*scanned) {
	var group errgroup.Group
	var mu sync.Mutex
	group.SetLimit(r.Jobs)
	for _, s := range list {
		group.Go(func() error {
			err := r.outages.Check(s.store)
			if err == nil {
				_, err = s.store.FindKind(ctx, s.Module, false)
				r.outages.Observe(s.store, err)
			}
			var answer *registry.Error
			switch {
			case err == nil:
				return nil
			case errors.Is(err, registry.ErrPolicy) && errors.As(err, &answer):
				s.held = cmp.Or(answer.Message, registry.ErrPolicy.Error())
				if !answer.ScanPending && !answer.Unscanned {
					r.reportHeld(s)
					return nil
				}
			case ctx.Err() == nil:
				s.Err = err
				r.reportHeld(s)
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			left = append(left, s)
			return nil
		})
	}
	_ = group.Wait() // errors are in the events
	return left
}

// reportHeld reports a version that is there and that the registry does not let through.
func (r *runner) reportHeld(s *scanned) {
	s.Status, s.HeldBack = HeldBack, s.held
	if s.Err != nil {
		s.Status, s.HeldBack = Failed, ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.add(s.Event)
	if r.Report != nil {
		r.Report(s.Event)
	}
}
