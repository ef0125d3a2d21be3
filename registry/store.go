package registry

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
)

// Store is where artifacts live: a registry namespace or an OCI image layout.
// Repositories are named below the namespace. It is safe for concurrent use.
type Store struct{ b Backend }

// New returns the store whose content b has.
func New(b Backend) *Store { return &Store{b: b} }

// Backend returns where the store keeps its content, to be wrapped by a rule: New(rule{s.Backend()}).
func (s *Store) Backend() Backend { return s.b }

// String returns host[:port]/namespace, or "oci:DIR".
func (s *Store) String() string { return s.b.Reference("", "") }

// Reference returns the full reference of a tag or digest in a repository, as
// container tools take it. An empty tagOrDigest gives the repository's.
func (s *Store) Reference(repo, tagOrDigest string) string { return s.b.Reference(repo, tagOrDigest) }

// Close releases what the store holds and brings a layout's index up to date.
// Content pushed to a layout is durable before Close already.
func (s *Store) Close() error { return s.b.Close() }

// Manifest reads a manifest of at most artifact.MaxManifest bytes by tag or digest. The descriptor is computed from
// the bytes received and agrees with the digest asked for and with the one the registry states.
func (s *Store) Manifest(ctx context.Context, repo, ref string) (ocispec.Descriptor, []byte, error) {
	return s.b.Manifest(ctx, repo, ref)
}

// Blob opens a blob. The reader ends with ErrCorrupt instead of io.EOF when the content does not match d's digest and
// size, and with ErrUnavailable when it was cut short.
func (s *Store) Blob(ctx context.Context, repo string, d ocispec.Descriptor) (io.ReadCloser, error) {
	if err := d.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("%w: blob %q of %s: %w", ErrReference, d.Digest, s.Reference(repo, ""), err)
	}
	rc, err := s.b.Blob(ctx, repo, d)
	if err != nil {
		return nil, err
	}
	return &verifyingReader{
		ReadCloser: rc,
		verifier:   d.Digest.Verifier(),
		left:       d.Size,
		name:       s.Reference(repo, d.Digest.String()),
	}, nil
}

// PushBlob stores a blob. It does not look whether it is there already.
func (s *Store) PushBlob(ctx context.Context, repo string, b artifact.Blob) error {
	return s.b.PushBlob(ctx, repo, b)
}

// PushManifest stores a manifest, by digest only when tag is empty. Its blobs must be there.
func (s *Store) PushManifest(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, tag string) error {
	return s.b.PushManifest(ctx, repo, d, raw, tag)
}

// Tags lists all tags of a repository. It is ErrNotFound when the store has no
// such repository. An error ends the listing.
func (s *Store) Tags(ctx context.Context, repo string) iter.Seq2[string, error] {
	return s.b.Tags(ctx, repo)
}

// Repositories lists the repositories of the store. Registries keep this for some accounts (ErrDenied) or do not
// offer it (ErrUnsupported). An error ends the listing.
func (s *Store) Repositories(ctx context.Context) iter.Seq2[string, error] {
	return s.b.Repositories(ctx)
}

// verifyingReader passes a blob on and never reports its end as good unless size and digest are right.
type verifyingReader struct {
	io.ReadCloser
	verifier digest.Verifier
	left     int64
	name     string
	err      error // kept: a second Read must not find a good end
}

func (r *verifyingReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.ReadCloser.Read(p)
	r.left -= int64(n)
	r.verifier.Write(p[:n]) // a hash takes everything
	switch {
	case r.left < 0:
		r.err = fmt.Errorf("reading blob %s: %w: longer than its descriptor says", r.name, ErrCorrupt)
	case err == nil:
		return n, nil
	case err != io.EOF:
		r.err = err
	case r.left > 0:
		r.err = fmt.Errorf("reading blob %s: %w: %d bytes are missing", r.name, ErrCorrupt, r.left)
	case !r.verifier.Verified():
		r.err = fmt.Errorf("reading blob %s: %w: the content has another digest", r.name, ErrCorrupt)
	default:
		r.err = io.EOF
	}
	return n, r.err
}
