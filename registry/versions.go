package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"golang.org/x/mod/semver"

	"github.com/modferry/modferry/artifact"
)

// Listed is a version in a store's tag listing.
type Listed struct {
	Version string
	ModOnly bool
}

// Versions lists what the store has of a module in semver order, from one tag listing; a version stored in both forms
// appears twice, full first. It is ErrNotFound when the module is unknown.
func (s *Store) Versions(ctx context.Context, path string) ([]Listed, error) {
	versions, _, err := s.Listing(ctx, path)
	return versions, err
}

// Listing is [Store.Versions], and returns from the same tag listing the names of the
// recorded revisions, sorted: those whose tag can be read, so that every commit hash is
// among them. Whether a revision can be trusted, [Store.Revision] tells.
func (s *Store) Listing(ctx context.Context, path string) (versions []Listed, revisions []string, err error) {
	repo, err := artifact.Repository(path)
	if err != nil {
		return nil, nil, err
	}
	for tag, err := range s.Tags(ctx, repo) {
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		if version, modOnly, ok := artifact.ParseTag(tag); ok {
			versions = append(versions, Listed{Version: version, ModOnly: modOnly})
		} else if name, ok := artifact.ParseRevisionTag(tag); ok {
			revisions = append(revisions, name)
		}
	}
	slices.SortFunc(versions, func(a, b Listed) int {
		order := cmp.Or(semver.Compare(a.Version, b.Version), cmp.Compare(a.Version, b.Version)) // semver ignores +incompatible
		if order == 0 && a.ModOnly {
			return 1
		}
		return order
	})
	slices.Sort(revisions)
	return versions, revisions, nil
}

// Modules lists the paths of the modules in the store. Repositories that hold no modules are left out. A path too
// long for a repository name is read from one of its manifests; when that fails, ErrNoPath is yielded and the listing
// goes on. Any other error ends it.
func (s *Store) Modules(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for repo, err := range s.Repositories(ctx) {
			if err != nil {
				yield("", err)
				return
			}
			path, err := artifact.ModulePath(repo)
			if errors.Is(err, artifact.ErrLongName) {
				path, err = s.longPath(ctx, repo)
			} else if err != nil {
				continue
			}
			if path == "" && err == nil {
				continue // nothing is left of it
			}
			if !yield(path, err) {
				return
			}
		}
	}
}

// longPath returns the module path of a repository whose name is a hash of it, from the
// first version that tells it; "" if there is no such repository any more.
func (s *Store) longPath(ctx context.Context, repo string) (string, error) {
	reason := errors.New("it has no version")
	for tag, err := range s.Tags(ctx, repo) {
		if errors.Is(err, ErrNotFound) {
			return "", nil
		}
		path := ""
		if err == nil {
			if _, _, ok := artifact.ParseTag(tag); !ok {
				continue
			}
			path, err = s.pathOf(ctx, repo, tag)
		}
		if err == nil {
			return path, nil
		}
		reason = err
		if unanswered(ctx, err) {
			break
		}
	}
	return "", fmt.Errorf("%s: %w: %w", s.Reference(repo, ""), ErrNoPath, reason)
}

// pathOf returns the module path that a version says it is of, if repo is named by it.
func (s *Store) pathOf(ctx context.Context, repo, tag string) (string, error) {
	_, raw, err := s.Manifest(ctx, repo, tag)
	if err != nil {
		return "", err
	}
	m, err := artifact.ParseManifest(raw)
	if err == nil {
		if own, e := artifact.Repository(m.Module.Path); e != nil || own != repo {
			err = fmt.Errorf("%w: it says it is of %v", artifact.ErrIdentity, m.Module)
		}
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", s.Reference(repo, tag), err)
	}
	return m.Module.Path, nil
}
