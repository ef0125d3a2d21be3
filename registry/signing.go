package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sign"
)

// ensureSigned adds signatures to those of a manifest that is in the store, unless they are among them: our own in each
// format of the signer. One just pushed may have some: of who pushed the same before and did not come to the tag.
func (s *Store) ensureSigned(ctx context.Context, repo string, m module.Version, d ocispec.Descriptor, by signing) error {
	if len(by.made) > 0 {
		if _, err := s.addSignatures(ctx, repo, d, by.made, false); err != nil {
			return err
		}
	}
	if by.signer == nil {
		return nil
	}
	l, err := s.lacks(ctx, repo, m, d, by.signer)
	if err != nil {
		return err
	}
	return s.sign(ctx, repo, d, l, by.signer)
}

// lacks is which signatures a manifest lacks of those that a signer makes.
type lacks struct {
	formats []sign.Format
	classic []byte // the .sig manifest that is there, nil if there is none
}

func (l lacks) none() bool { return len(l.formats) == 0 }

// lacks finds out which of signer's signatures a manifest in the store lacks. Classic ones that are there but cannot be
// read are an error: one pushed without them would replace those.
func (s *Store) lacks(ctx context.Context, repo string, m module.Version, d ocispec.Descriptor, signer *sign.Signer) (l lacks, err error) {
	subject := sign.Subject{Module: m, Digest: d.Digest}
	for _, format := range signer.Formats() {
		var sigs []sign.Signature
		var unread error
		if format == sign.Classic {
			l.classic, sigs, unread = s.classicSignatures(ctx, repo, d.Digest)
		} else {
			sigs, unread = s.bundleSignatures(ctx, repo, d.Digest)
		}
		_, err := signer.Verifier().Verify(ctx, subject, sigs)
		switch {
		case err == nil:
			continue
		case !errors.Is(err, sign.ErrUnsigned) && !errors.Is(err, sign.ErrUntrusted):
			return l, err
		case errors.Is(unread, ErrUnavailable):
			return l, unread // ours may be among them
		case unread != nil && len(sigs) == 0:
			return l, unread
		}
		l.formats = append(l.formats, format)
	}
	return l, nil
}

// sign adds the signatures that a manifest in the store lacks.
func (s *Store) sign(ctx context.Context, repo string, d ocispec.Descriptor, l lacks, signer *sign.Signer) error {
	for _, format := range l.formats {
		if err := s.addSignature(ctx, repo, d, format, l.classic, signer); err != nil {
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

// addSignatures adds signatures that others made to those of a manifest, each in its format, and reports whether there was
// one to add. Classic ones that are there but cannot be read are an error: those pushed without them would replace them.
// With dryRun nothing is written.
func (s *Store) addSignatures(ctx context.Context, repo string, d ocispec.Descriptor, made []sign.Signature, dryRun bool) (added bool, err error) {
	var classic, bundles []sign.Signature
	for _, sig := range made {
		if sig.Format == sign.Bundle {
			bundles = append(bundles, sig)
		} else {
			classic = append(classic, sig)
		}
	}
	if len(classic) > 0 {
		added, err = s.addClassic(ctx, repo, d, classic, dryRun)
	}
	if err == nil && len(bundles) > 0 {
		var more bool
		more, err = s.addBundles(ctx, repo, d, bundles, dryRun)
		added = added || more
	}
	if err != nil {
		return false, fmt.Errorf("adding signatures to those of %s: %w", s.Reference(repo, d.Digest.String()), err)
	}
	return added, nil
}

func (s *Store) addClassic(ctx context.Context, repo string, d ocispec.Descriptor, made []sign.Signature, dryRun bool) (added bool, err error) {
	existing, _, unread := s.classicSignatures(ctx, repo, d.Digest)
	if existing == nil && unread != nil {
		return false, unread
	}
	image, err := sign.Merge(existing, made)
	if image == nil || err != nil || dryRun {
		return image != nil, err
	}
	return true, s.pushImage(ctx, repo, image, sign.Tag(d.Digest))
}

func (s *Store) addBundles(ctx context.Context, repo string, d ocispec.Descriptor, made []sign.Signature, dryRun bool) (added bool, err error) {
	have, unread := s.bundleSignatures(ctx, repo, d.Digest)
	if unread != nil && !errors.Is(unread, ErrCorrupt) {
		return false, unread
	}
	for _, sig := range made {
		there := slices.ContainsFunc(have, func(h sign.Signature) bool { return h.Descriptor.Digest == sig.Descriptor.Digest })
		if there || sig.Payload == nil {
			continue
		}
		added = true
		if dryRun {
			continue
		}
		image, err := sign.Referrer(d, sig)
		if err != nil {
			return false, err
		}
		if err := s.pushImage(ctx, repo, image, ""); err != nil {
			return false, err
		}
	}
	return added, nil
}
