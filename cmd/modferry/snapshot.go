package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
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

// newestSnapshot reads the snapshot with the most records of all stores, as the shim does. It is
// registry.ErrNotFound when no store has one.
func newestSnapshot(ctx context.Context, stores *registry.Router, log *sumdb.Log, v sign.Verifier) (*sumdb.Snapshot, error) {
	var newest *registry.Snapshot
	var from *registry.Store
	for _, s := range stores.Stores() {
		found, err := s.Snapshot(ctx, log, v)
		if errors.Is(err, registry.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if newest == nil || found.Tree.N > newest.Tree.N {
			newest, from = found, s
		}
	}
	if newest == nil {
		return nil, fmt.Errorf("checksum snapshot of %s in %s: %w", log.Name(), stores, registry.ErrNotFound)
	}
	open := func(ctx context.Context, d ocispec.Descriptor) (io.ReadCloser, error) {
		return from.SnapshotBlob(ctx, log, d)
	}
	return sumdb.Read(ctx, log, newest.Raw, open, sumdb.ReadOptions{})
}
