package ocilayout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/errdef"
	oras "oras.land/oras-go/v2/registry"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

// errDamaged means that a file of a layout is missing, cut short or malformed.
var errDamaged = fmt.Errorf("the layout is damaged: %w", artifact.ErrCorrupt)

// layout is a store in an OCI image layout directory (image-spec 1.1,
// image-layout.md). Every tag of every repository is one entry of index.json,
// whose org.opencontainers.image.ref.name is "<repository>:<tag>".
//
//	oci-layout          marks the directory; written last when it is created
//	index.json          one entry a line, sorted by ref name
//	blobs/sha256/<hex>  read-only, never changed
//	.modferry/journal   entries that index.json lacks as yet
//	.modferry/lock      flock: held, exclusively, by who changes journal or index
//	.modferry/tmp/      files being written; an old one is left over from a crash
//
// Rewriting index.json for each tag would cost more with every version, so a
// tag is appended to the journal, one JSON line that is the index entry to be.
// The layout is index.json with the journal's lines applied in order, a later
// one replacing the entry of the same ref name.
//
// A blob: write to tmp, check size and digest, fsync, rename. A manifest: the
// same, once all blobs it lists are there.
//
// A tag: lock; refuse to create one that is there; cut off a last line without its
// newline, which a killed writer left and nobody was told about; fsync blobs/sha256;
// append; fsync; unlock; only then the push returns. Tags waiting share one such round.
//
// The fold: lock; write index.json and the journal as one new index.json (tmp,
// fsync, rename, fsync of the directory); remove the journal; unlock. A crash in
// between leaves a journal whose lines are applied a second time, to no effect.
// It happens on Close, before the first push if an interrupted run left a journal,
// and when the journal outgrows index.json, which keeps the cost of a tag constant.
//
// Readers take no lock and write nothing, so read-only media work: journal first,
// then index.json, and once more if the journal was meanwhile folded. The journal
// file is kept open, so its inode number cannot come back; comparing it tells a
// fold from an append, of which only the new lines are read.
//
// Other tools see a tag after the fold, need not know .modferry, and find their own
// entries of index.json kept as they are. They do not know the lock either: they
// must not write at the same time.
type layout struct {
	name     string // the directory as the user wrote it
	dir      string
	blobs    *oci.ReadOnlyStorage
	foldSize int64
	view     view

	prepareMu sync.Mutex
	prepared  bool

	commitMu   sync.Mutex
	pending    *batch
	committing bool
	closed     bool
	committers sync.WaitGroup
}

// layoutOptions adjusts a layout; the zero value is the default.
type options struct {
	// FoldSize is the size in bytes up to which the journal grows before it
	// is folded into index.json, however small that is. Default 1 MiB.
	FoldSize int64
}

// OpenLayout returns the store in directory dir, which need not exist: nothing is
// read before the first use, nothing created before the first push.
func Open(dir string) (*registry.Store, error) {
	l, err := newLayout(dir, options{})
	if err != nil {
		return nil, err
	}
	return registry.New(l), nil
}

// newLayout is [Open] with options.
func newLayout(dir string, o options) (*layout, error) {
	if dir == "" {
		return nil, errors.New("oci: store without a directory: write oci:DIR")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("oci:%s: %w", dir, err)
	}
	return &layout{
		name:     dir,
		dir:      abs,
		blobs:    oci.NewStorageFromFS(os.DirFS(abs)),
		foldSize: cmp.Or(o.FoldSize, 1<<20),
		view:     view{dir: abs},
	}, nil
}

// SignedName returns repo: the directory of a layout is nobody's business.
func (l *layout) SignedName(repo string) string { return repo }

// Reference is written the way skopeo takes it.
func (l *layout) Reference(repo, ref string) string {
	name := "oci:" + l.name
	if repo != "" {
		name += ":" + repo
	}
	switch {
	case ref == "":
		return name
	case digest.Digest(ref).Validate() == nil:
		return name + "@" + ref
	default:
		return name + ":" + ref
	}
}

func (l *layout) fail(op, repo, ref string, err error) error {
	return &registry.Error{Op: op, Registry: "oci:" + l.name, Repository: repo, Reference: ref, Err: err}
}

func (l *layout) Resolve(ctx context.Context, repo, ref string) (ocispec.Descriptor, error) {
	d, err := l.lookup(ctx, repo, ref)
	if err != nil {
		return ocispec.Descriptor{}, l.fail("resolving", repo, ref, err)
	}
	return d, nil
}

func (l *layout) Manifest(ctx context.Context, repo, ref string) (ocispec.Descriptor, []byte, error) {
	d, err := l.lookup(ctx, repo, ref)
	if err != nil {
		return ocispec.Descriptor{}, nil, l.fail("reading manifest", repo, ref, err)
	}
	raw, err := l.readManifest(ctx, d)
	if err != nil {
		return ocispec.Descriptor{}, nil, l.fail("reading manifest", repo, ref, err)
	}
	return d, raw, nil
}

