// Package selection says which items of a store are meant.
package selection

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/inventory"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/transfer"
)

// A Selection says which items of a store are meant, as for a bundle. Without Match and Versions it is all of them. Else it
// is those module versions that one of the two selects, with their evidence and the revisions that mean them, and of each
// checksum database the newest snapshot.
type Selection struct {
	Store *registry.Store
	Log   *sumdb.Log // whose snapshots are looked for where the catalog may not be read
	Jobs  int        // repositories asked for at a time; 0 = 4

	Match    func(module.Version) bool
	Versions []requirement.Requirement

	// NoIndex leaves out the indexes, which name all modules of the store.
	NoIndex bool
}

// List returns the items in the order in which they are to be copied. Missing are the versions that the store does not
// have: of one that is required in full, its go.mod alone is not enough. It takes a listing for each repository, and a
// request for each recorded revision if something is selected. The error is that of the store; of several repositories
// that cannot be listed it has them all.
func (s *Selection) List(ctx context.Context) (items []transfer.Item, missing []requirement.Requirement, err error) {
	names, err := s.repositories(ctx)
	if err != nil {
		return nil, nil, err
	}
	named := make(map[module.Version]bool)
	for _, r := range s.Versions {
		named[r.Module] = true
	}
	var mu sync.Mutex
	var faults []error
	var g errgroup.Group
	g.SetLimit(cmp.Or(s.Jobs, 4))
	for _, name := range names {
		g.Go(func() error {
			found, err := s.of(ctx, name, named)
			mu.Lock()
			defer mu.Unlock()
			items, faults = append(items, found...), append(faults, err)
			return nil
		})
	}
	_ = g.Wait()
	if err := cmp.Or(context.Cause(ctx), errors.Join(faults...)); err != nil {
		return nil, nil, err
	}
	slices.SortFunc(items, transfer.Compare)
	return items, s.missing(items), nil
}

// all reports whether nothing is selected.
func (s *Selection) all() bool { return s.Match == nil && s.Versions == nil }

// repositories returns the repositories in which something may be selected. The catalog is not needed for versions that
// are named.
func (s *Selection) repositories(ctx context.Context) ([]string, error) {
	if s.Match != nil || s.all() {
		lister := inventory.Lister{Store: s.Store, Logs: []*sumdb.Log{s.Log}}
		names, broken, err := lister.Names(ctx)
		return names, errors.Join(err, errors.Join(broken...))
	}
	names := []string{s.Log.Repository(), artifact.IndexRepository}
	for _, r := range s.Versions {
		name, err := artifact.Repository(r.Module.Path)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// of returns the items of a repository that are selected; none if there is no such repository.
func (s *Selection) of(ctx context.Context, repo string, named map[module.Version]bool) (items []transfer.Item, err error) {
	path, _ := artifact.ModulePath(repo)
	for tag, err := range s.Store.Tags(ctx, repo) {
		if errors.Is(err, registry.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if it := (transfer.Item{Repository: repo, Tag: tag}); it.Kind() != transfer.None {
			items = append(items, it)
		}
	}
	if s.all() {
		return slices.DeleteFunc(items, func(it transfer.Item) bool { return s.NoIndex && it.Kind() == transfer.Index }), nil
	}
	var selected []transfer.Item
	for _, it := range items {
		is, err := s.selects(ctx, it, path, named)
		if err != nil {
			return nil, err
		}
		if is {
			selected = append(selected, it)
		}
	}
	return newestSnapshot(selected), nil
}

// selects reports whether an item is selected; of snapshots, all.
func (s *Selection) selects(ctx context.Context, it transfer.Item, path string, named map[module.Version]bool) (bool, error) {
	m := module.Version{Path: path, Version: it.Version()}
	switch kind := it.Kind(); {
	case kind == transfer.Snapshot:
		return true, nil
	case kind == transfer.Index:
		return !s.NoIndex, nil
	case kind == transfer.Revision || path == "":
		about, err := s.read(ctx, it)
		if err != nil {
			return false, err
		}
		m.Path = about.Path
		if kind == transfer.Revision {
			m.Version = about.Version
		}
	}
	return named[m] || s.Match != nil && s.Match(m), nil
}

// read returns the module version that an item's manifest says it is about.
func (s *Selection) read(ctx context.Context, it transfer.Item) (m module.Version, err error) {
	_, raw, err := s.Store.Manifest(ctx, it.Repository, it.Tag)
	if err != nil {
		return m, fmt.Errorf("%v: %w", it, err)
	}
	var im ocispec.Manifest
	if err := json.Unmarshal(raw, &im); err != nil {
		return m, fmt.Errorf("%v: %w: %w", it, artifact.ErrCorrupt, err)
	}
	return module.Version{Path: im.Annotations[artifact.AnnotationModule], Version: im.Annotations[artifact.AnnotationVersion]}, nil
}

// newestSnapshot leaves of snapshots the latest and the head of the most records.
func newestSnapshot(items []transfer.Item) []transfer.Item {
	var newest int64
	for _, it := range items {
		if n, ok := sumdb.ParseHeadTag(it.Tag); ok && it.Kind() == transfer.Snapshot {
			newest = max(newest, n)
		}
	}
	return slices.DeleteFunc(items, func(it transfer.Item) bool {
		n, ok := sumdb.ParseHeadTag(it.Tag)
		return ok && it.Kind() == transfer.Snapshot && n != newest
	})
}

// missing returns the versions that are not among the items.
func (s *Selection) missing(items []transfer.Item) (missing []requirement.Requirement) {
	type key struct{ repo, version string }
	full, some := make(map[key]bool), make(map[key]bool)
	for _, it := range items {
		if it.Kind() != transfer.Version {
			continue
		}
		version, modOnly, _ := artifact.ParseTag(it.Tag)
		k := key{it.Repository, version}
		some[k], full[k] = true, full[k] || !modOnly
	}
	for _, r := range s.Versions {
		repo, _ := artifact.Repository(r.Module.Path)
		k := key{repo, r.Module.Version}
		// A list with "@" does not tell which form it means; see audit.ParseNames.
		if !some[k] || !full[k] && !r.ModOnly && r.From != "" {
			missing = append(missing, r)
		}
	}
	return missing
}
