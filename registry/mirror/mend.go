package mirror

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

// mend puts the blobs back that a version lacks in its store, as upstream has them. A blob is what its digest says, so
// that nothing has to be trusted; if upstream does not give that content any more, nothing is changed.
// The job has a status then, unless the version lacks more than blobs: our signature, or its evidence.
func (r *runner) mend(ctx context.Context, j *job) error {
	files, err := r.fetch(ctx, j.Module, j.ModOnly)
	if err != nil {
		return fmt.Errorf("mending %s: %w", j.Reference, err)
	}
	defer os.Remove(files.ZipFile)
	a, err := build(files)
	if err != nil {
		return err
	}
	blobs := a.Blobs
	meta, err := j.store.Meta(ctx, j.damaged.module)
	switch {
	case err == nil: // with the same .info, the layers are the same
		if same, err := a.With(meta.Info, meta.SumDB, meta.Tiles); err == nil {
			blobs = append(blobs, same.Blobs...)
		}
	case !errors.Is(err, registry.ErrCorrupt):
		return err
	}
	for _, d := range j.damaged.blobs {
		i := slices.IndexFunc(blobs, func(b artifact.Blob) bool { return b.Descriptor.Digest == d.Digest })
		if i < 0 {
			return fmt.Errorf("mending %s: %w: its blob %s is missing or changed, and upstream no longer has what it was made of; nothing was changed",
				j.Reference, registry.ErrConflict, d.Digest)
		}
		if err := j.store.PushBlob(ctx, j.damaged.module.Repository, blobs[i]); err != nil {
			return err
		}
		j.Bytes += d.Size
	}
	j.damaged = nil
	err = r.inspect(ctx, j)
	switch {
	case err != nil:
		return err
	case j.damaged != nil:
		return fmt.Errorf("mending %s: %w: blobs that were put back are still missing or changed", j.Reference, registry.ErrCorrupt)
	case j.Status == Existing:
		j.Status = Mended
	}
	return nil
}

// damaged is what a store lacks of a version that it has.
type damaged struct {
	module *registry.Module
	blobs  []ocispec.Descriptor
}
