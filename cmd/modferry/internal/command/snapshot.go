package command

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/gocmd"
	"github.com/modferry/modferry/registry/verify"
)

const flagSumDB = "sumdb"

// SumDBFlag says which checksum database modules are verified by.
func SumDBFlag() cli.Flag {
	return &cli.StringFlag{
		Name: flagSumDB, Value: sumdb.DefaultLog,
		Usage: "the checksum database is `LOG`, a name or a verifier key as in GOSUMDB",
	}
}

// ChecksumLog is the log that --sumdb names. An address in it, as GOSUMDB can have one, does not matter here:
// the log comes out of the store.
func ChecksumLog(c *cli.Context) (*sumdb.Log, error) {
	log, _, err := sumdb.ParseGOSUMDB(c.String(flagSumDB))
	if err != nil {
		return nil, UsageErrorf("--%s: %v", flagSumDB, err)
	}
	return log, nil
}

// PrivatePatterns are those of modules that nobody expects in the checksum database: of --private, and what the go
// command's settings say. Without settings that can be read, more is expected, not less.
func (a *App) PrivatePatterns(c *cli.Context) string {
	env, err := gocmd.GoEnv(c.Context)
	if err != nil {
		a.Warn("GONOSUMDB and GOPRIVATE count for nothing: %v", err)
	}
	return JoinPatterns(c.String(FlagPrivate), env.GONOSUMDB, env.GOPRIVATE)
}

// NewestSnapshot reads the snapshot with the most records of all stores, as the shim does. The error says what stores
// failed with, one without a usable snapshot or the one it came from; it is registry.ErrNotFound when no store has one.
func NewestSnapshot(ctx context.Context, stores *registry.Router, log *sumdb.Log, v sign.Verifier) (*sumdb.Snapshot, error) {
	search := &verify.Search{Log: log, Verifier: v, Stores: stores.Stores()}
	found := search.Run(ctx, verify.Newest{})
	if found.Snapshot == nil && len(found.Faults) == 0 {
		return nil, fmt.Errorf("checksum snapshot of %s in %s: %w", log.Name(), stores, registry.ErrNotFound)
	}
	return found.Snapshot, found.Fault()
}

// SnapshotOnce is the source of snapshots of a verify.Checker, which asks the stores once, when the first version asks for it.
// It warns if nothing is confirmed because the account may not read whether there is a snapshot.
func (a *App) SnapshotOnce(ctx context.Context, stores *registry.Router, log *sumdb.Log, v sign.Verifier) func(context.Context, *registry.Store, bool) (*sumdb.Snapshot, error) {
	search := &verify.Search{Log: log, Verifier: v, Stores: stores.Stores()}
	run := sync.OnceValue(func() *verify.Newest {
		found := search.Run(ctx, verify.Newest{})
		if err := found.Fault(); found.Snapshot == nil && verify.Classify(err) == verify.Denied {
			a.Warn("public modules need no record: the account may not read a checksum snapshot, if there is one: %v", err)
		}
		return found
	})
	return func(_ context.Context, store *registry.Store, _ bool) (*sumdb.Snapshot, error) {
		return run().For(store)
	}
}

// JoinPatterns joins comma-separated lists, any of which may be empty.
func JoinPatterns(lists ...string) string {
	var all []string
	for _, l := range lists {
		if l = strings.Trim(l, ", "); l != "" {
			all = append(all, l)
		}
	}
	return strings.Join(all, ",")
}
