// Package registry keeps module versions in stores: in an OCI registry or in an OCI image layout directory. It finds
// and verifies them, lists them and publishes them so that nobody ever sees a part of one.
package registry

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Store is where artifacts live: a registry namespace or an OCI image layout, as its backend keeps them. It is safe for
// concurrent use.
type Store struct {
	Backend
	name string
}

// New returns the store whose content b has.
func New(b Backend) *Store { return &Store{Backend: b, name: b.Reference("", "")} }

// String returns host[:port]/namespace, or "oci:DIR".
func (s *Store) String() string { return s.name }

// IsLayout reports whether the store is a directory: nothing is replicated to it, and its listings are complete.
func (s *Store) IsLayout() bool { return strings.HasPrefix(s.String(), "oci:") }

// Resolve returns the descriptor of a manifest, with one request: of HEAD where that is answered, which says nothing of
// the manifest but its digest.
func (s *Store) Resolve(ctx context.Context, repo, ref string) (ocispec.Descriptor, error) {
	if r, ok := s.Backend.(Resolver); ok {
		return r.Resolve(ctx, repo, ref)
	}
	d, _, err := s.Manifest(ctx, repo, ref)
	return d, err
}

// ProbePush finds out whether content can be pushed to a repository: see [Prober]. It is ErrUnsupported if the store cannot
// tell.
func (s *Store) ProbePush(ctx context.Context, repo string) (left bool, err error) {
	p, ok := s.Backend.(Prober)
	if !ok {
		return false, fmt.Errorf("pushing to %s: %w", s, ErrUnsupported)
	}
	return p.ProbePush(ctx, repo)
}

// Blob opens a blob. The reader ends with ErrCorrupt instead of io.EOF when the content does not match d's digest and
// size, and with ErrUnavailable when it was cut short.
func (s *Store) Blob(ctx context.Context, repo string, d ocispec.Descriptor) (io.ReadCloser, error) {
	if err := d.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("%w: blob %q of %s: %w", ErrReference, d.Digest, s.Reference(repo, ""), err)
	}
	rc, err := s.Backend.Blob(ctx, repo, d)
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
