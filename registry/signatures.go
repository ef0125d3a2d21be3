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

// pushSigned stores the image of a module version without a tag, and signer's signature of it (nil = none).
func (s *Store) pushSigned(ctx context.Context, repo string, m module.Version, image *artifact.Image, signer *sign.Signer) error {
	if err := s.pushImage(ctx, repo, image, ""); err != nil {
		return err
	}
	return s.ensureSigned(ctx, repo, m, image.Descriptor, signer)
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

// ensureSigned adds signer's signature (nil = none) to those of a manifest that is in the store, in the formats in which
// it is not among them. One just pushed may have some: of who pushed the same before and did not come to the tag.
func (s *Store) ensureSigned(ctx context.Context, repo string, m module.Version, d ocispec.Descriptor, signer *sign.Signer) error {
	if signer == nil {
		return nil
	}
	missing, err := s.missing(ctx, repo, m, d, signer)
	if err != nil {
		return err
	}
	return s.sign(ctx, repo, d, missing, signer)
}

// missing is which signatures a manifest lacks of those that a signer makes.
type missing struct {
	formats []sign.Format
	classic []byte // the .sig manifest that is there, nil if there is none
}

func (m missing) none() bool { return len(m.formats) == 0 }

// missing finds out which of signer's signatures a manifest in the store lacks. Classic ones that are there but cannot be
// read are an error: one pushed without them would replace those.
func (s *Store) missing(ctx context.Context, repo string, m module.Version, d ocispec.Descriptor, signer *sign.Signer) (lacks missing, err error) {
	subject := sign.Subject{Module: m, Digest: d.Digest}
	for _, format := range signer.Formats() {
		var sigs []sign.Signature
		var unread error
		if format == sign.Classic {
			lacks.classic, sigs, unread = s.classicSignatures(ctx, repo, d.Digest)
		} else {
			sigs, unread = s.bundleSignatures(ctx, repo, d.Digest)
		}
		_, err := signer.Verifier().Verify(ctx, subject, sigs)
		switch {
		case err == nil:
			continue
		case !errors.Is(err, sign.ErrUnsigned) && !errors.Is(err, sign.ErrUntrusted):
			return lacks, err
		case errors.Is(unread, ErrUnavailable):
			return lacks, unread // ours may be among them
		case unread != nil && len(sigs) == 0:
			return lacks, unread
		}
		lacks.formats = append(lacks.formats, format)
	}
	return lacks, nil
}

// sign adds the signatures that a manifest in the store lacks.
func (s *Store) sign(ctx context.Context, repo string, d ocispec.Descriptor, lacks missing, signer *sign.Signer) error {
	for _, format := range lacks.formats {
		if err := s.addSignature(ctx, repo, d, format, lacks.classic, signer); err != nil {
			return fmt.Errorf("signing %s: %w", s.Reference(repo, d.Digest.String()), err)
		}
	}
	return nil
}

func (s *Store) addSignature(ctx context.Context, repo string, d ocispec.Descriptor, format sign.Format, classic []byte, signer *sign.Signer) error {
	if format == sign.Bundle {
		sig, err := signer.SignBundle(ctx, d.Digest)
		if err != nil {
			return err
		}
		image, err := sign.Referrer(d, sig)
		if err != nil {
			return err
		}
		return s.pushImage(ctx, repo, image, "")
	}
	sig, err := signer.Sign(ctx, d.Digest, s.SignedName(repo))
	if err != nil {
		return err
	}
	image, err := sign.Append(classic, sig)
	if err != nil {
		return err
	}
	return s.pushImage(ctx, repo, image, sign.Tag(d.Digest))
}

// verifyManifest has the signatures of a manifest verified: the classic ones with one request, and the bundles as well
// only if those are not enough. What v denies takes no request. Signatures that cannot be read do not matter as long as v
// accepts the others.
func (s *Store) verifyManifest(ctx context.Context, repo string, subject sign.Subject, v sign.Verifier) ([]string, error) {
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
