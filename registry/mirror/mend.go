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
	"github.com/modferry/modferry/registry/upstream"
)

// Mender puts back from upstream what versions lack in their store.
type Mender struct {
	Upstream *upstream.Upstream
	TempDir  string // for zips on their way; "" = the system's
}

// Mend puts blobs of a version back that are missing or changed in its store, as upstream has them. A blob is what its
// digest says, so that nothing has to be trusted. If upstream does not give that content any more it is
// registry.ErrConflict, and nothing is changed.
func (f Mender) Mend(ctx context.Context, store *registry.Store, m *registry.Module, damaged []ocispec.Descriptor) error {
	where := store.Reference(m.Repository, m.Descriptor.Digest.String())
	files, err := fetch(ctx, f.Upstream, f.TempDir, m.Module, m.ModOnly())
	if err != nil {
		return fmt.Errorf("mending %s: %w", where, err)
	}
	defer os.Remove(files.ZipFile)
	a, err := build(files)
	if err != nil {
		return err
	}
	older, err := a.WithoutLicenses()
	if err != nil {
		return err
	}
	blobs := slices.Concat(a.Blobs, older.Blobs)
	meta, err := store.Meta(ctx, m)
	switch {
	case err == nil: // with the same .info, the layers are the same
		for _, ours := range []*artifact.Artifact{a, older} {
			if same, err := ours.With(meta.Info, meta.SumDB, meta.Tiles); err == nil {
				blobs = append(blobs, same.Blobs...)
			}
		}
	case !errors.Is(err, registry.ErrCorrupt):
		return err
	}
	var push []artifact.Blob
	for _, d := range damaged {
		i := slices.IndexFunc(blobs, func(b artifact.Blob) bool { return b.Descriptor.Digest == d.Digest })
		if i < 0 {
			return fmt.Errorf("mending %s: %w: its blob %s is missing or changed, and upstream no longer has what it was made of; nothing was changed",
				where, registry.ErrConflict, d.Digest)
		}
		push = append(push, blobs[i])
	}
	for _, b := range push {
		if err := store.PushBlob(ctx, m.Repository, b); err != nil {
			return err
		}
	}
	return nil
}

// mend does that for a version that inspection found to be damaged. The job has a status then, unless the version lacks
// more than blobs: our signature, or its evidence.
func (r *runner) mend(ctx context.Context, j *job) error {
	if err := (Mender{r.Upstream, r.temp}).Mend(ctx, j.store, j.damaged.module, j.damaged.blobs); err != nil {
		return err
	}
	for _, d := range j.damaged.blobs {
		j.Bytes += d.Size
	}
	j.damaged = nil
	err := r.inspect(ctx, j)
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
