package prune

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/registry"
)

// graph finds out which versions the module graphs of others need.
type graph struct {
	*Rules
	store *registry.Store
	held  map[module.Version]held
	jobs  int

	// requiredBy has a version that requires it, for each that is needed; the zero version for one that was there at
	// first.
	requiredBy map[module.Version]module.Version
}

// close adds, to what is needed, what the go.mod files of that require, and so on. It reads each once. A version
// whose go.mod cannot be read is an error: what it requires is not known.
func (g *graph) close(ctx context.Context) error {
	todo := slices.Collect(maps.Keys(g.requiredBy))
	for len(todo) > 0 {
		required := make([][]module.Version, len(todo))
		faults := make([]error, len(todo))
		var group errgroup.Group
		group.SetLimit(g.jobs)
		for i, m := range todo {
			group.Go(func() error {
				required[i], faults[i] = g.requires(ctx, m)
				return nil
			})
		}
		_ = group.Wait()
		if err := errors.Join(faults...); ctx.Err() != nil || err != nil {
			return cmp.Or(context.Cause(ctx), err)
		}
		var next []module.Version
		for i, m := range todo {
			for _, r := range required[i] {
				if _, known := g.requiredBy[r]; !known {
					g.requiredBy[r] = m
					next = append(next, r)
				}
			}
		}
		todo = next
	}
	return nil
}

// requires returns what the go.mod of a version requires; nothing if the store does not have it, or is to lose it.
func (g *graph) requires(ctx context.Context, m module.Version) ([]module.Version, error) {
	v, ok := g.held[m]
	if !ok || g.dropped(m) != "" {
		return nil, nil
	}
	found, err := g.store.FindKind(ctx, m, v.full == nil)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil // it is gone since it was listed
	}
	if err != nil {
		return nil, fmt.Errorf("what %v requires is not known: %w", m, err)
	}
	meta, err := g.store.Meta(ctx, found)
	if err != nil {
		return nil, fmt.Errorf("what %v requires is not known: %w", m, err)
	}
	f, err := modfile.ParseLax("go.mod", meta.GoMod, nil)
	if err != nil {
		return nil, nil // no go command can read it either
	}
	var list []module.Version
	for _, r := range f.Require {
		list = append(list, r.Mod)
	}
	return list, nil
}