// lookup resolves a tag from the index, a digest from the blob itself: a manifest
// may be stored without a tag, as in a registry.
func (l *layout) lookup(ctx context.Context, repo, ref string) (d ocispec.Descriptor, err error) {
	if err := ctx.Err(); err != nil {
		return d, err
	}
	if err := checkRef(repo, ref); err != nil {
		return d, err
	}
	found := false
	err = l.view.read(func(x *index) { d, found = x.tags[repo][ref] })
	if err != nil || found {
		return d, err
	}
	if digest.Digest(ref).Validate() == nil {
		return l.lookupDigest(ctx, digest.Digest(ref))
	}
	return d, registry.ErrNotFound
}

func (l *layout) lookupDigest(ctx context.Context, dg digest.Digest) (ocispec.Descriptor, error) {
	d := ocispec.Descriptor{Digest: dg}
	info, err := os.Stat(l.blobPath(dg))
	if errors.Is(err, fs.ErrNotExist) {
		return d, registry.ErrNotFound
	}
	if err != nil {
		return d, err
	}
	d.Size = info.Size()
	raw, err := l.readManifest(ctx, d)
	if err != nil {
		return d, err
	}
	if d.MediaType = manifestType(raw); d.MediaType == "" {
		return d, fmt.Errorf("the blob is no manifest: %w", registry.ErrNotFound)
	}
	return d, nil
}

// readManifest returns the manifest d names, checked against its size and digest.
func (l *layout) readManifest(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
	if d.Size > artifact.MaxManifest {
		return nil, fmt.Errorf("manifest of %d bytes: %w", d.Size, artifact.ErrLimit)
	}
	r, err := l.open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	raw, err := content.ReadAll(r, d)
	if err != nil {
		return nil, corrupt(err)
	}
	return raw, nil
}

func (l *layout) Blob(ctx context.Context, repo string, d ocispec.Descriptor) (io.ReadCloser, error) {
	r, err := l.open(ctx, d)
	if err != nil {
		return nil, l.fail("reading blob", repo, string(d.Digest), err)
	}
	return r, nil
}

// open does not say ErrNotFound for a missing file: who asks for it has read its
// name in the layout, so this is damage and must not look like absence.
func (l *layout) open(ctx context.Context, d ocispec.Descriptor) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := d.Digest.Validate(); err != nil {
		return nil, err
	}
	switch info, err := os.Stat(l.blobPath(d.Digest)); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: blob %s is missing", errDamaged, d.Digest)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: blob %s is not a file", errDamaged, d.Digest)
	case info.Size() != d.Size:
		return nil, fmt.Errorf("%w: blob %s has %d bytes, not %d", errDamaged, d.Digest, info.Size(), d.Size)
	}
	return l.blobs.Fetch(ctx, d)
}

func (l *layout) Tags(ctx context.Context, repo string) iter.Seq2[string, error] {
	return l.list(ctx, "listing tags", repo, func(x *index) ([]string, error) {
		if len(x.tags[repo]) == 0 {
			return nil, registry.ErrNotFound
		}
		return slices.Sorted(maps.Keys(x.tags[repo])), nil
	})
}

func (l *layout) Repositories(ctx context.Context) iter.Seq2[string, error] {
	return l.list(ctx, "listing repositories", "", func(x *index) ([]string, error) {
		return slices.Sorted(maps.Keys(x.tags)), nil
	})
}

// list yields what names takes from the index, after the index is let go.
func (l *layout) list(ctx context.Context, op, repo string, names func(*index) ([]string, error)) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var all []string
		err := ctx.Err()
		if err == nil {
			viewErr := l.view.read(func(x *index) { all, err = names(x) })
			err = cmp.Or(viewErr, err)
		}
		if err != nil {
			yield("", l.fail(op, repo, "", err))
			return
		}
		for _, name := range all {
			if !yield(name, nil) {
				return
			}
		}
	}
}

func (l *layout) blobPath(d digest.Digest) string {
	return filepath.Join(l.dir, ocispec.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}

// checkRef holds repo and a tag or digest against the distribution specification's grammar.
func checkRef(repo, ref string) error {
	r := oras.Reference{Repository: repo, Reference: ref}
	if err := cmp.Or(r.ValidateRepository(), r.ValidateReference()); err != nil {
		return fmt.Errorf("%w: %w", registry.ErrReference, err)
	}
	return nil
}

// corrupt turns oras-go's words for wrong content into ErrCorrupt.
func corrupt(err error) error {
	for _, wrong := range []error{content.ErrMismatchedDigest, content.ErrTrailingData, io.ErrUnexpectedEOF, errdef.ErrInvalidDigest} {
		if errors.Is(err, wrong) {
			return fmt.Errorf("%w: %w", artifact.ErrCorrupt, err)
		}
	}
	return err
}
