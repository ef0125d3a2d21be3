package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
)

// Index returns, sorted, the paths of the modules that the indexes of a store name: of each signer the latest, with
// signatures that v accepts. It takes a listing and two requests for each. An index only names modules: whether they
// are there, and what they are, is still to be found out.
//
// It is ErrNotFound if the store has none. With another error, that says what is wrong with indexes that were left
// out, the paths in the others are returned nevertheless.
func (s *Store) Index(ctx context.Context, v sign.Verifier) (paths []string, err error) {
	all := make(map[string]bool)
	var faults []error
	for tag, err := range s.Tags(ctx, artifact.IndexRepository) {
		if err != nil {
			return nil, fmt.Errorf("index: %w", err)
		}
		if !artifact.IsIndexTag(tag) {
			continue
		}
		list, _, err := s.ReadIndex(ctx, tag, v)
		if unanswered(ctx, err) {
			return nil, err
		}
		if err != nil {
			faults = append(faults, err)
		}
		for _, path := range list {
			all[path] = true
		}
	}
	if len(all) == 0 && faults == nil {
		return nil, fmt.Errorf("%s: %w", s.Reference(artifact.IndexRepository, ""), ErrNotFound)
	}
	return slices.Sorted(maps.Keys(all)), errors.Join(faults...)
}

// ReadIndex returns the module paths that the index with a tag names, sorted, if v accepts its signatures.
func (s *Store) ReadIndex(ctx context.Context, tag string, v sign.Verifier) (paths []string, manifest digest.Digest, err error) {
	const repo = artifact.IndexRepository
	d, raw, err := s.Manifest(ctx, repo, tag)
	if err != nil {
		return nil, "", fmt.Errorf("index: %w", err)
	}
	list, err := artifact.ParseIndex(raw)
	if err == nil {
		_, err = s.VerifyManifest(ctx, repo, indexSubject(d.Digest), v)
	}
	data := list.Data
	if err == nil && data == nil {
		data, err = s.readPart(ctx, repo, list)
	}
	if err == nil {
		paths, err = artifact.ReadIndex(data)
	}
	if err != nil {
		return nil, d.Digest, fmt.Errorf("index %s: %w", s.Reference(repo, tag), err)
	}
	return paths, d.Digest, nil
}

// indexSubject is what a signature on an index is about. No module has such a path.
func indexSubject(d digest.Digest) sign.Subject {
	return sign.Subject{Module: module.Version{Path: artifact.IndexRepository}, Digest: d}
}

// indexAttempts bounds how often an index is written anew because others with the same key did so meanwhile.
const indexAttempts = 5

// PublishIndex adds the paths of modules that are in the store to the index of signer (nil = the one that nobody signs).
// If they are there, it takes two requests. If there is no index of signer's yet, or it is of no use, one is begun with
// all modules that the catalog has, as far as the store shows that.
//
// Of two who add to the same index at the very same moment one may win, as registries have no compare-and-swap; adding
// again, as each mirroring does, mends that.
func (s *Store) PublishIndex(ctx context.Context, paths []string, signer *sign.Signer) error {
	if len(paths) == 0 {
		return nil
	}
	for range indexAttempts {
		done, err := s.publishIndex(ctx, paths, signer)
		if err != nil {
			return fmt.Errorf("publishing the index of modules: %w", err)
		}
		if done {
			return nil
		}
	}
	return fmt.Errorf("publishing the index of modules: %w: others keep changing it", ErrConflict)
}

// publishIndex is one attempt of PublishIndex. It is done when the index was found to have all paths.
func (s *Store) publishIndex(ctx context.Context, paths []string, signer *sign.Signer) (done bool, err error) {
	const repo = artifact.IndexRepository
	tag, v := artifact.IndexTag(""), sign.Verifier(sign.SkipVerify{})
	if signer != nil {
		tag, v = artifact.IndexTag(signer.KeyID()), signer.Verifier()
	}
	have, old, err := s.ReadIndex(ctx, tag, v)
	switch {
	case unanswered(ctx, err):
		return false, err
	case err != nil:
		if have, err = s.cataloged(ctx); err != nil {
			return false, err
		}
	case containsAll(have, paths):
		return true, nil
	}
	image, err := artifact.BuildIndex(slices.Concat(have, paths))
	if err != nil {
		return false, err
	}
	if err := s.pushImage(ctx, repo, image, ""); err != nil {
		return false, err
	}
	if err := s.ensureSigned(ctx, repo, indexSubject(image.Descriptor.Digest), signing{signer: signer}); err != nil {
		return false, err
	}
	now, _, err := s.Manifest(ctx, repo, tag)
	if unanswered(ctx, err) || err == nil && now.Digest != old {
		return false, err // someone was faster: their paths, too
	}
	return false, s.PushManifest(ctx, repo, image.Descriptor, image.Raw, tag)
}

// containsAll reports whether a sorted list has all of paths.
func containsAll(list, paths []string) bool {
	return !slices.ContainsFunc(paths, func(path string) bool {
		_, ok := slices.BinarySearch(list, path)
		return !ok
	})
}

// cataloged returns the modules in the catalog; none if the store does not show it.
func (s *Store) cataloged(ctx context.Context) (paths []string, err error) {
	for path, err := range s.Modules(ctx) {
		switch {
		case err == nil:
			paths = append(paths, path)
		case errors.Is(err, ErrNoPath) && ctx.Err() == nil:
		case absent(err), errors.Is(err, ErrUnsupported), errors.Is(err, ErrDenied):
			return nil, nil
		default:
			return nil, err
		}
	}
	return paths, nil
}
