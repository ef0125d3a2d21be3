package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
)

// Revision returns what a branch, a tag or a commit of a module meant when it was mirrored, with two requests: what
// is recorded is about this module and this name, and v accepted its signatures. The version it means may not be
// there, and is still to be verified. It is ErrNotFound when the name is not recorded.
//
// Who may push to the registry can put an older record of the same name in its place.
func (s *Store) Revision(ctx context.Context, path, name string, v sign.Verifier) (*artifact.Revision, error) {
	r, _, err := s.RecordedRevision(ctx, path, name, v)
	return r, err
}

// RecordedRevision is Revision, and returns the manifest of the record, too.
func (s *Store) RecordedRevision(ctx context.Context, path, name string, v sign.Verifier) (r *artifact.Revision, d ocispec.Descriptor, err error) {
	want := artifact.Revision{Path: path, Name: name}
	repo, tag, err := revisionName(want)
	if errors.Is(err, artifact.ErrRevision) {
		return nil, d, fmt.Errorf("%w: %w", ErrNotFound, err) // no store can have it
	}
	if err != nil {
		return nil, d, err
	}
	r, d, err = s.findRevision(ctx, repo, tag, want)
	if err != nil {
		return nil, d, fmt.Errorf("%s: recorded revision: %w", want.Query(), err)
	}
	if _, err := s.VerifyManifest(ctx, repo, sign.Subject{Module: r.Module(), Digest: d.Digest}, v); err != nil {
		return nil, d, fmt.Errorf("%s: recorded revision: %w", want.Query(), err)
	}
	return r, d, nil
}

// revisionName returns repository and tag of a recorded revision.
func revisionName(r artifact.Revision) (repo, tag string, err error) {
	if repo, err = artifact.Repository(r.Path); err != nil {
		return "", "", err
	}
	tag, err = artifact.RevisionTag(r.Name)
	return repo, tag, err
}

// findRevision finds what is recorded under a tag, which must be about the module and
// the name of want, with one request.
func (s *Store) findRevision(ctx context.Context, repo, tag string, want artifact.Revision) (*artifact.Revision, ocispec.Descriptor, error) {
	d, raw, err := s.Manifest(ctx, repo, tag)
	if err != nil {
		return nil, d, err
	}
	r, err := artifact.ParseRevision(raw)
	if err == nil {
		err = artifact.Identify(r.Query(), want.Query())
	}
	if err != nil {
		return nil, d, fmt.Errorf("%s: %w", s.Reference(repo, tag), err)
	}
	return r, d, nil
}

// PublishRevision records what a revision means: blob, manifest by digest, signature (nil signer = none), and its tag
// last, which moves if it meant something else. A tag that the registry protects against that is ErrPolicy. What is
// recorded already is only signed, unless it has our signature; then it takes two requests.
//
// The version need not be there. Nobody should learn of it before it is, so publish it first.
func (s *Store) PublishRevision(ctx context.Context, r artifact.Revision, signer *sign.Signer) error {
	if err := s.publishRevision(ctx, r, signer); err != nil {
		return fmt.Errorf("recording that %s means %s: %w", r.Query(), r.Version, err)
	}
	return nil
}

func (s *Store) publishRevision(ctx context.Context, r artifact.Revision, signer *sign.Signer) error {
	repo, tag, err := revisionName(r)
	if err != nil {
		return err
	}
	image, err := artifact.BuildRevision(r)
	if err != nil {
		return err
	}
	have, d, err := s.findRevision(ctx, repo, tag, r)
	if unanswered(ctx, err) {
		return err
	}
	if err == nil && *have == r {
		if done, err := s.confirmRevision(ctx, repo, r, d, image.Descriptor.Digest, signer); done || err != nil {
			return err
		}
	}
	if err := s.pushSigned(ctx, repo, r.Module(), image, signing{signer: signer}); err != nil {
		return err
	}
	err = s.PushManifest(ctx, repo, image.Descriptor, image.Raw, tag)
	if errors.Is(err, ErrPolicy) {
		return s.protected(ctx, repo, tag, r, image.Descriptor.Digest, err)
	}
	return err
}

// confirmRevision sees that what is recorded already, with the digest have, is signed. It
// is not done if that is another manifest than ours and has no signature of ours.
func (s *Store) confirmRevision(ctx context.Context, repo string, r artifact.Revision, have ocispec.Descriptor, ours digest.Digest, signer *sign.Signer) (done bool, err error) {
	if signer == nil {
		return true, nil
	}
	l, err := s.lacks(ctx, repo, r.Module(), have, signer)
	if err != nil || l.none() || have.Digest != ours {
		return l.none(), err
	}
	return true, s.sign(ctx, repo, have, l, signer)
}

// protected explains that a tag cannot be moved, unless somebody who was faster pointed it at d.
func (s *Store) protected(ctx context.Context, repo, tag string, r artifact.Revision, d digest.Digest, policy error) error {
	now, found, err := s.findRevision(ctx, repo, tag, r)
	meaning := "something else"
	switch {
	case errors.Is(err, ErrNotFound):
		return policy // another one than that against moving
	case err == nil && found.Digest == d:
		return nil
	case err == nil:
		meaning = now.Version
	}
	return fmt.Errorf("it meant %s, and its tag cannot be moved; exempt tags that match rev* from the registry's immutability rules: %w", meaning, policy)
}

// unanswered reports whether err says nothing about what is in the store.
func unanswered(ctx context.Context, err error) bool {
	return err != nil && (errors.Is(err, ErrUnavailable) || errors.Is(err, ErrUnauthorized) || errors.Is(err, ErrDenied) || ctx.Err() != nil)
}
