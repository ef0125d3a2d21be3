// Package audit tells what stores hold, and whether it may be used: it lists, inspects and verifies versions.
package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
)

// A Lister lists what stores hold: the modules that their indexes and catalogs name, with the versions that their
// repositories have.
type Lister struct {
	Stores   *registry.Router
	Verifier sign.Verifier // whose indexes count

	// Warn is told why an index is not used.
	Warn func(error)
	// CatalogOnly is told, if it is not nil, of a registry without an index that is of use: its catalog may be partial.
	CatalogOnly func(*registry.Store)
}

// Each calls do, in the order of paths, for every module of every store that requests for it would be routed to, with
// its versions. A repository that cannot be read does not end it: broken says what is wrong with each. err is that of
// do, or says why the listing ended.
func (l *Lister) Each(ctx context.Context, do func(path string, versions []registry.Listed) error) (broken []error, err error) {
	paths, broken, err := l.Paths(ctx)
	if err != nil {
		return broken, err
	}
	faults, err := l.EachOf(ctx, paths, do)
	return append(broken, slices.DeleteFunc(faults, func(err error) bool {
		return errors.Is(err, registry.ErrNotFound) // it is gone since it was listed, or nothing is left of it
	})...), err
}

// EachOf is Each for modules that somebody has named: of one that is not there, broken says so.
func (l *Lister) EachOf(ctx context.Context, paths []string, do func(path string, versions []registry.Listed) error) (broken []error, err error) {
	down := false
	for _, path := range paths {
		store, err := l.Stores.For(path)
		var versions []registry.Listed
		if err == nil {
			versions, err = store.Versions(ctx, path)
		}
		switch {
		case err == nil:
			if err := do(path, versions); err != nil {
				return broken, err
			}
		case ctx.Err() != nil, errors.Is(err, registry.ErrNoLayout), down && errors.Is(err, registry.ErrUnavailable):
			return broken, err // the second in a row: it is not the repository
		default:
			broken = append(broken, err)
		}
		down = errors.Is(err, registry.ErrUnavailable)
	}
	return broken, nil
}

// Paths returns, sorted, every module path of every store that requests for it would be routed to, and what is
// wrong with repositories that do not tell theirs.
func (l *Lister) Paths(ctx context.Context) (paths []string, broken []error, err error) {
	for _, s := range l.Stores.Stores() {
		names, faults, err := l.named(ctx, s)
		if broken = append(broken, faults...); err != nil {
			return nil, broken, err
		}
		for _, path := range names {
			// Another store may hold a copy that nobody is sent to.
			if routed, err := l.Stores.For(path); err == nil && routed == s {
				paths = append(paths, path)
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths), broken, nil
}

// named returns the modules that the indexes and the catalog of a store name. Where there is an index that is of use,
// nobody needs the right to read the catalog.
func (l *Lister) named(ctx context.Context, s *registry.Store) (paths []string, broken []error, err error) {
	paths, fault := s.Index(ctx, l.Verifier)
	switch {
	case ctx.Err() != nil, errors.Is(fault, registry.ErrUnavailable):
		return nil, nil, fault
	case fault != nil && !registry.IsAny(fault, registry.ErrNotFound, registry.ErrNoLayout, registry.ErrDenied, registry.ErrUnauthorized):
		defer func() {
			if err == nil || !s.IsLayout() { // else it has the same cause
				l.Warn(fmt.Errorf("not used: %w", fault))
			}
		}()
	}
	indexed := len(paths) > 0
	for path, err := range s.Modules(ctx) {
		switch {
		case err == nil:
			paths = append(paths, path)
		case errors.Is(err, registry.ErrNoPath) && ctx.Err() == nil:
			broken = append(broken, err)
		case indexed && registry.IsAny(err, registry.ErrDenied, registry.ErrUnsupported):
			return paths, broken, nil
		case errors.Is(fault, registry.ErrUnauthorized) && registry.IsAny(err, registry.ErrDenied, registry.ErrUnauthorized):
			return nil, broken, fault // the account may read nothing: it is not the right to read the catalog that it lacks
		default:
			return nil, broken, err
		}
	}
	if !indexed && !s.IsLayout() && l.CatalogOnly != nil {
		l.CatalogOnly(s)
	}
	return paths, broken, nil
}

// Kind is how a version that has its go.mod only is marked in listings, after its name.
func Kind(modOnly bool) string {
	if modOnly {
		return " mod-only"
	}
	return ""
}

// Line is one version in the output of list --json.
type Line struct {
	Module  string `json:"module"`
	Version string `json:"version"`
	ModOnly bool   `json:"modOnly,omitempty"`
}
