package prune

import (
	"context"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

// Emptied returns the paths of the modules in the plan of which the store has no version any more, as far as their
// repositories' names tell.
func (p *Plan) Emptied(ctx context.Context, store *registry.Store) (paths []string, err error) {
	a := applier{store: store, tags: make(map[string]map[string]bool)}
	last := ""
	for _, r := range p.Removals {
		path, err := artifact.ModulePath(r.Repository)
		if r.Repository == last || err != nil {
			continue
		}
		last = r.Repository
		tags, err := a.tagsOf(ctx, r.Repository)
		if err != nil {
			return nil, err
		}
		empty := true
		for tag := range tags {
			_, _, version := artifact.ParseTag(tag)
			empty = empty && !version
		}
		if empty {
			paths = append(paths, path)
		}
	}
	return paths, nil
}
