package ocilayout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	oras "oras.land/oras-go/v2/registry"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

// Manifest implements registry.Reader.
func (l *layout) Manifest(ctx context.Context, repo, ref string) (d ocispec.Descriptor, raw []byte, err error) {
	d, err = l.lookup(ctx, repo, ref)
	if err == nil {
		raw, err = l.readManifest(ctx, d)
	}
	if errors.Is(err, errDamaged) { // unless it has just been removed, tag first
		if _, gone := l.lookup(ctx, repo, ref); errors.Is(gone, registry.ErrNotFound) {
			err = gone
		}
	}
	return d, raw, l.fail("reading manifest", repo, ref, err)
}

// Resolve does not read the manifest that a tag names, but sees that it is there.
func (l *layout) Resolve(ctx context.Context, repo, ref string) (ocispec.Descriptor, error) {
	d, err := l.lookup(ctx, repo, ref)
	if err == nil {
		if err = l.checkBlob(d); errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: blob %s is missing", errDamaged, d.Digest)
		}
	}
	return d, l.fail("resolving", repo, ref, err)
}

// Blob implements registry.Reader.
func (l *layout) Blob(ctx context.Context, repo string, d ocispec.Descriptor) (io.ReadCloser, error) {
	r, err := l.open(ctx, d)
	return r, l.fail("reading blob", repo, string(d.Digest), err)
}

// CheckBlob implements registry.Reader: it reads the blob.
func (l *layout) CheckBlob(ctx context.Context, repo string, d ocispec.Descriptor) error {
	r, err := l.open(ctx, d)
	if err == nil {
		defer r.Close()
		err = copyVerified(io.Discard, r, d)
	}
	return l.fail("checking blob", repo, string(d.Digest), err)
}

// Referrers reads the list under the subject's tag, which a layout has in any case, and adds what other tools stored.
func (l *layout) Referrers(ctx context.Context, repo string, subject digest.Digest) ([]ocispec.Descriptor, error) {
	list, err := l.referrers(ctx, repo, subject)
	return list, l.fail("listing the referrers of", repo, string(subject), err)
}

func (l *layout) referrers(ctx context.Context, repo string, subject digest.Digest) (list []ocispec.Descriptor, err error) {
	if err := subject.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", registry.ErrReference, err)
	}
	d, err := l.lookup(ctx, repo, registry.ReferrersTag(subject))
	if err == nil && d.Digest != subject { // which "cosign copy" puts there
		var raw []byte
		if raw, err = l.readManifest(ctx, d); err == nil {
			list, err = registry.ParseReferrers(raw)
		}
	}
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return nil, err
	}
	err = l.view.read(func(x *index) {
		for _, d := range x.referrers[subject] {
			if !slices.ContainsFunc(list, func(o ocispec.Descriptor) bool { return o.Digest == d.Digest }) {
				list = append(list, d)
			}
		}
	})
	return list, err
}

// Tags implements registry.Lister.
func (l *layout) Tags(ctx context.Context, repo string) iter.Seq2[string, error] {
	return l.list(ctx, "listing tags", repo, func(x *index) []string { return x.tags(repo) })
}

// Repositories implements registry.Lister.
func (l *layout) Repositories(ctx context.Context) iter.Seq2[string, error] {
	return l.list(ctx, "listing repositories", "", (*index).repositories)
}

// list yields what names takes from the index, after the index is let go.
func (l *layout) list(ctx context.Context, op, repo string, names func(*index) []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var all []string
		err := cmp.Or(ctx.Err(), l.view.read(func(x *index) { all = names(x) }))
		if err == nil && repo != "" && len(all) == 0 {
			err = registry.ErrNotFound
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

// lookup resolves a tag from the index, a digest from the blob itself: a manifest
// may be stored without a tag, as in a registry.
func (l *layout) lookup(ctx context.Context, repo, ref string) (d ocispec.Descriptor, err error) {
	if err := cmp.Or(ctx.Err(), checkRef(repo, ref)); err != nil {
		return d, err
	}
	var e entry
	found := false
	err = l.view.read(func(x *index) { e, found = x.find(repo, ref) })
	if err != nil || found {
		return e.descriptor(), err
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
	var raw []byte
	if err == nil {
		d.Size = info.Size()
		raw, err = l.readManifest(ctx, d)
	}
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
	f, err := l.open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, verified := make([]byte, d.Size), content.NewVerifyReader(f, d) // content.ReadAll grows a buffer instead
	if _, err = io.ReadFull(verified, raw); err == nil {
		err = verified.Verify()
	}
	return raw, corrupt(err)
}

// open does not say ErrNotFound for a missing file: who asks for it has read its
// name in the layout, so this is damage and must not look like absence.
func (l *layout) open(ctx context.Context, d ocispec.Descriptor) (io.ReadCloser, error) {
	err := cmp.Or(ctx.Err(), l.checkBlob(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: blob %s is missing", errDamaged, d.Digest)
	}
	if err != nil {
		return nil, err
	}
	return os.Open(l.blobPath(d.Digest))
}

// checkBlob returns an error unless there is a blob of d's size: fs.ErrNotExist if there is none at all.
func (l *layout) checkBlob(d ocispec.Descriptor) error {
	if err := d.Digest.Validate(); err != nil {
		return err
	}
	info, err := os.Stat(l.blobPath(d.Digest))
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: blob %s is not a file", errDamaged, d.Digest)
	case info.Size() != d.Size:
		return fmt.Errorf("%w: blob %s has %d bytes, not %d", errDamaged, d.Digest, info.Size(), d.Size)
	}
	return nil
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
