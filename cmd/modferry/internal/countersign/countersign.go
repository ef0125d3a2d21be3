// Package countersign adds a signer's signatures to what stores hold and others have signed: to module versions that
// verify, and to what goes with them.
package countersign

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/cmd/modferry/internal/audit"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/redact"
	"github.com/modferry/modferry/registry/requirement"
)

// Status is what became of something.
type Status string

// The statuses; of what was not signed it is an audit.Outcome.
const (
	Signed Status = "signed"
	Exists Status = "exists" // it has the signatures already
	Would  Status = "would"  // it would be signed
)

// Result is what became of one thing.
type Result struct {
	Kind    string `json:"kind"` // version, revision, snapshot or index
	Name    string `json:"name"` // module@version, module@revision, the snapshot's or the index's repository
	ModOnly bool   `json:"modOnly,omitempty"`
	Status  Status `json:"status"`
	Error   string `json:"error,omitempty"`
}

// String is the result in one line, for people.
func (r Result) String() string {
	s := fmt.Sprintf("%-8s %s%s", r.Status, r.Name, audit.Kind(r.ModOnly))
	if r.Kind != "version" {
		s += " (" + r.Kind + ")"
	}
	return s
}

// A Run signs. Checker decides what may be signed.
type Run struct {
	Checker audit.Checker
	Signer  *sign.Signer
	DryRun  bool
}

func (r *Run) in(store *registry.Store) *registry.Countersigner {
	return &registry.Countersigner{Store: store, Verifier: r.Checker.Verifier, Signer: r.Signer, DryRun: r.DryRun}
}

// Versions verifies versions, and signs each that passes, with the evidence that is stored apart from it. It yields the
// results in the order of the list, all of them, also when ctx is cancelled.
func (r *Run) Versions(ctx context.Context, list []requirement.Requirement) iter.Seq[Result] {
	return func(yield func(Result) bool) {
		var added sync.Map // of *audit.Verdict
		checker := r.Checker
		checker.Then = func(ctx context.Context, store *registry.Store, m *registry.Module, v *audit.Verdict) error {
			some, err := r.version(ctx, store, m)
			added.Store(key(v.Module, v.Version, v.ModOnly), some)
			return err
		}
		more := true
		for _, ch := range checker.CheckAll(ctx, list) {
			v := <-ch // each: the stores may only be closed when all are done
			res := Result{Kind: "version", Name: v.Module + "@" + v.Version, ModOnly: v.ModOnly, Error: v.Error, Status: Status(v.Outcome)}
			if v.Outcome == audit.OK {
				some, _ := added.Load(key(v.Module, v.Version, v.ModOnly))
				res.Status = r.status(some == true)
			}
			more = more && yield(res)
		}
	}
}

func key(path, version string, modOnly bool) string {
	return path + "@" + version + audit.Kind(modOnly)
}

func (r *Run) status(added bool) Status {
	switch {
	case !added:
		return Exists
	case r.DryRun:
		return Would
	}
	return Signed
}

// version signs a version and its evidence.
func (r *Run) version(ctx context.Context, store *registry.Store, m *registry.Module) (added bool, err error) {
	c := r.in(store)
	added, err = c.Version(ctx, m)
	if err != nil {
		return false, err
	}
	evidence, err := c.Evidence(ctx, m)
	if errors.Is(err, registry.ErrNotFound) {
		return added, nil
	}
	return added || evidence, err
}

// Rest signs what stores hold besides versions: the revisions recorded for modules, the snapshots of a checksum database,
// and the index of modules, which is one of the signer's own. Without a log, it is the revisions only.
func (r *Run) Rest(ctx context.Context, paths []string, log *sumdb.Log) iter.Seq[Result] {
	return func(yield func(Result) bool) {
		for _, res := range r.revisions(ctx, paths) {
			if !yield(res) {
				return
			}
		}
		if log == nil {
			return
		}
		for _, store := range r.Checker.Stores.Stores() {
			for _, res := range append(r.snapshots(ctx, store, log), r.index(ctx, store, paths)...) {
				if !yield(res) {
					return
				}
			}
		}
	}
}

// revisions signs the revisions of modules, several modules at a time.
func (r *Run) revisions(ctx context.Context, paths []string) []Result {
	results := make([][]Result, len(paths))
	var g errgroup.Group
	g.SetLimit(r.Checker.Jobs)
	for i, path := range paths {
		g.Go(func() error {
			results[i] = r.revisionsOf(ctx, path)
			return nil
		})
	}
	_ = g.Wait() // the errors are in the results
	return slices.Concat(results...)
}

func (r *Run) revisionsOf(ctx context.Context, path string) (results []Result) {
	store, err := r.Checker.Stores.For(path)
	var names []string
	if err == nil {
		_, names, err = store.Listing(ctx, path)
	}
	if err != nil {
		return []Result{r.result("revision", path, false, err)}
	}
	for _, name := range names {
		added, err := r.in(store).Revision(ctx, path, name)
		results = append(results, r.result("revision", module.Version{Path: path, Version: name}.String(), added, err))
	}
	return results
}

// snapshots signs the snapshots of a store: that of each head, of which the newest is the latest.
func (r *Run) snapshots(ctx context.Context, store *registry.Store, log *sumdb.Log) (results []Result) {
	name := store.Reference(log.Repository(), "")
	heads, err := store.Heads(ctx, log)
	switch {
	case registry.IsAbsent(err):
		return nil
	case err != nil:
		return []Result{r.result("snapshot", name, false, err)}
	}
	tags := []string{sumdb.LatestTag}
	for _, n := range heads {
		tags = append(tags, sumdb.HeadTag(n))
	}
	for _, tag := range tags {
		added, err := r.in(store).Snapshot(ctx, log, tag)
		if errors.Is(err, registry.ErrNotFound) {
			continue
		}
		results = append(results, r.result("snapshot", store.Reference(log.Repository(), tag), added, err))
	}
	return results
}

// index signs which modules are routed to a store, in the index of the signer there.
func (r *Run) index(ctx context.Context, store *registry.Store, paths []string) []Result {
	var here []string
	for _, path := range paths {
		if routed, err := r.Checker.Stores.For(path); err == nil && routed == store {
			here = append(here, path)
		}
	}
	if len(here) == 0 {
		return nil
	}
	added, err := r.in(store).Index(ctx, here)
	return []Result{r.result("index", store.Reference(artifact.IndexRepository, ""), added, err)}
}

func (r *Run) result(kind, name string, added bool, err error) Result {
	res := Result{Kind: kind, Name: name, Status: Status(audit.OutcomeOf(err))}
	if err != nil {
		res.Error = redact.Text(err.Error())
		return res
	}
	res.Status = r.status(added)
	return res
}
