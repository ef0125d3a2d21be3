package bundle

import (
	"context"
	"errors"
	"io"

	"github.com/modferry/modferry/registry/transfer"
)

// Damage is what is wrong with an item of a volume.
type Damage struct {
	Item transfer.Item
	Err  error
}

// Check reads every file of the volume, and returns the items that one is damaged of. Of a volume that is read from a
// pipe nothing is left afterwards. Progress, if not nil, is told of what was read, piece by piece. The error is not about
// the volume: reading was ended.
func (v *Volume) Check(ctx context.Context, progress func(bytes int64)) (damaged []Damage, err error) {
	seen := make(map[Sum]error)
	items := v.Items()
	for n := range v.lines.items {
		var errs []error
		v.lines.items[n].files(v.lines.Volume, func(f File) {
			if _, ok := seen[f.Digest]; !ok && ctx.Err() == nil {
				seen[f.Digest] = v.checkFile(ctx, f)
				if progress != nil {
					progress(f.Size)
				}
			}
			errs = append(errs, seen[f.Digest])
		})
		if ctx.Err() != nil {
			return damaged, context.Cause(ctx)
		}
		if err := errors.Join(errs...); err != nil {
			damaged = append(damaged, Damage{items[n], err})
		}
		v.Release(n)
	}
	return damaged, nil
}

func (v *Volume) checkFile(ctx context.Context, f File) error {
	r, err := v.from.open(ctx, f)
	if err != nil {
		return err
	}
	defer r.Close()
	return copyFile(io.Discard, r, f)
}
