package mirror

import (
	"context"
	"maps"
	"slices"
)

// publishIndexes adds the modules that are in a store now to its index. Without it nothing but listings is the worse.
func (r *runner) publishIndexes(ctx context.Context) {
	for store, paths := range r.stored {
		err := r.outages.Check(store)
		if err == nil {
			err = store.PublishIndex(ctx, slices.Collect(maps.Keys(paths)), r.Signer)
		}
		if err != nil && ctx.Err() == nil {
			r.Log.Warn("the index of modules is not complete: a listing needs the registry's catalog",
				"store", store.String(), "error", err)
		}
	}
}

// publishTileIndexes adds the tiles that are in a store now to its tile index. Without it a shim answers for those that came
// with a version which it has seen itself.
func (r *runner) publishTileIndexes(ctx context.Context) {
	for store, tiles := range r.tiles {
		err := r.outages.Check(store)
		if err == nil {
			err = store.PublishTileIndex(ctx, r.Checksums.Log, tiles, r.Signer)
		}
		if err != nil && ctx.Err() == nil {
			r.Log.Warn("the tile index is not complete: of several shims, only one that has seen a version answers for its tile",
				"store", store.String(), "error", err)
		}
	}
}
