package registry

import (
	"context"
	"io"
	"iter"
	"os"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
)

// Backend is where a Store keeps its content: a registry (package remote) or an OCI
// image layout directory (package ocilayout). It is safe for concurrent use.
//
// Repositories are named below the store's namespace. References are a tag or a digest. An error that means "this
// repository or reference does not exist" satisfies errors.Is(err, ErrNotFound), and no other error does.
type Backend interface {
	Reader
	Writer
	Lister

	// Reference returns the full reference of ref in repo, as container tools take it; with an empty ref that of the
	// repository, with an empty repo that of the store.
	Reference(repo, ref string) string
	// SignedName returns the name of a repository that signatures put on its manifests carry.
	SignedName(repo string) string
	// Close releases what is held and brings a layout's index up to date. Of a layout, what has a tag is durable before, and
	// what has none is then.
	Close() error
}

// Reader reads what a backend has.
type Reader interface {
	// Manifest returns a manifest of at most artifact.MaxManifest bytes with a descriptor computed from these bytes,
	// which agrees with ref if that is a digest.
	Manifest(ctx context.Context, repo, ref string) (ocispec.Descriptor, []byte, error)
	// Blob opens a blob. The Store verifies its content.
	Blob(ctx context.Context, repo string, d ocispec.Descriptor) (io.ReadCloser, error)
	// CheckBlob looks whether a blob is there, without transferring it: a registry is asked for its size, a layout reads
	// it. It is ErrNotFound when it is missing, and ErrCorrupt when it is another one.
	CheckBlob(ctx context.Context, repo string, d ocispec.Descriptor) error
	// Referrers lists the manifests in a repository whose subject is the one with this digest, of all types; none is no
	// error. What it says of their types is for the caller to check: they are read from what others wrote. It is the list
	// that the registry keeps or, where that is missing or empty, the one under [ReferrersTag].
	Referrers(ctx context.Context, repo string, subject digest.Digest) ([]ocispec.Descriptor, error)
}

// Resolver is what a backend has that can tell what a tag names without handing out the manifest.
type Resolver interface {
	// Resolve returns at least digest and size of a manifest. Errors are those of [Reader.Manifest], which may say more.
	Resolve(ctx context.Context, repo, ref string) (ocispec.Descriptor, error)
}

// A FirstReader is a backend where it takes a question more to believe that something does not exist.
type FirstReader interface {
	// FirstManifest is [Reader.Manifest] of the first of some references that exists, which it returns. That those before
	// it do not is not confirmed; that none does is.
	FirstManifest(ctx context.Context, repo string, refs ...string) (ref string, d ocispec.Descriptor, raw []byte, err error)
}

// Writer adds to what a backend has.
type Writer interface {
	// PushBlob stores a blob without looking whether it is there; storing it again is not an error.
	PushBlob(ctx context.Context, repo string, b artifact.Blob) error
	// PushManifest stores a manifest, whose blobs must be there, and, unless tag is empty, points the tag at it. If it has
	// a subject it is among the referrers of that afterwards.
	PushManifest(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, tag string) error
	// CreateTag is PushManifest for a tag that never moves. It is ErrTagExists, and the tag stays, if it names
	// another manifest. A layout finds out under its lock. A registry has no such request: it is asked for the tag
	// right before each attempt to put it, so that of two at the very same moment the last one wins; and not even
	// asked if the caller is sure that nobody creates the tag with other content.
	CreateTag(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, tag string, sure bool) error
}

// A Mounter is a backend that can take a blob from another repository of its registry, without a transfer.
type Mounter interface {
	// MountBlob is PushBlob of a blob that repository fromRepo of from has; sent is true if it had to be sent nevertheless.
	// It is ErrUnsupported, and nothing was done, if that is no repository of the same registry.
	MountBlob(ctx context.Context, repo string, b artifact.Blob, from Backend, fromRepo string) (sent bool, err error)
}

// A Stager is a backend that takes a blob from a file of its own, without copying it.
type Stager interface {
	// Stage returns a new file to write a blob to, or nil if there can be none as yet. Who asked for it removes it,
	// unless PushStaged has taken it.
	Stage() (*os.File, error)
	// PushStaged is PushBlob of what is in a file of Stage, which must be what d describes: that is not looked at.
	PushStaged(ctx context.Context, repo string, d ocispec.Descriptor, file string) error
}

// A Prober is a backend that can find out whether it would take content, without keeping any.
type Prober interface {
	// ProbePush finds out whether content can be pushed to a repository: of a registry whether it begins an upload, which is
	// cancelled; of a layout whether files can be written, which are removed. left is true if a registry does not let the
	// upload be cancelled, which has nothing in it, and ends it by itself some time. (Distribution keeps a directory without
	// content of one that was cancelled.) Errors are those of a push. Whether a quota suffices only a push tells.
	ProbePush(ctx context.Context, repo string) (left bool, err error)
}

// Lister lists what a backend has. An error ends a listing.
type Lister interface {
	// Tags lists the tags of a repository; ErrNotFound when there is no such repository.
	Tags(ctx context.Context, repo string) iter.Seq2[string, error]
	// Repositories lists the repositories below the namespace. Registries keep this for some accounts (ErrDenied) or do
	// not offer it (ErrUnsupported).
	Repositories(ctx context.Context) iter.Seq2[string, error]
}
