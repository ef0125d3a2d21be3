// Package verify decides whether a module version in a store may be used: its manifest must be of the version that
// was asked for and signed by somebody trusted, its files must have the digests and sums that the manifest states,
// and where the store has a snapshot of the checksum database, the log must have those sums for a public module.
//
// [Checker.Check] looks at all but the zip, which [Zip] fetches. [Classify] says what their errors, and those of the
// store, mean.
package verify

import (
	"context"
	"errors"
	"io"
	"syscall"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
)

// A Checker checks module versions. Verifier, Log and Snapshot are required. It is safe for concurrent use.
type Checker struct {
	Verifier sign.Verifier // decides whose signatures count
	Log      *sumdb.Log
	Private  string // patterns, as in GONOSUMDB, of modules that the log does not have, unless a rule of Verifier says

	// Thorough looks at what nobody reads who only serves the version: the blobs of config and meta layer beside what
	// the manifest carries itself, and evidence that is stored apart although there is no snapshot to confirm it
	// with.
	Thorough bool

	// AllowUnrecorded accepts versions of other modules as well, of which no record leads to the head of the
	// snapshot, unless a rule of Verifier says what is needed. Without a snapshot they are accepted anyway. A record
	// that contradicts a version is never accepted.
	AllowUnrecorded bool

	// Patience waits before a version that has no signature is asked for it again, for the time 0, 1, …, and reports
	// whether that is worth while. Nil = it is not. See [NewPatience].
	Patience func(ctx context.Context, store *registry.Store, again int) bool

	// Snapshot returns what confirms the records of versions in store: nil if there is no snapshot. With newer set,
	// the one it returned before does not cover a record, so that it is worth asking whether there is a newer one.
	Snapshot func(ctx context.Context, store *registry.Store, newer bool) (*sumdb.Snapshot, error)
}

// Known is what an earlier check has found out about a version. The zero value is nothing.
type Known struct {
	Manifest digest.Digest   // that was accepted
	Evidence *sumdb.Evidence // that confirmed it then
}

// Result is what was found out about a version that may be used.
type Result struct {
	Keys     []string       // the names of the keys that vouch for it
	Meta     *artifact.Meta // nil if it was not read, because the manifest was accepted before
	Logged   Logged
	Evidence *sumdb.Evidence // with which the log confirms it, nil if it does not
	Snapshot *sumdb.Snapshot // by which it does
}

// Check checks the version that mod is the manifest of, found in store. What is known saves requests; evidence among
// it counts for another manifest as well, for the log says the same of a version to everyone.
func (c *Checker) Check(ctx context.Context, store *registry.Store, mod *registry.Module, known Known) (*Result, error) {
	keys, err := c.signatures(ctx, store, mod)
	if err != nil {
		return nil, err
	}
	r := &Result{Keys: keys, Logged: None}
	if known.Manifest != mod.Descriptor.Digest {
		if r.Meta, err = Meta(ctx, store, mod); err != nil {
			return nil, err
		}
	}
	if c.Thorough {
		if err := Repeat(ctx, func() error { return store.CheckConfigAndMeta(ctx, mod) }); err != nil {
			return nil, err
		}
	}
	demand := c.Records(mod.Module.Path)
	if demand == sign.RecordsNone {
		return r, nil
	}
	if err := c.consult(ctx, store, mod, r, known); err != nil {
		return r, err
	}
	if demand == sign.RecordsRequired && r.Evidence == nil {
		return r, c.unrecorded(mod, r, r.Logged, errNoSnapshot)
	}
	return r, nil
}

// consult has the log confirm a version, if there is a snapshot or was one.
func (c *Checker) consult(ctx context.Context, store *registry.Store, mod *registry.Module, r *Result, known Known) (err error) {
	accepted := known.Manifest == mod.Descriptor.Digest
	r.Snapshot, err = c.Snapshot(ctx, store, false)
	if r.Snapshot == nil && known.Evidence != nil { // what the log said once, it says for ever
		if mismatch := known.Evidence.Record.Check(mod.Module, mod.Sum, mod.GoModSum); mismatch != nil {
			return mismatch
		}
		if accepted || err == nil {
			r.Evidence = known.Evidence
			return nil
		}
	}
	switch {
	case err != nil:
		return unconfirmed(mod, err)
	case r.Snapshot == nil && accepted:
		return nil
	case r.Snapshot != nil && known.Evidence != nil:
		err := r.confirm(mod, known.Evidence)
		if err == nil || errors.Is(err, sumdb.ErrMismatch) {
			return err
		}
	}
	return c.search(ctx, store, mod, r)
}

// IsPrivate reports whether the log is nobody's business for a module.
func (c *Checker) IsPrivate(path string) bool { return c.Records(path) == sign.RecordsNone }

// Records returns which records the versions of a module need: what a rule of the verifier says, else what the
// options say. It is sign.RecordsDefault if they need none although the log may have them.
func (c *Checker) Records(path string) sign.Records {
	rule := c.Verifier.Rule(path)
	switch {
	case rule.Records != sign.RecordsDefault:
		return rule.Records
	case c.Private != "" && module.MatchPrefixPatterns(c.Private, path):
		return sign.RecordsNone
	case c.AllowUnrecorded:
		return sign.RecordsDefault
	}
	return sign.RecordsIfPresent
}

// Meta returns .info and go.mod of mod, checked.
func Meta(ctx context.Context, store *registry.Store, mod *registry.Module) (meta *artifact.Meta, err error) {
	err = Repeat(ctx, func() error {
		meta, err = store.Meta(ctx, mod)
		return err
	})
	return meta, err
}

// attempts is how often a broken download is made in all.
const attempts = 3

// Repeat calls fn again when a download broke off or arrived damaged. (The store
// itself repeats what failed before the first byte.)
func Repeat(ctx context.Context, fn func() error) error {
	var err error
	for range attempts {
		err = fn()
		broken := errors.Is(err, artifact.ErrCorrupt) || errors.Is(err, io.ErrUnexpectedEOF) ||
			errors.Is(err, syscall.ECONNRESET)
		if !broken || ctx.Err() != nil {
			break
		}
	}
	return err
}
