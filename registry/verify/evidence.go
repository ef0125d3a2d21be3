package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
)

// Logged says what the checksum database says about a version, as far as the store knows.
type Logged string

// What it can be.
const (
	Verified   Logged = "verified"            // its sums are in the signed log
	None       Logged = "none"                // no record: private, or mirrored without the database
	NoSnapshot Logged = "no-snapshot"         // a record, and no snapshot to check it with
	Newer      Logged = "newer-than-snapshot" // a record that a later snapshot will cover
	NoTile     Logged = "no-tile"             // a record whose tile is neither with it nor in the snapshot
)

// search looks for evidence in the store, and checks it.
func (c *Checker) search(ctx context.Context, store *registry.Store, mod *registry.Module, r *Result) (err error) {
	if r.Meta == nil {
		if r.Meta, err = Meta(ctx, store, mod); err != nil {
			return err
		}
	}
	if r.Meta.SumDB == nil && r.Snapshot == nil && !c.Thorough {
		return nil
	}
	e, err := c.stored(ctx, store, mod, r)
	switch {
	case errors.Is(err, registry.ErrNotFound) && r.Snapshot == nil:
		return nil
	case errors.Is(err, registry.ErrNotFound):
		return c.unrecorded(mod, r, None, errors.New("none is stored with it"))
	case err != nil:
		return err
	case r.Snapshot == nil:
		r.Logged = NoSnapshot
		return nil
	}
	err = r.confirm(mod, &e)
	if errors.Is(err, sumdb.ErrBeyondHead) { // mirror stores the snapshot first
		newer, fault := c.Snapshot(ctx, store, true)
		if fault != nil {
			return unconfirmed(mod, fault)
		}
		if newer != nil {
			r.Snapshot = newer
			err = r.confirm(mod, &e)
		}
	}
	switch {
	case errors.Is(err, sumdb.ErrBeyondHead):
		return c.unrecorded(mod, r, Newer, fmt.Errorf("the one stored with it is %w", sumdb.ErrBeyondHead))
	case errors.Is(err, sumdb.ErrNoTile):
		return c.unrecorded(mod, r, NoTile, fmt.Errorf("the one stored with it is of no use: its %w", sumdb.ErrNoTile))
	}
	return err
}

// ErrUnrecorded: a version needs a record that leads to the head of a snapshot, and has none.
var ErrUnrecorded = errors.New("no record of the checksum database confirms it")

// errNoSnapshot is why a version that always needs a record is not accepted.
var errNoSnapshot = errors.New("the store has no snapshot of it to confirm any with")

// unrecorded is the end of a search without a result: an error, unless that is allowed. Else who holds a signing key
// leaves out the record that contradicts what he signs.
func (c *Checker) unrecorded(mod *registry.Module, r *Result, logged Logged, why error) error {
	r.Logged = logged
	private := "name it with --private here"
	switch c.Records(mod.Module.Path) {
	case sign.RecordsDefault:
		return nil
	case c.Verifier.Rule(mod.Module.Path).Records:
		private = "give it a rule with checksumDatabase: none in the trust policy"
	}
	return fmt.Errorf("%v: %w: %w; to complete it, run modferry mirror %[1]v on the connected side; "+
		"if it is a private module, %[4]s, and name it in GONOSUMDB for the go command", mod.Module, ErrUnrecorded, why, private)
}

// stored returns the evidence in the store, whose record is of mod and has its sums. It is registry.ErrNotFound if
// there is none.
func (c *Checker) stored(ctx context.Context, store *registry.Store, mod *registry.Module, r *Result) (e sumdb.Evidence, err error) {
	var record []byte
	var tiles map[string][]byte
	err = Repeat(ctx, func() error {
		record, tiles, err = store.Evidence(ctx, mod, r.Meta, c.Verifier)
		return err
	})
	if errors.Is(err, registry.ErrNotFound) {
		return e, err
	}
	if err != nil {
		return e, &ConfirmationError{err}
	}
	if e, err = sumdb.ParseEvidence(c.Log, record, tiles); err == nil {
		err = e.Record.Check(mod.Module, mod.Sum, mod.GoModSum)
	}
	if err != nil {
		return e, fmt.Errorf("%v: checksum database evidence: %w", mod.Module, err)
	}
	return e, nil
}

// confirm verifies e by the snapshot.
func (r *Result) confirm(mod *registry.Module, e *sumdb.Evidence) error {
	if err := r.Snapshot.Verify(mod.Module, mod.Sum, mod.GoModSum, *e); err != nil {
		return err
	}
	r.Evidence, r.Logged = e, Verified
	return nil
}

// unconfirmed is the error for a version that no snapshot confirms, because of err.
func unconfirmed(mod *registry.Module, err error) error {
	return fmt.Errorf("%v: checking it with the checksum database: %w", mod.Module, &ConfirmationError{err})
}

// CheckEvidence checks evidence that is stored apart and whose signatures were accepted: it must contradict neither mod,
// which may be nil if the version is not at hand, nor the snapshot for store. That it leads to the head,
// [Checker.Check] demands when it is needed.
func (c *Checker) CheckEvidence(ctx context.Context, store *registry.Store, apart *artifact.Evidence, mod *registry.Module) error {
	e, err := sumdb.ParseEvidence(c.Log, apart.Record, apart.Tiles)
	if err != nil {
		return fmt.Errorf("%v: checksum database evidence: %w", apart.Module, err)
	}
	zip, gomod, err := e.Record.Sums(apart.Module)
	if err == nil && mod != nil {
		zip, gomod = mod.Sum, mod.GoModSum
		err = e.Record.Check(apart.Module, zip, gomod)
	}
	if err != nil {
		return fmt.Errorf("%v: checksum database evidence: %w", apart.Module, err)
	}
	snapshot, err := c.Snapshot(ctx, store, false)
	if err != nil {
		return fmt.Errorf("%v: checking its evidence with the checksum database: %w", apart.Module, &ConfirmationError{err})
	}
	if snapshot == nil {
		return nil
	}
	err = snapshot.Verify(apart.Module, zip, gomod, e)
	if errors.Is(err, sumdb.ErrBeyondHead) || errors.Is(err, sumdb.ErrNoTile) {
		return nil
	}
	return err
}
