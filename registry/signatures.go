package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
)

// copyHint names what brings signatures along.
const copyHint = "if a tool copied it and left the signature behind: cosign copy, crane copy -a, " +
	"regctl image copy --digest-tags and skopeo sync bring it, others if its tag sha256-….sig is copied too"

// Signatures returns the signatures stored for a manifest; none is no error. It is one request where payloads are
// inlined, as ours are. With an error, the signatures are returned nevertheless; those that could not be read count
// for nothing.
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
	sigs, err = sign.Parse(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("reading signatures %s: %w", s.Reference(repo, tag), err)
	}
	var unread error
	for i := range sigs {
		if sigs[i].Fetch() {
			payload, err := s.readPart(ctx, repo, sigs[i].Descriptor)
			sigs[i].SetPayload(payload, err)
			unread = errors.Join(unread, err)
		}
	}
	return raw, sigs, unread
}

// readPart reads a small blob that a manifest lists, whose size was limited.
func (s *Store) readPart(ctx context.Context, repo string, d ocispec.Descriptor) ([]byte, error) {
	rc, err := part(s.Blob(ctx, repo, d))
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	buf := bytes.NewBuffer(make([]byte, 0, d.Size+bytes.MinRead))
	_, err = buf.ReadFrom(rc)
	return buf.Bytes(), err
}

// sign adds a signature to a manifest that is in the store. existing is its .sig manifest, nil if there is none.
func (s *Store) sign(ctx context.Context, repo string, d digest.Digest, existing []byte, signer *sign.Signer) error {
	sig, err := signer.Sign(ctx, d, s.SignedName(repo))
	if err != nil {
		return fmt.Errorf("signing %s: %w", s.Reference(repo, d.String()), err)
	}
	image, err := sign.Append(existing, sig)
	if err != nil {
		return fmt.Errorf("signing %s: %w", s.Reference(repo, d.String()), err)
	}
	return s.pushImage(ctx, repo, image, sign.Tag(d))
}

// A signing says whose signatures something is to have in the store.
type signing struct {
	signer *sign.Signer     // nil = nobody's of our own
	made   []sign.Signature // those that others made, where it was copied from
}

// pushSigned stores the image of a module version without a tag, and its signatures.
func (s *Store) pushSigned(ctx context.Context, repo string, m module.Version, image *artifact.Image, by signing) error {
	if err := s.pushImage(ctx, repo, image, ""); err != nil {
		return err
	}
	return s.ensureSigned(ctx, repo, sign.Subject{Module: m, Digest: image.Descriptor.Digest}, by)
}

// pushImage stores an image: its blobs, at the same time, then the manifest, with a tag or by digest alone ("").
func (s *Store) pushImage(ctx context.Context, repo string, image *artifact.Image, tag string) error {
	g, blobCtx := errgroup.WithContext(ctx)
	for _, b := range image.Blobs {
		g.Go(func() error { return s.PushBlob(blobCtx, repo, b) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return s.PushManifest(ctx, repo, image.Descriptor, image.Raw, tag)
}

// ensureSigned adds signatures to those of a manifest that is in the store, unless they are among them. One just pushed
// may have some: of who pushed the same before and did not come to the tag.
func (s *Store) ensureSigned(ctx context.Context, repo string, subject sign.Subject, by signing) error {
	if len(by.made) > 0 {
		if _, err := s.addSignatures(ctx, repo, subject.Digest, by.made, false); err != nil {
			return err
		}
	}
	if by.signer == nil {
		return nil
	}
	existing, signed, err := s.signedBy(ctx, repo, subject, by.signer)
	if signed || err != nil {
		return err
	}
	return s.sign(ctx, repo, subject.Digest, existing, by.signer)
}

// addSignatures adds signatures that others made to those of a manifest, and reports whether there was one to add. A
// .sig manifest that is there but cannot be read is an error: one pushed without it would replace the signatures it
// holds. With dryRun nothing is written.
func (s *Store) addSignatures(ctx context.Context, repo string, d digest.Digest, made []sign.Signature, dryRun bool) (added bool, err error) {
	existing, _, unread := s.signatures(ctx, repo, d)
	if existing == nil && unread != nil {
		return false, unread
	}
	image, err := sign.Merge(existing, made)
	if err != nil {
		return false, fmt.Errorf("adding signatures to those of %s: %w", s.Reference(repo, d.String()), err)
	}
	if image == nil || dryRun {
		return image != nil, nil
	}
	return true, s.pushImage(ctx, repo, image, sign.Tag(d))
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

// VerifyManifest has the signatures of a manifest verified, with one request, and without one for what v denies. The
// subject's module matters to a policy. Signatures that cannot be read do not matter as long as v accepts the others.
func (s *Store) VerifyManifest(ctx context.Context, repo string, subject sign.Subject, v sign.Verifier) ([]string, error) {
	if err := v.Deny(subject); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Reference(repo, subject.Digest.String()), err)
	}
	sigs, unread := s.Signatures(ctx, repo, subject.Digest)
	keys, err := v.Verify(ctx, subject, sigs)
	switch {
	case err == nil:
		return keys, nil
	case unread != nil:
		return nil, unread
	case errors.Is(err, sign.ErrUnsigned):
		return nil, fmt.Errorf("%s: %w; %s", s.Reference(repo, subject.Digest.String()), err, copyHint)
	default:
		return nil, fmt.Errorf("%s: %w", s.Reference(repo, subject.Digest.String()), err)
	}
}
