package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/outage"
	"github.com/modferry/modferry/registry/redact"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/verify"
)

// Outcome is what verification of a version ends in.
type Outcome string

// The outcomes.
const (
	OK      Outcome = "ok"
	Refused Outcome = "REFUSED" // it was read, and is not to be trusted
	Failed  Outcome = "FAILED"  // it is missing or cannot be read
)

// OutcomeOf is what an error of a store or of verification means.
func OutcomeOf(err error) Outcome {
	switch class := verify.Classify(err); {
	case class == verify.Accepted:
		return OK
	case class.IsRefusal():
		return Refused
	}
	return Failed
}

// Verdict is what was found out about one version.
type Verdict struct {
	Module  string   `json:"module"`
	Version string   `json:"version"`
	ModOnly bool     `json:"modOnly,omitempty"`
	Outcome Outcome  `json:"outcome"`
	Digest  string   `json:"digest,omitempty"`
	Keys    []string `json:"keys,omitempty"`
	// Signatures are those that were looked at: bundles only where the classic ones are not enough.
	Signatures []sign.Finding `json:"signatures,omitempty"`
	SumDB      verify.Logged  `json:"sumdb,omitempty"`
	Mended     bool           `json:"mended,omitempty"` // it was damaged, and is not any more
	Error      string         `json:"error,omitempty"`
}

// String is the verdict in one line, for people.
func (v Verdict) String() string {
	words := append([]string{fmt.Sprintf("%-8s %s %s%s ", v.Outcome, v.Module, v.Version, Kind(v.ModOnly))}, v.Keys...)
	if v.SumDB != "" {
		words = append(words, "sumdb="+string(v.SumDB))
	}
	if v.Mended {
		words = append(words, "mended")
	}
	return strings.TrimSpace(strings.Join(words, " "))
}

// Checker verifies versions where they are routed to.
type Checker struct {
	verify.Checker
	Stores *registry.Router
	Jobs   int  // versions at a time
	Listed bool // what is verified was listed: nothing but the form that ModOnly says will do

	// Then, if it is not nil, is called with each version that passes.
	Then func(ctx context.Context, store *registry.Store, m *registry.Module, v *Verdict) error

	// Mend, if it is not nil, puts back the blobs of a version that are missing or changed.
	Mend func(ctx context.Context, store *registry.Store, m *registry.Module, damaged []ocispec.Descriptor) error
}

// CheckAll verifies list and returns a channel for each verdict. Every channel gets its verdict, also when ctx is
// cancelled.
func (c *Checker) CheckAll(ctx context.Context, list []requirement.Requirement) []chan Verdict {
	out := make([]chan Verdict, len(list))
	for i := range out {
		out[i] = make(chan Verdict, 1)
	}
	var g errgroup.Group
	g.SetLimit(c.Jobs)
	outages := new(outage.Detector)
	go func() {
		for i, r := range list {
			g.Go(func() error {
				v := Verdict{Module: r.Module.Path, Version: r.Module.Version, ModOnly: r.ModOnly}
				err := c.checkUnlessDown(ctx, r, &v, outages)
				if c.Mend != nil && errors.Is(err, registry.ErrCorrupt) {
					err = c.mend(ctx, r, &v, err)
				}
				if v.Outcome = OutcomeOf(err); err != nil {
					v.Error = redact.Text(err.Error())
				}
				out[i] <- v
				return nil
			})
		}
	}()
	return out
}

// checkUnlessDown is check, as long as the store answers.
func (c *Checker) checkUnlessDown(ctx context.Context, r requirement.Requirement, v *Verdict, outages *outage.Detector) error {
	store, err := c.Stores.For(r.Module.Path)
	if err != nil {
		return err
	}
	if err := outages.Check(store); err != nil {
		return fmt.Errorf("%v: %w", r.Module, err)
	}
	err = c.check(ctx, store, r, v)
	outages.Observe(store, err)
	return err
}

