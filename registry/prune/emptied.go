package prune

import (
	"context"
	"slices"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
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

// Forget takes modules of which nothing was left out of signer's index, and returns how many. Those that somebody has
// published to meanwhile, who saw the index name them, are put back.
func (p *Plan) Forget(ctx context.Context, store *registry.Store, paths []string, signer *sign.Signer) (n int, err error) {
	n, err = store.ForgetModules(ctx, paths, signer)
	if err != nil || n == 0 {
		return n, err
	}
	still, err := p.Emptied(ctx, store)
	if err != nil {
		return n, err
	}
	back := slices.DeleteFunc(slices.Clone(paths), func(path string) bool { return slices.Contains(still, path) })
	return max(0, n-len(back)), store.PublishIndex(ctx, back, signer)
}
