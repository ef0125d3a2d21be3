package project

import (
	"path/filepath"

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

// unpublished returns, for each readable module of a workspace by its directory, what it would not find if it were alone, but
// that is shared in the workspace: nothing in the module replaces it, and its go.sum does not know it. Replacing what is
// published too would make a tidy go.mod untidy.
func (p *Project) unpublished() map[string][]replacedBy {
	all := make(map[string][]replacedBy)
	if p.Work == nil {
		return all
	}
	shared := p.shared()
	for m := range p.readable {
		data, _ := ReadFile(filepath.Join(m.Dir, "go.sum"), maxSumFile)
		lines, _ := ParseSums("go.sum", data) // Sums says what is wrong with it
		sums := listed(lines)
		for _, r := range m.File.Require {
			if !sums[r.Mod] { // another version of it may be published
				delete(sums, module.Version{Path: r.Mod.Path})
			}
		}
		for _, s := range shared {
			if s.dir != m.Dir && !sums[s.Old] && Replacement(m.File.Replace, s.Old) == nil {
				all[m.Dir] = append(all[m.Dir], s)
			}
		}
	}
	return all
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
