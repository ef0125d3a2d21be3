package check

import (
	"slices"
	"strings"

	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/registry/project"
)

// Missing returns, of the wishes of a shim, what the project needs of others. A version is needed exactly, for something
// names it: a go.mod, a go.sum or the module graph. So none is Named, whichever of its files was asked for first.
//
// Of a package below the path of a main module it is the project that lacks it, and nobody else hears its name. The paths
// of those are own, in the order of wishes.
func Missing(wishes []proxyshim.Miss, p *project.Project) (missing []proxyshim.Miss, own []string) {
	for _, m := range wishes {
		isOwn := func(main project.Module) bool {
			return main.File != nil && strings.HasPrefix(m.Module.Path+"/", main.File.Module.Mod.Path+"/")
		}
		if m.Query == "latest" && slices.ContainsFunc(p.Modules, isOwn) {
			own = append(own, m.Module.Path)
			continue
		}
		m.Named = false
		missing = append(missing, m)
	}
	return missing, own
}
