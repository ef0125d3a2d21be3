package closure

import (
	"context"
	"go/version"

	"golang.org/x/mod/module"
)

// Modules from before graph pruning, whose go line says prePruning or less, see all that their requirements require. Go
// raises the go line of what requires something that itself demands raised or more.
const (
	prePruning = "go1.16"
	raised     = "go1.21"
)

// oldConsumer adds what a module from before graph pruning needs that imports packages of m, if it can: the whole
// module graph, with the versions that are selected in it. Which packages it imports makes no difference to these.
func (v *view) oldConsumer(ctx context.Context, m module.Version, demanded string, packages []string) error {
	if version.Compare(demanded, raised) >= 0 {
		return nil
	}
	pl, err := v.newConsumer("old", prePruning, m, packages)
	if err != nil {
		return err
	}
	if _, err := v.run(ctx, pl.goCmd, pl.dir, "mod", "tidy", "-e"); err != nil {
		v.warn("as a dependency of an old module", err)
	}
	v.list(ctx, pl.goCmd, pl.dir, "all")
	return nil
}
