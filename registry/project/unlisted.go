package project

import (
	"fmt"
	"slices"

	"golang.org/x/mod/module"
)

// Unlisted are the requirements that no go.sum or go.work.sum of the project lists, each a [*Problem]: what these
// files list is less than the project needs. Nothing lists what is in a directory, nor what is excluded.
func (p *Project) Unlisted() []error {
	sums, excluded := make(map[module.Version]bool), make(map[module.Version]bool)
	for _, file := range p.SumFiles() {
		addSums(sums, file)
	}
	for _, m := range p.Modules {
		if m.File != nil {
			for _, x := range m.File.Exclude {
				excluded[x.Mod] = true
			}
		}
	}
	var unlisted []error
	for _, m := range p.Modules {
		if m.File == nil {
			continue
		}
		for _, r := range m.File.Require {
			used := p.instead(m, r.Mod)
			if used.Version == "" || sums[used] || excluded[r.Mod] {
				continue
			}
			err := fmt.Errorf("no go.sum lists %s, so that what it needs is not known: run \"go mod tidy\" there", used)
			unlisted = append(unlisted, &Problem{File: m.File.Syntax.Name, Line: r.Syntax.Start.Line, Module: r.Mod.Path, Err: err})
		}
	}
	return unlisted
}

// instead returns what is used instead of a version that m requires. It has no version if that is a directory.
func (p *Project) instead(m Module, required module.Version) module.Version {
	modules := []Module{m}
	if p.Work != nil {
		if slices.ContainsFunc(p.Modules, func(m Module) bool { return m.File != nil && m.File.Module.Mod.Path == required.Path }) {
			return module.Version{Path: required.Path}
		}
		if r := replacement(p.Work.Replace, required); r != nil {
			return r.New
		}
		modules = append(modules, p.Modules...) // what one replaces is so for all
	}
	for _, m := range modules {
		if m.File == nil {
			continue
		}
		if r := replacement(m.File.Replace, required); r != nil {
			return r.New
		}
	}
	return required
}
