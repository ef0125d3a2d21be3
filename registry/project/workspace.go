package project

import (
	"path/filepath"
	"slices"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// replacedBy is a module, or a version of one, whose content is in a directory.
type replacedBy struct {
	Old  module.Version // the version may be ""
	dir  string
	file *modfile.File // its go.mod; nil if it cannot be read
}

// shared returns what is in a directory for every module of the workspace, each once: the main modules, what go.work
// replaces, and what one of them replaces whatever the version.
func (p *Project) shared() []replacedBy {
	var all []replacedBy
	seen := make(map[module.Version]bool)
	for m := range p.readable {
		if old := (module.Version{Path: m.File.Module.Mod.Path}); !seen[old] {
			seen[old] = true
			all = append(all, replacedBy{old, m.Dir, m.File})
		}
	}
	add := func(dir place, list []*modfile.Replace, always bool) {
		for _, r := range list {
			if seen[r.Old] || !always && r.Old.Version != "" {
				continue
			}
			if l := p.local(dir, r); l != nil {
				seen[r.Old] = true
				all = append(all, replacedBy{r.Old, l.dir, l.file})
			}
		}
	}
	if p.Work != nil {
		add(p.root, p.Work.Replace, true)
	}
	for m := range p.readable {
		add(place{abs: m.Dir}, m.File.Replace, false)
	}
	return all
}

// alone says of a module of a workspace what it takes to run go commands in it alone.
type alone struct {
	unpublished []replacedBy
	bound       bool // it requires some of that
}

// alone finds that out for each readable module of a workspace, by its directory: for all at once, as a workspace may have
// hundreds, and each may share what it replaces with every other.
func (p *Project) alone() map[string]alone {
	all := make(map[string]alone)
	if p.Work == nil {
		return all
	}
	shared := p.shared()
	for m := range p.readable {
		data, _ := ReadFile(filepath.Join(m.Dir, "go.sum"), maxSumFile)
		lines, _ := ParseSums("go.sum", data) // Sums says what is wrong with it
		sums := listed(lines)
		lacking := p.lacking(m, shared, sums)
		all[m.Dir] = alone{unpublished(m, shared, sums, lacking), len(lacking) > 0}
	}
	return all
}

// unpublished returns what m would not find if it were alone, but that is shared in the workspace: nothing in m
// replaces it, and m's go.sum does not know it. Replacing what is published too would make a tidy go.mod
// untidy. If it can be, it is without a version: to Go, "x v1.0.0 => ../x" and "x => ../../x" contradict each other.
func unpublished(m Module, shared []replacedBy, sums versions, lacking []replacedBy) []replacedBy {
	var found []replacedBy
	for _, s := range shared {
		if s.dir != m.Dir && !sums[s.Old] && replacement(m.File.Replace, s.Old) == nil {
			found = append(found, s)
		}
	}
	for _, r := range lacking {
		if whole := (module.Version{Path: r.Old.Path}); sums[whole] {
			found = append(found, r)
		}
	}
	return found
}

// lacking returns what m, or what it has from a directory, requires, but only its workspace has.
func (p *Project) lacking(m Module, shared []replacedBy, sums versions) []replacedBy {
	var found []replacedBy
	seen := make(map[*modfile.File]bool)
	required := make(map[module.Version]bool)
	for files := []*modfile.File{m.File}; len(files) > 0; files = files[1:] {
		f := files[0]
		if f == nil || seen[f] {
			continue
		}
		seen[f] = true
		for _, r := range f.Require {
			if required[r.Mod] {
				continue
			}
			required[r.Mod] = true
			if to := replacement(m.File.Replace, r.Mod); to != nil {
				if l := p.local(place{abs: m.Dir}, to); l != nil {
					files = append(files, l.file)
				}
				continue
			}
			isIt := func(s replacedBy) bool {
				return s.Old.Path == r.Mod.Path && (s.Old.Version == "" || s.Old.Version == r.Mod.Version)
			}
			i := slices.IndexFunc(shared, isIt)
			if i < 0 || shared[i].dir == m.Dir || sums[r.Mod] {
				continue
			}
			found = append(found, replacedBy{r.Mod, shared[i].dir, shared[i].file})
			files = append(files, shared[i].file)
		}
	}
	return found
}

// Own returns a function that reports whether nobody but the project itself has a version of a module, or, with no
// version, any of it: it is in a directory here, and no go.sum lists it. A version that none of the
// project's go.mod files requires is one that others know.
func (p *Project) Own() func(module.Version) bool {
	own, required := make(versions), make(versions)
	for _, s := range p.shared() {
		own[s.Old] = true
		if s.file == nil {
			continue
		}
		for _, r := range s.file.Require {
			required[r.Mod] = true
		}
	}
	lines, _ := p.Sums()
	sums := listed(lines)
	return func(m module.Version) bool {
		isOwn := own[m] || own[module.Version{Path: m.Path}]
		return isOwn && !sums[m] && (m.Version == "" || required[m])
	}
}
