package registry

import (
	"context"
	"fmt"
	"slices"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
)

// ForgetModules takes modules out of signer's index, of which nothing is in the store any more, and returns how many
// it named. Other signers' indexes stay as they are, and so does one that would name none. It takes two requests if
// there is nothing to do.
func (s *Store) ForgetModules(ctx context.Context, paths []string, signer *sign.Signer) (n int, err error) {
	for range indexAttempts {
		n, done, err := s.forgetModules(ctx, paths, signer)
		if err != nil {
			return 0, fmt.Errorf("taking modules out of the index: %w", err)
		}
		if done {
			return n, nil
		}
	}
	return 0, fmt.Errorf("taking modules out of the index: %w: others keep changing it", ErrConflict)
}

// forgetModules is one attempt of ForgetModules.
func (s *Store) forgetModules(ctx context.Context, paths []string, signer *sign.Signer) (n int, done bool, err error) {
	const repo = artifact.IndexRepository
	tag := artifact.IndexTag(signer.KeyID())
	have, old, err := s.ReadIndex(ctx, tag, signer.Verifier())
	if IsAbsent(err) {
		return 0, true, nil
	}
	if err != nil {
		return 0, false, err
	}
	left := slices.DeleteFunc(slices.Clone(have), func(path string) bool { return slices.Contains(paths, path) })
	if n = len(have) - len(left); n == 0 || len(left) == 0 {
		return 0, true, nil
	}
	image, err := artifact.BuildIndex(left)
	if err != nil {
		return 0, false, err
	}
	if err := s.pushImage(ctx, repo, image, ""); err != nil {
		return 0, false, err
	}
	if err := s.ensureSigned(ctx, repo, indexSubject("").Module, image.Descriptor, signing{signer: signer}); err != nil {
		return 0, false, err
	}
	now, err := s.Resolve(ctx, repo, tag)
	if err != nil || now.Digest != old.Digest {
		return 0, false, err // someone was faster: their paths stay
	}
	return n, true, s.PushManifest(ctx, repo, image.Descriptor, image.Raw, tag)
}
