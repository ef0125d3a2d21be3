package registry

import (
	"context"
	"io"
	"iter"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
)

// backend is where a Store keeps its content: a registry (remote) or an OCI
// image layout directory (layout).
//
// Repositories are named below the store's namespace. References are a tag or a
// digest. An error that means "this repository or reference does not exist"
// satisfies errors.Is(err, ErrNotFound), and no other error does.
type backend interface {
	// resolve returns media type, digest and size of a manifest.
	resolve(ctx context.Context, repo, ref string) (ocispec.Descriptor, error)
	// manifest returns a manifest of at most artifact.MaxManifest bytes with a
	// descriptor computed from these bytes, which agrees with ref if that is a
	// digest.
	manifest(ctx context.Context, repo, ref string) (ocispec.Descriptor, []byte, error)
	// blob opens a blob. The Store verifies its content.
	blob(ctx context.Context, repo string, d ocispec.Descriptor) (io.ReadCloser, error)
	// pushBlob stores a blob; storing what is there already is not an error.
	pushBlob(ctx context.Context, repo string, b artifact.Blob) error
	// pushManifest stores a manifest under its digest and, unless tag is
	// empty, points the tag at it.
	pushManifest(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, tag string) error
	// createTag is pushManifest for a tag that never moves. It is ErrTagExists, and
	// the tag stays, if it names another manifest. A layout finds out under its lock. A
	// registry has no such request: it is asked for the tag right before each attempt to
	// put it, so that of two at the very same moment the last one wins; and not even asked
	// if the caller is sure that nobody creates the tag with other content.
	createTag(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, tag string, sure bool) error
	// tags lists the tags of a repository; ErrNotFound when there is no such
	// repository.
	tags(ctx context.Context, repo string) iter.Seq2[string, error]
	// repositories lists the repositories below the namespace.
	repositories(ctx context.Context) iter.Seq2[string, error]
	// reference returns the full reference of ref in repo, for people; with
	// an empty ref that of the repository, with an empty repo that of the store.
	reference(repo, ref string) string
	close() error
}
