package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/gocmd"
	"github.com/modferry/modferry/registry/verify"
)

const flagSumDB = "sumdb"

func sumdbFlag() cli.Flag {
	return &cli.StringFlag{
		Name: flagSumDB, Value: sumdb.DefaultLog,
		Usage: "the checksum database is `LOG`, a name or a verifier key as in GOSUMDB",
	}
}

// checksumLog is the log that --sumdb names. An address in it, as GOSUMDB can have one, does not matter here:
// the log comes out of the store.
func checksumLog(c *cli.Context) (*sumdb.Log, error) {
	log, _, err := sumdb.ParseGOSUMDB(c.String(flagSumDB))
	if err != nil {
		return nil, usageErrorf("--%s: %v", flagSumDB, err)
	}
	return log, nil
}

// privatePatterns are those of modules that nobody expects in the checksum database: of --private, and what the go
// command's settings say. Without settings that can be read, more is expected, not less.
func (a *app) privatePatterns(c *cli.Context) string {
	env, err := gocmd.GoEnv(c.Context)
	if err != nil {
		a.warn("GONOSUMDB and GOPRIVATE count for nothing: %v", err)
	}
	return joinPatterns(c.String(flagPrivate), env.GONOSUMDB, env.GOPRIVATE)
}

// newestSnapshot reads the snapshot with the most records of all stores, as the shim does. The error says what stores
// failed with, one without a usable snapshot or the one it came from; it is registry.ErrNotFound when no store has one.
func newestSnapshot(ctx context.Context, stores *registry.Router, log *sumdb.Log, v sign.Verifier) (*sumdb.Snapshot, error) {
	search := &verify.Search{Log: log, Verifier: v, Stores: stores.Stores()}
	found := search.Run(ctx, verify.Newest{})
	if found.Snapshot == nil && len(found.Faults) == 0 {
		return nil, fmt.Errorf("checksum snapshot of %s in %s: %w", log.Name(), stores, registry.ErrNotFound)
	}
	return found.Snapshot, found.Fault()
}

// snapshotOnce is the source of snapshots of a verify.Checker, which asks the stores once, when the first version asks for it.
// It warns if nothing is confirmed because the account may not read whether there is a snapshot.
func (a *app) snapshotOnce(ctx context.Context, stores *registry.Router, log *sumdb.Log, v sign.Verifier) func(context.Context, *registry.Store, bool) (*sumdb.Snapshot, error) {
	search := &verify.Search{Log: log, Verifier: v, Stores: stores.Stores()}
	run := sync.OnceValue(func() *verify.Newest {
		found := search.Run(ctx, verify.Newest{})
		if err := found.Fault(); found.Snapshot == nil && verify.Classify(err) == verify.Denied {
			a.warn("public modules need no record: the account may not read a checksum snapshot, if there is one: %v", err)
		}
		return found
	})
	return func(_ context.Context, store *registry.Store, _ bool) (*sumdb.Snapshot, error) {
		return run().For(store)
	}
}