// check fills in v as far as it gets.
func (c *Checker) check(ctx context.Context, store *registry.Store, r requirement.Requirement, v *Verdict) error {
	m, err := c.find(ctx, store, r)
	if err != nil {
		return err
	}
	v.Digest, v.ModOnly = m.Descriptor.Digest.String(), m.ModOnly()
	checker := c.Checker
	recorded := &recorder{Verifier: c.Verifier, found: make(map[digest.Digest][]sign.Finding)}
	checker.Verifier = recorded
	found, err := checker.Check(ctx, store, m, verify.Known{})
	v.Signatures = recorded.found[m.Descriptor.Digest]
	if err != nil {
		return err
	}
	v.Keys, v.SumDB = found.Keys, found.Logged
	if !m.ModOnly() {
		if err := checkZip(ctx, store, m); err != nil {
			return err
		}
	}
	if err := compare(r, m); err != nil || c.Then == nil {
		return err
	}
	return c.Then(ctx, store, m, v)
}

// mend puts back what a version lacks that was refused because of damage, and checks it anew. What could not be mended
// is still refused because of damage.
func (c *Checker) mend(ctx context.Context, r requirement.Requirement, v *Verdict, damage error) error {
	store, err := c.Stores.For(r.Module.Path)
	if err != nil {
		return err
	}
	m, err := c.find(ctx, store, r)
	if err != nil {
		return damage // it is not in the blobs
	}
	blobs, err := store.Damaged(ctx, m, true)
	if err == nil && len(blobs) == 0 {
		return damage
	}
	if err == nil {
		err = c.Mend(ctx, store, m, blobs)
	}
	if err != nil {
		return fmt.Errorf("%w; not mended: %v", damage, err)
	}
	if err := c.check(ctx, store, r, v); err != nil {
		return c.unmended(ctx, store, m, err)
	}
	v.Mended = true
	return nil
}

// unmended is the error for a version that is not in order after its blobs were put back.
func (c *Checker) unmended(ctx context.Context, store *registry.Store, m *registry.Module, err error) error {
	kept, e := store.Damaged(ctx, m, true)
	if e != nil || len(kept) == 0 || store.IsLayout() {
		return fmt.Errorf("after its blobs were put back from upstream: %w", err)
	}
	var files []string
	for _, d := range kept {
		files = append(files, fmt.Sprintf("docker/registry/v2/blobs/%s/%.2[2]s/%[2]s/data", d.Digest.Algorithm(), d.Digest.Encoded()))
	}
	return fmt.Errorf("%v: %w: the registry took the right content and kept what it had, as distribution does: "+
		"delete %s in its storage, or what it has in the place of that, restart it if it caches, and run this again", m.Module, registry.ErrCorrupt, strings.Join(files, ", "))
}

// find finds the form that r wants. Where nothing From says is known of that, either will do.
func (c *Checker) find(ctx context.Context, store *registry.Store, r requirement.Requirement) (*registry.Module, error) {
	if c.Listed {
		return store.FindKind(ctx, r.Module, r.ModOnly)
	}
	m, err := store.Find(ctx, r.Module)
	if err == nil && m.ModOnly() && !r.ModOnly && r.From != "" {
		return nil, fmt.Errorf("%v: only the go.mod is in the store; mirror it by this name to have the whole version", r.Module)
	}
	return m, err
}

// checkZip downloads the zip to a temporary file and recomputes its sum.
func checkZip(ctx context.Context, store *registry.Store, m *registry.Module) error {
	f, err := os.CreateTemp("", "modferry-verify-*.zip")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	return verify.Zip(ctx, store, m, f)
}

// compare checks the sums of m, which its contents have been found to have, against those that are expected.
func compare(r requirement.Requirement, m *registry.Module) error {
	if r.Sum != "" && r.Sum != m.Sum {
		return fmt.Errorf("%v: %w: %s says %s, the store has %s", r.Module, verify.ErrSums, r.From, r.Sum, m.Sum)
	}
	if r.GoModSum != "" && r.GoModSum != m.GoModSum {
		return fmt.Errorf("%v: %w: %s says %s for the go.mod, the store has %s", r.Module, verify.ErrSums, r.From, r.GoModSum, m.GoModSum)
	}
	return nil
}
