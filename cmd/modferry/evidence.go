package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
)

// logged says what the checksum database says about a version, as far as the store knows.
type logged string

const (
	loggedVerified   logged = "verified"            // its sums are in the signed log
	loggedNone       logged = "none"                // no evidence: private, or mirrored with --no-sumdb
	loggedNoSnapshot logged = "no-snapshot"         // evidence, and no snapshot to check it with
	loggedNewer      logged = "newer-than-snapshot" // evidence that a later snapshot will cover
	loggedNoTile     logged = "no-tile"             // a record whose tile is neither with it nor in the snapshot
)

// auditor checks evidence against the newest snapshot, which it reads when the first evidence turns up.
type auditor struct {
	log      *sumdb.Log
	verifier sign.Verifier
	snapshot func() (*sumdb.Snapshot, error)
}

func newAuditor(ctx context.Context, stores *registry.Router, log *sumdb.Log, v sign.Verifier) *auditor {
	return &auditor{log: log, verifier: v, snapshot: sync.OnceValues(func() (*sumdb.Snapshot, error) {
		return newestSnapshot(ctx, stores, log, v)
	})}
}

// check checks the sums of m, which its contents have been found to have, against the log.
func (a *auditor) check(ctx context.Context, store *registry.Store, m *registry.Module, meta *artifact.Meta) (logged, error) {
	record, tiles, err := store.Evidence(ctx, m, meta, a.verifier)
	if errors.Is(err, registry.ErrNotFound) {
		return loggedNone, nil
	}
	if err != nil {
		return "", err
	}
	e, err := sumdb.ParseEvidence(a.log, record, tiles)
	if err != nil {
		return "", fmt.Errorf("%v: checksum database evidence: %w", m.Module, err)
	}
	snapshot, err := a.snapshot()
	if errors.Is(err, registry.ErrNotFound) {
		return loggedNoSnapshot, nil
	}
	if err != nil {
		return "", err
	}
	err = snapshot.Verify(m.Module, m.Sum, m.GoModSum, e)
	switch {
	case errors.Is(err, sumdb.ErrBeyondHead):
		return loggedNewer, nil
	case errors.Is(err, sumdb.ErrNoTile):
		return loggedNoTile, nil
	case err != nil:
		return "", err
	}
	return loggedVerified, nil
}
