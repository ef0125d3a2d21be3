package check

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/registry/project"
)

// Wanted returns, of the misses of a shim and what it took of those for wishes, what the commands
// wanted: sorted by path, version and query, each once. A version is always wanted, exactly that one, for
// something names it: a go.mod, a go.sum or the module graph. So none is Named, whichever
// of its files was asked for first.
//
// Left out of the rest is what they merely tried. For a package of which go.mod does
// not say the module, the go command asks for the newest version of a module of every
// path that could be: for example.com/a/b of example.com/a/b, example.com/a and
// example.com. If one of them is there and has it, that is no wish, and nothing is wanted. Else only one
// can be right: the root of the repository, where the host's
// rules say which that is and the store lacks it, else the longest. Mirror goes up from there
// if that is a package. Where the longest is the path of a main module or below it, it is
// the project that lacks the package, and nobody else hears its name. The paths of
// those are own, sorted.
func Wanted(misses, wishes []proxyshim.Miss, p *project.Project) (wanted []proxyshim.Miss, own []string) {
	known, mains := required(p), mainPaths(p)
	wished := make(map[string]bool)
	for _, m := range wishes {
		wished[m.Module.Path] = true
	}
	tried := make(map[string]proxyshim.Miss)
	for _, m := range misses {
		switch {
		case m.Module.Version != "" || m.Query != "list" && m.Query != "latest":
			m.Named = false
			wanted = append(wanted, m)
		case known[m.Module.Path] || wished[m.Module.Path]:
			tried[m.Module.Path] = newest(tried[m.Module.Path], m)
		}
	}
	chosen, prefixes := make(map[string]proxyshim.Miss), parents(tried)
	for path, m := range tried {
		if !known[path] {
			if prefixes[path] {
				continue
			}
			if slices.ContainsFunc(mains, func(main string) bool { return path == main || strings.HasPrefix(path, main+"/") }) {
				own = append(own, path)
				continue
			}
			if root := proxyshim.Repository(path); prefixes[root] && tried[root].Count > 0 {
				m.Module.Path = root
			}
		}
		chosen[m.Module.Path] = newest(chosen[m.Module.Path], m)
	}
	wanted = slices.AppendSeq(wanted, maps.Values(chosen))
	slices.SortFunc(wanted, func(a, b proxyshim.Miss) int {
		return cmp.Or(
			cmp.Compare(a.Module.Path, b.Module.Path),
			cmp.Compare(a.Module.Version, b.Module.Version),
			cmp.Compare(a.Query, b.Query),
		)
	})
	slices.Sort(own)
	return wanted, own
}

// mainPaths are the paths of the main modules.
func mainPaths(p *project.Project) []string {
	var paths []string
	for _, m := range p.Modules {
		if m.File != nil {
			paths = append(paths, m.File.Module.Mod.Path)
		}
	}
	return paths
}

// newest joins two misses of queries that mean the newest version of one module.
// They come together, so that the larger count is the number of times.
func newest(a, b proxyshim.Miss) proxyshim.Miss {
	if a.Count == 0 {
		a = b
	}
	if b.First.Before(a.First) {
		a.First = b.First
	}
	if b.Last.After(a.Last) {
		a.Last = b.Last
	}
	a.Count = max(a.Count, b.Count)
	a.Query = "latest"
	return a
}

// parents are the element-wise proper prefixes of paths.
func parents(paths map[string]proxyshim.Miss) map[string]bool {
	all := make(map[string]bool)
	for path := range paths {
		for i := strings.LastIndexByte(path, '/'); i > 0; i = strings.LastIndexByte(path[:i], '/') {
			all[path[:i]] = true
		}
	}
	return all
}

// required are the paths of the modules that a project's files name.
func required(p *project.Project) map[string]bool {
	known := make(map[string]bool)
	add := func(m module.Version) { known[m.Path] = true }
	for _, m := range p.Modules {
		if m.File == nil {
			continue
		}
		for _, r := range m.File.Require {
			add(r.Mod)
		}
		for _, r := range m.File.Replace {
			add(r.New)
		}
	}
	if p.Work != nil {
		for _, r := range p.Work.Replace {
			add(r.New)
		}
	}
	return known
}
