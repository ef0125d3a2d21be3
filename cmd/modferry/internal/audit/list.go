// Package audit tells what stores hold, and whether it may be used: it lists, inspects and verifies versions.
package audit

import (
	"context"
	"errors"
	"slices"

	"github.com/modferry/modferry/registry"
)

// Each calls do, in the order of paths, for every module of every store that requests for it would be routed to, with
// its versions. A repository that cannot be read does not end it: broken says what is wrong with each. err is that of
// do, or says why the listing ended.
func Each(ctx context.Context, stores *registry.Router, do func(path string, versions []registry.Listed) error) (broken []error, err error) {
	paths, broken, err := modules(ctx, stores)
	if err != nil {
		return broken, err
	}
	down := false
	for _, path := range paths {
		versions, err := Versions(ctx, stores, path)
		switch {
		case err == nil:
			if err := do(path, versions); err != nil {
				return broken, err
			}
		case errors.Is(err, registry.ErrNotFound): // it is gone since it was listed, or nothing is left of it
		case ctx.Err() != nil, down && errors.Is(err, registry.ErrUnavailable):
			return broken, err // the second in a row: it is not the repository
		default:
			broken = append(broken, err)
		}
		down = errors.Is(err, registry.ErrUnavailable)
	}
	return broken, nil
}

// modules returns, sorted, every module path of every store that requests for it would be routed to, and what is
// wrong with repositories that do not tell theirs.
func modules(ctx context.Context, stores *registry.Router) (paths []string, broken []error, err error) {
	for _, s := range stores.Stores() {
		for path, err := range s.Modules(ctx) {
			if errors.Is(err, registry.ErrNoPath) && ctx.Err() == nil {
				broken = append(broken, err)
				continue
			}
			if err != nil {
				return nil, broken, err
			}
			// Another store may hold a copy that nobody is sent to.
			if routed, err := stores.For(path); err == nil && routed == s {
				paths = append(paths, path)
			}
		}
	}
	slices.Sort(paths)
	return paths, broken, nil
}

// Versions lists the versions of a module in the store that it is routed to.
func Versions(ctx context.Context, stores *registry.Router, path string) ([]registry.Listed, error) {
	store, err := stores.For(path)
	if err != nil {
		return nil, err
	}
	return store.Versions(ctx, path)
}

// Kind is how a version that has its go.mod only is marked in listings, after its name.
func Kind(modOnly bool) string {
	if modOnly {
		return " mod-only"
	}
	return ""
}
