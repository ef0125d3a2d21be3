package check

import (
	"slices"
	"strings"

	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/registry/project"
)

// Missing returns, of the wishes of a shim, which has to be Exact, what the project needs of others. Of a package below the
// path of a main module it is the project that lacks it, and nobody else hears its name. The paths of those are own, in
// the order of wishes.
func Missing(wishes []proxyshim.Miss, p *project.Project) (missing []proxyshim.Miss, own []string) {
	for _, m := range wishes {
		isOwn := func(main project.Module) bool {
			return main.File != nil && strings.HasPrefix(m.Module.Path+"/", main.File.Module.Mod.Path+"/")
		}
		if m.Query == "latest" && slices.ContainsFunc(p.Modules, isOwn) {
			own = append(own, m.Module.Path)
			continue
		}
		missing = append(missing, m)
	}
	return missing, own
}
