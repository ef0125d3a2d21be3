package remote

import (
	"context"
	"errors"
	"net/http"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	orasremote "oras.land/oras-go/v2/registry/remote"

	"github.com/modferry/modferry/registry"
)

// Delete implements registry.Deleter.
func (r *remote) Delete(ctx context.Context, list []registry.Deletion, done func(registry.Deletion, error)) error {
	for _, d := range list {
		err := r.delete(ctx, d)
		switch {
		case err == nil, errors.Is(err, registry.ErrNotFound), errors.Is(err, registry.ErrTagExists), errors.Is(err, registry.ErrPolicy):
			done(d, err)
		default:
			return err
		}
	}
	return nil
}

// delete removes one manifest. A version that the registry's policy does not let anybody read (412) may be removed
// all the same: its digest is known.
func (r *remote) delete(ctx context.Context, d registry.Deletion) error {
	now, err := r.Resolve(ctx, d.Repository, d.Tag)
	switch {
	case errors.Is(err, registry.ErrPolicy):
	case err != nil:
		return err
	case now.Digest != d.Digest:
		return r.fail(ctx, "deleting", d.Repository, d.Tag, registry.ErrTagExists)
	}
	err = r.do(ctx, "deleting", d.Repository, string(d.Digest), func(o *orasremote.Repository) error {
		// Of a media type it knows, oras-go would read the manifest first, to mend an index of referrers that has it.
		return o.Manifests().Delete(ctx, ocispec.Descriptor{Digest: d.Digest})
	})
	var e *registry.Error
	switch {
	case !errors.As(err, &e):
	case e.Status == http.StatusNotFound: // an attempt whose answer got lost, or another one was faster
		return nil
	case errors.Is(err, registry.ErrUnsupported):
		e.Hint = "the registry does not allow it: distribution does with REGISTRY_STORAGE_DELETE_ENABLED=true, and removes blobs when its garbage collection runs"
	case errors.Is(err, registry.ErrPolicy):
		e.Hint = "an immutability rule protects the tag: lift it until this has been run again"
	}
	return err
}
