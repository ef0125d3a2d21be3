package registry

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
)

// Signatures returns the signatures stored for a manifest; none is no error. It
// is one request where payloads are inlined, as ours are. With an error, the
// signatures are returned nevertheless; those that could not be read count for
// nothing.
func (s *Store) Signatures(ctx context.Context, repo string, d digest.Digest) ([]sign.Signature, error) {
	_, sigs, err := s.signatures(ctx, repo, d)
	return sigs, err
}

// signatures returns the .sig manifest as well, nil if there is none.
func (s *Store) signatures(ctx context.Context, repo string, d digest.Digest) (raw []byte, sigs []sign.Signature, err error) {
	tag := sign.Tag(d)
	_, raw, err = s.Manifest(ctx, repo, tag)
	if errors.Is(err, ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	layers, err := sign.Parse(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("reading signatures %s: %w", s.Reference(repo, tag), err)
	}
	var unread error
	for _, l := range layers {
		payload := l.Payload
		if l.Fetch() {
			if payload, l.Err = s.readPart(ctx, repo, l.Descriptor); l.Err != nil {
				unread = errors.Join(unread, l.Err)
			}
		}
		sigs = append(sigs, l.With(payload))
	}
	return raw, sigs, unread
}

// readPart reads a small blob that a manifest lists, whose size was limited.
func (s *Store) readPart(ctx context.Context, repo string, d ocispec.Descriptor) ([]byte, error) {
	rc, err := s.part(ctx, repo, d)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(rc)
}

// sign adds a signature to a manifest that is in the store. existing is its
// .sig manifest, nil if there is none.
func (s *Store) sign(ctx context.Context, repo string, d digest.Digest, existing []byte, signer *sign.Signer) error {
	sig, err := signer.Sign(ctx, d, s.b.SignedName(repo))
	if err != nil {
		return fmt.Errorf("signing %s: %w", s.Reference(repo, d.String()), err)
	}
	image, err := sign.Append(existing, sig)
	if err != nil {
		return fmt.Errorf("signing %s: %w", s.Reference(repo, d.String()), err)
	}
	if err := s.pushBlobs(ctx, repo, image.Blobs); err != nil {
		return err
	}
	return s.PushManifest(ctx, repo, image.Descriptor, image.Raw, sign.Tag(d))
}

// pushUntagged stores an artifact without a tag: blobs, then the manifest by digest.
func (s *Store) pushUntagged(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, blobs []artifact.Blob) error {
	if err := s.pushBlobs(ctx, repo, blobs); err != nil {
		return err
	}
	return s.PushManifest(ctx, repo, d, raw, "")
}

// pushBlobs pushes the blobs of one artifact at the same time.
func (s *Store) pushBlobs(ctx context.Context, repo string, blobs []artifact.Blob) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, b := range blobs {
		g.Go(func() error { return s.PushBlob(ctx, repo, b) })
	}
	return g.Wait()
}

// ensureSigned adds signer's signature (nil = none) to those of a manifest that is in the
// store, unless it is among them. One just pushed may have some: of who pushed the same
// before and did not come to the tag.
func (s *Store) ensureSigned(ctx context.Context, repo string, subject sign.Subject, signer *sign.Signer) error {
	if signer == nil {
		return nil
	}
	existing, signed, err := s.signedBy(ctx, repo, subject, signer)
	if signed || err != nil {
		return err
	}
	return s.sign(ctx, repo, subject.Digest, existing, signer)
}

// signedBy reports whether a manifest in the store has signer's signature. existing
// is its .sig manifest, nil if there is none. One that is there but cannot be read is
// an error: a signature pushed without it would replace those it holds.
func (s *Store) signedBy(ctx context.Context, repo string, subject sign.Subject, signer *sign.Signer) (existing []byte, signed bool, err error) {
	existing, sigs, unread := s.signatures(ctx, repo, subject.Digest)
	_, err = signer.Verifier().Verify(ctx, subject, sigs)
	switch {
	case err == nil:
		return existing, true, nil
	case !errors.Is(err, sign.ErrUnsigned) && !errors.Is(err, sign.ErrUntrusted):
		return nil, false, err
	case unread != nil && existing == nil:
		return nil, false, unread
	case errors.Is(unread, ErrUnavailable):
		return nil, false, unread // ours may be among them
	}
	return existing, false, nil
}

// verifyManifest has the signatures of a manifest verified, with one request.
// Signatures that cannot be read do not matter as long as v accepts the others.
func (s *Store) verifyManifest(ctx context.Context, repo string, subject sign.Subject, v sign.Verifier) ([]string, error) {
	sigs, unread := s.Signatures(ctx, repo, subject.Digest)
	keys, err := v.Verify(ctx, subject, sigs)
	switch {
	case err == nil:
		return keys, nil
	case unread != nil:
		return nil, unread
	default:
		return nil, fmt.Errorf("%s: %w", s.Reference(repo, subject.Digest.String()), err)
	}
}
