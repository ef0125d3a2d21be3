package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
)

// maxIndexes bounds how many indexes of a store are read: whoever may push can add tags without end.
const maxIndexes = 1000

// ErrIndexLost: an index was of no use, and the catalog is shown to nobody, so that it was begun anew with what was being
// added alone.
var ErrIndexLost = errors.New("the index that was there is of no use, and the catalog does not tell which modules there are: " +
	"it was begun anew with those of this run alone; mirror the others again to have them listed")

// Index returns, sorted, the paths of the modules that the indexes of a store name: of each signer the latest, with
// signatures that v accepts. It takes a listing and two requests for each. An index only names modules: whether they
// are there, and what they are, is still to be found out.
//
// It is ErrNotFound if the store has none. With another error, that says what is wrong with indexes that were left
// out, the paths in the others are returned nevertheless.
func (s *Store) Index(ctx context.Context, v sign.Verifier) (paths []string, err error) {
	all := make(map[string]bool)
	var faults []error
	read := 0
	for tag, err := range s.Tags(ctx, artifact.IndexRepository) {
		if err != nil {
			return nil, fmt.Errorf("index: %w", err)
		}
		if !artifact.IsIndexTag(tag) {
			continue
		}
		if read++; read > maxIndexes {
			faults = append(faults, fmt.Errorf("index: %w: %s has more than %d", artifact.ErrLimit, s.Reference(artifact.IndexRepository, ""), maxIndexes))
			break
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
func (s *Store) ReadIndex(ctx context.Context, tag string, v sign.Verifier) (paths []string, d ocispec.Descriptor, err error) {
	const repo = artifact.IndexRepository
	d, raw, err := s.Manifest(ctx, repo, tag)
	if err != nil {
		return nil, d, fmt.Errorf("index: %w", err)
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
		return nil, d, fmt.Errorf("index %s: %w", s.Reference(repo, tag), err)
	}
	return paths, d, nil
}

// indexSubject is what a signature on an index is about. No module has such a path.
func indexSubject(d digest.Digest) sign.Subject {
	return sign.Subject{Module: module.Version{Path: artifact.IndexRepository}, Digest: d}
}

// indexAttempts bounds how often an index is written anew because others with the same key did so meanwhile.
const indexAttempts = 5

// PublishIndex adds the paths of modules that are in the store to the index of signer (nil = the one that nobody signs).
// If they are there, it takes two requests. If there is no index of signer's yet, or it is of no use, one is begun with
// all modules that the catalog has. Where that does not tell either, what an index of no use had is lost, and the error
// is ErrIndexLost after the new one was published.
//
// Registries have no compare-and-swap: of two who add to the same index at the same moment one may overwrite what the
// other has put. So who has put something looks again after the time in which that can have happened.
func (s *Store) PublishIndex(ctx context.Context, paths []string, signer *sign.Signer) error {
	if len(paths) == 0 {
		return nil
	}
	var lost error
	for range indexAttempts {
		done, err := s.publishIndex(ctx, paths, signer)
		if errors.Is(err, ErrIndexLost) {
			lost, err = err, nil
		}
		if err != nil {
			return fmt.Errorf("publishing the index of modules: %w", err)
		}
		if done {
			return lost
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
	have, old, fault := s.ReadIndex(ctx, tag, v)
	var lost error
	switch {
	case unanswered(ctx, fault):
		return false, fault
	case fault != nil:
		known := false
		if have, known, err = s.cataloged(ctx); err != nil {
			return false, err
		}
		if !known && !IsAbsent(fault) {
			lost = fmt.Errorf("%w: %w", ErrIndexLost, fault)
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
	if err := s.ensureSigned(ctx, repo, indexSubject("").Module, image.Descriptor, signing{signer: signer}); err != nil {
		return false, err
	}
	began := time.Now()
	now, _, err := s.Manifest(ctx, repo, tag)
	if unanswered(ctx, err) || err == nil && now.Digest != old.Digest {
		return false, err // someone was faster: their paths, too
	}
	if err := s.PushManifest(ctx, repo, image.Descriptor, image.Raw, tag); err != nil {
		return false, err
	}
	select {
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case <-time.After(2 * time.Since(began)): // who looked before that and is as fast as we are has put theirs
		return false, lost
	}
}

// containsAll reports whether a sorted list has all of paths.
func containsAll(list, paths []string) bool {
	return !slices.ContainsFunc(paths, func(path string) bool {
		_, ok := slices.BinarySearch(list, path)
		return !ok
	})
}

// cataloged returns the modules in the catalog, if the store shows it.
func (s *Store) cataloged(ctx context.Context) (paths []string, known bool, err error) {
	for path, err := range s.Modules(ctx) {
		switch {
		case err == nil:
			paths = append(paths, path)
		case errors.Is(err, ErrNoPath) && ctx.Err() == nil:
		case IsAbsent(err), errors.Is(err, ErrUnsupported), errors.Is(err, ErrDenied):
			return nil, false, nil
		default:
			return nil, false, err
		}
	}
	return paths, true, nil
}
