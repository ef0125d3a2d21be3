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
const copyHint = "if a tool copied it and left the signature behind: crane copy -a, " +
	"regctl image copy --digest-tags and skopeo sync bring it, others if its tag sha256-….sig is copied too"

// Signatures returns the signatures stored for a manifest, of both forms; none is no error. It takes the requests of
// [Store.SignatureManifests], for payloads are inlined, at least ours. With an error, the signatures are returned
// nevertheless; those that could not be read count for nothing.
func (s *Store) Signatures(ctx context.Context, repo string, d digest.Digest) ([]sign.Signature, error) {
	_, classic, err := s.classicSignatures(ctx, repo, d)
	bundles, bundleErr := s.bundleSignatures(ctx, repo, d)
	return append(classic, bundles...), errors.Join(err, bundleErr)
}

// classicSignatures returns the .sig manifest, nil if there is none, and the signatures in it.
func (s *Store) classicSignatures(ctx context.Context, repo string, d digest.Digest) (raw []byte, sigs []sign.Signature, err error) {
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
	return raw, sigs, s.fetchPayloads(ctx, repo, sigs)
}

// bundleSignatures returns the signatures in the referrers of a manifest.
func (s *Store) bundleSignatures(ctx context.Context, repo string, d digest.Digest) (sigs []sign.Signature, err error) {
	manifests, notes, err := s.bundleManifests(ctx, repo, d)
	for _, note := range notes {
		sigs = append(sigs, sign.Unread(note))
	}
	for _, m := range manifests {
		sigs = append(sigs, sign.ParseReferrer(m.Raw))
	}
	return sigs, errors.Join(err, s.fetchPayloads(ctx, repo, sigs))
}

// fetchPayloads fetches what is not inlined.
func (s *Store) fetchPayloads(ctx context.Context, repo string, sigs []sign.Signature) (unread error) {
	for i := range sigs {
		if sigs[i].Fetch() {
			payload, err := s.readPart(ctx, repo, sigs[i].Descriptor)
			sigs[i].SetPayload(payload, err)
			unread = errors.Join(unread, err)
		}
	}
	return unread
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
	return s.ensureSigned(ctx, repo, m, image.Descriptor, by)
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

// VerifyManifest has the signatures of a manifest verified: the classic ones with one request, and the bundles as well
// only if those are not enough. What v denies takes no request. The subject's module matters to a policy. Signatures that
// cannot be read do not matter as long as v accepts the others.
func (s *Store) VerifyManifest(ctx context.Context, repo string, subject sign.Subject, v sign.Verifier) ([]string, error) {
	if err := v.Deny(subject); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Reference(repo, subject.Digest.String()), err)
	}
	_, sigs, unread := s.classicSignatures(ctx, repo, subject.Digest)
	keys, err := v.Verify(ctx, subject, sigs)
	insufficient := errors.Is(err, sign.ErrUnsigned) || errors.Is(err, sign.ErrUntrusted)
	if insufficient && !errors.Is(unread, ErrUnavailable) {
		bundles, more := s.bundleSignatures(ctx, repo, subject.Digest)
		if unread = errors.Join(unread, more); len(bundles) > 0 {
			keys, err = v.Verify(ctx, subject, append(sigs, bundles...))
		}
	}
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
