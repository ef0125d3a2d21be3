package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/outage"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream"
)

// Options configures [Run]. Stores and Upstream are needed.
type Options struct {
	Stores    *registry.Router    // where to
	Upstream  *upstream.Upstream  // where from
	Checksums *upstream.Checksums // nil = nothing is checked against a database, and no evidence kept
	Signer    *sign.Signer        // nil = do not sign
	Policy    sign.Verifier       // what it forbids, whoever signs it, is not mirrored; nil = nothing
	Jobs      int                 // versions at a time; 0 = 4
	Verify    bool                // of what the stores have, check that the blobs are there, and put back what is missing
	// WaitForScan is how long to wait, after all was mirrored, until the policies of the registries let it through whose
	// scanners look at it first; 0 = not at all. What is held back then has another event, HeldBack, with the registry's words.
	WaitForScan time.Duration
	ScanPoll    time.Duration // how often they are asked; 0 = every 2 s
	Scanning    func(n int)   // told of how many versions are waited for, each time that changes; nil = nobody

	DryRun  bool         // look what would be done, and whether upstream has it
	Report  func(Event)  // told what became of each item, one call at a time; nil = nobody
	TempDir string       // for zips on their way; "" = the system's
	Log     *slog.Logger // nil = discard

	// Progress, if not nil, is told how many of the tiles that a new checksum database snapshot takes are there:
	// about 1,100 for the first, later a handful. Calls overlap neither each other nor those of Report.
	Progress func(done, total int)
}

// Run mirrors items. What the store has already is not fetched again, so that running again finishes what was
// interrupted. An item that fails does not hinder the others: see its event, and the summary.
//
// Modules that the checksum database covers get evidence: what the database says
// at one signed head. If there are any, the snapshot of that head is published into their stores
// before anything else. Versions that were stored without evidence are completed.
//
// The error is one of ctx or of o, or it is ErrChecksum: the database contradicts itself or what it said earlier
// (then also sumdb.ErrForked, sumdb.ErrShrunk or sumdb.ErrSignature), and nothing was published; or a version is not
// what the lock file says (then it is a *LockError); or a store takes nothing now (registry.ErrReadOnly), whatever the
// version. Items that were not done by then have no event.
func Run(ctx context.Context, items []requirement.Requirement, o Options) (Summary, error) {
	if o.Stores == nil || o.Upstream == nil {
		return Summary{}, errors.New("mirroring takes a store and an upstream")
	}
	if o.Jobs <= 0 {
		o.Jobs = 4
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	temp, err := os.MkdirTemp(o.TempDir, "modferry-mirror-*")
	if err != nil {
		return Summary{}, fmt.Errorf("making room for zips: %w", err)
	}
	r := &runner{Options: o, temp: temp, stored: make(map[*registry.Store]map[string]bool), tiles: make(map[*registry.Store]map[int64]module.Version)}
	ctx, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)
	err = r.all(ctx, items)
	return r.summary, errors.Join(err, os.RemoveAll(temp))
}

// runner is one call of Run.
type runner struct {
	Options
	temp string
	stop context.CancelCauseFunc

	head    *treeHead
	headErr error // why there is none, although one is needed
	outages outage.Detector

	mu      sync.Mutex // guards what follows, and calls of Report
	summary Summary
	stores  []*registry.Store                            // that have or get modules which the database covers
	stored  map[*registry.Store]map[string]bool          // the paths of modules that are there now
	tiles   map[*registry.Store]map[int64]module.Version // and the complete level-0 tiles, with who has each
	scans   []*scanned                                   // what is there now and may be scanned first
}

// all first looks what is to do for each item and what the database knows about it, so
// that one head of the database covers them all, and then does it.
func (r *runner) all(ctx context.Context, items []requirement.Requirement) error {
	jobs := make([]*job, len(items))
	for i, it := range items {
		jobs[i] = &job{Event: Event{Requirement: it}, public: r.Checksums.Covers(it.Module.Path), tile: -1}
	}
	r.each(ctx, jobs, r.inspect)
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := r.fixHead(ctx); err != nil {
		return err
	}
	r.each(ctx, slices.DeleteFunc(jobs, func(j *job) bool { return j == nil }), r.finish)
	if !r.DryRun {
		r.publishIndexes(ctx)
		r.publishTileIndexes(ctx)
		r.awaitScans(ctx)
	}
	return context.Cause(ctx)
}

// each takes a step for every job, some at a time, and reports those that are done thereby, which it forgets.
func (r *runner) each(ctx context.Context, jobs []*job, step func(context.Context, *job) error) {
	var group errgroup.Group
	group.SetLimit(r.Jobs)
	for i, j := range jobs {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			start := time.Now()
			err := step(ctx, j)
			if err == nil && j.Status != "" {
				err = r.record(ctx, j)
			}
			if errors.Is(err, ErrLocked) || errors.Is(err, registry.ErrReadOnly) {
				r.stop(err)
			}
			if err != nil {
				j.Status, j.Err = Failed, err
			}
			j.Elapsed += time.Since(start)
			if j.Status != "" && (j.Status != Failed || ctx.Err() == nil || errors.Is(err, ErrLocked)) {
				r.report(j)
				jobs[i] = nil
			}
			return nil
		})
	}
	_ = group.Wait() // errors are in the events
}

func (r *runner) report(j *job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.add(j.Event)
	r.expectScan(j)
	if j.Status != Failed || j.goModStored {
		if r.stored[j.store] == nil {
			r.stored[j.store] = make(map[string]bool)
		}
		r.stored[j.store][j.Module.Path] = true
	}
	if j.Status != Failed && j.tile >= 0 {
		if r.tiles[j.store] == nil {
			r.tiles[j.store] = make(map[int64]module.Version)
		}
		r.tiles[j.store][j.tile] = j.Module
	}
	if r.Report != nil {
		r.Report(j.Event)
	}
}

// reportTiles passes on the progress of a capture.
func (r *runner) reportTiles(done, total int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Progress != nil {
		r.Progress(done, total)
	}
}

// fixHead fixes the head of the database, if a module needs that. Only a database that lies stops the run: without an
// answer, or without a place for the snapshot, what is there already is none the worse.
func (r *runner) fixHead(ctx context.Context) error {
	if len(r.stores) == 0 || r.DryRun {
		return nil
	}
	r.head, r.headErr = newTreeHead(ctx, r, r.stores)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(r.headErr, upstream.ErrChecksum):
		return r.headErr
	case r.headErr != nil:
		r.Log.Warn("the checksum snapshot was not brought up to date", "error", r.headErr)
	}
	return nil
}

// record stores the names that the version was found by, once it is there.
func (r *runner) record(ctx context.Context, j *job) error {
	if r.DryRun {
		return nil
	}
	for _, name := range j.Revisions {
		revision := artifact.Revision{Path: j.Module.Path, Name: name, Version: j.Module.Version}
		if err := j.store.PublishRevision(ctx, revision, r.Signer); err != nil {
			return err
		}
	}
	return nil
}
