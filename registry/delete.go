package registry

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
)

// Deletion names a tag to remove, and the manifest that it is expected to name.
type Deletion struct {
	Repository string
	Tag        string
	Digest     digest.Digest
}

// Deleter is what a backend has that can remove content.
type Deleter interface {
	// Delete removes tags with the manifests that they name, and calls done for each with what came of it: nil;
	// ErrNotFound if there is no such tag any more; ErrTagExists if it names another manifest, which stays; or
	// ErrPolicy. Any other error ends it and is returned; calling it again with the same list goes on. done may be
	// called for none before the end.
	//
	// A registry removes a manifest by its digest, with every tag that names it, in the order of the list, and blobs
	// when it collects garbage. A layout removes all tags at once, and then the blobs that nothing else in it needs,
	// those of tags that were gone already included: a reader sees all of the list or nothing of it.
	Delete(ctx context.Context, list []Deletion, done func(Deletion, error)) error
}

// Delete removes tags: see [Deleter]. It is ErrUnsupported if the store cannot.
func (s *Store) Delete(ctx context.Context, list []Deletion, done func(Deletion, error)) error {
	d, ok := s.Backend.(Deleter)
	if !ok {
		return fmt.Errorf("deleting from %s: %w", s, ErrUnsupported)
	}
	return d.Delete(ctx, list, done)
}
