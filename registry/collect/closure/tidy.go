package closure

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/modferry/modferry/registry/project"
)

// tidy runs "go mod tidy" on a copy of a module's go.mod and go.sum, and reports whether that made more of it than it was before: only to remove
// lines of go.sum is no lack. If it requires what is replaced only because it is alone, nobody can tidy it but here.
func (v *view) tidy(ctx context.Context, pl place, m project.Module, before project.Lines) bool {
	const doing = "tidying a copy"
	pl.dir = m.Source
	modFile := "-modfile=" + pl.file
	if _, err := v.run(ctx, pl, "mod", "tidy", modFile); err != nil {
		v.warn(doing, err)
		// Without -e it stops at the first package that cannot be had.
		if _, err := v.run(ctx, pl, "mod", "tidy", modFile, "-e"); err != nil {
			v.warn(doing, err)
		}
		return true
	}
	after := m.Lines()
	changes, sums := before.Changes(after)
	if !v.foreign { // the go.sum of somebody else's module was removed
		isLess := func(line string) bool { return strings.HasPrefix(line, "-") }
		changes = append(changes, slices.DeleteFunc(sums, isLess)...)
	}
	if len(changes) > 0 && !v.foreign && !after.RequireAny(m.Alone) {
		v.warn("it is not tidy", fmt.Errorf("\"go mod tidy\" in %s would change %q; it was done in a copy: run it and commit the result",
			v.readable(pl.dir), changes[0]))
	}
	return len(changes) > 0
}
