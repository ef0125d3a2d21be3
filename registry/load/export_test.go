package load

import "context"

// Gather unpacks an archive into a directory.
func Gather(ctx context.Context, dir, name string) error {
	g := gathered{dir: dir}
	return g.add(ctx, name)
}
