package mirror

import (
	"context"
	"maps"
	"slices"
)

// publishIndexes adds the modules that are in a store now to its index. Without it nothing but listings is the worse.
func (r *runner) publishIndexes(ctx context.Context) {
	for store, paths := range r.stored {
		err := r.outages.check(store)
		if err == nil {
			err = store.PublishIndex(ctx, slices.Collect(maps.Keys(paths)), r.Signer)
		}
		if err != nil && ctx.Err() == nil {
			r.Log.Warn("the index of modules is not complete: a listing needs the registry's catalog",
				"store", store.String(), "error", err)
		}
	}
}
