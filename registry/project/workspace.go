package project

import (
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// shared returns what is in a directory, absolute, for every module of the workspace, each once: the main modules, what
// go.work replaces, and what one of them replaces whatever the version.
func (p *Project) shared() []modfile.Replace {
	var all []modfile.Replace
	seen := make(map[module.Version]bool)
	add := func(old module.Version, dir string) {
		if !seen[old] {
			seen[old] = true
			all = append(all, modfile.Replace{Old: old, New: module.Version{Path: dir}})
		}
	}
	for m := range p.readable {
		add(module.Version{Path: m.File.Module.Mod.Path}, m.Dir)
	}
	for _, r := range p.Work.Replace {
		if p.isLocal(p.root, r) {
			add(r.Old, p.root.at(r.New.Path).abs)
		}
	}
	for m := range p.readable {
		for _, r := range m.File.Replace {
			if dir := (place{abs: m.Dir}); p.isLocal(dir, r) && r.Old.Version == "" {
				add(r.Old, dir.at(r.New.Path).abs)
			}
		}
	}
	return all
}

// ReplaceInWork returns the command that makes a workspace take a version of one of its own modules from the directory of
// that: go commands in it ask for the go.mod of every version that is required, even if they use the module that is there.
// It is "" if the version is of no module of the workspace.
func (p *Project) ReplaceInWork(m module.Version) string {
	if p.Work == nil || m.Version == "" {
		return ""
	}
	for own := range p.readable {
		if own.File.Module.Mod.Path == m.Path && p.uses(own.Dir) {
			return fmt.Sprintf("go work edit -replace=%s=%s", m, dotted(slashed(p.Root, own.Dir)))
		}
	}
	return ""
}

// alone returns what each module of a workspace would not find if it were alone, by its directory. Replacing what is
// published too would make a tidy go.mod untidy.
func (p *Project) alone() map[string][]modfile.Replace {
	alone := make(map[string][]modfile.Replace)
	if p.Work == nil {
		return alone
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
			replaces := func(r *modfile.Replace) bool { return r.Old.Path == s.Old.Path }
			if s.New.Path != m.Dir && !sums[s.Old] && !slices.ContainsFunc(m.File.Replace, replaces) {
				s.New.Path = dotted(slashed(m.Dir, s.New.Path))
				alone[m.Dir] = append(alone[m.Dir], s)
			}
		}
	}
	return alone
}
