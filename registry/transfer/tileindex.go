package transfer

import (
	"context"
	"fmt"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

// tileIndex copies which versions have the tiles of the checksum database, as a signer put it into the source.
func (x *copying) tileIndex(ctx context.Context) (registry.Outcome, error) {
	log := x.Checker.Log
	if x.Repository != log.Repository() {
		return 0, fmt.Errorf("%s: %w: the log is %s", x.Copier.Source.Reference(x.Repository, x.Tag), artifact.ErrIdentity, log.Name())
	}
	d, raw, err := x.manifest(ctx)
	if err != nil {
		return 0, err
	}
	index, found, err := x.from.ReadTileIndex(ctx, log, x.Tag, x.Checker.Verifier)
	if err != nil {
		return 0, err
	}
	if found != d.Digest {
		return 0, x.changed()
	}
	sigs, _ := x.from.Signatures(ctx, x.Repository, d.Digest) // what of them cannot be read was not needed
	image, err := x.image(ctx, d, raw)
	if err != nil {
		return 0, err
	}
	return x.to.ImportTileIndex(ctx, x.toImport(&image, sigs), log, x.Checker.Verifier, index)
}
