package project

import (
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// checkReplacements looks at the replacements that count: those of go.work and of the main modules.
func (p *Project) checkReplacements() {
	if p.Work != nil {
		p.checkReplacementsOf(p.root, p.root.file("go.work"), p.Work.Replace)
	}
	for m := range p.readable {
		name := m.File.Syntax.Name
		p.checkReplacementsOf(place{m.Dir, filepath.Dir(name)}, name, m.File.Replace)
	}
}

func (p *Project) checkReplacementsOf(dir place, name string, list []*modfile.Replace) {
	for _, r := range list {
		if r.New.Version == "" {
			p.addLocal(dir.at(r.New.Path), name, r)
		}
	}
}

// addLocal adds a directory that replaces a module. That of another main module is there wherever the project is.
func (p *Project) addLocal(dir place, name string, r *modfile.Replace) {
	isMain := slices.ContainsFunc(p.Modules, func(m Module) bool { return m.Dir == dir.abs })
	if !isMain {
		problem := &Problem{File: name, Line: r.Syntax.Start.Line, Module: r.Old.Path}
		p.add(problem)
		if !isFile(filepath.Join(dir.abs, "go.mod")) {
			problem.Err = fmt.Errorf("replaced by the directory %s: %s", r.New.Path, whatLacks(dir))
			return
		}
		problem.Warning = true
		problem.Err = fmt.Errorf("replaced by a directory: not mirrorable; %s has to be there wherever the project is built", r.New.Path)
	}
	if slices.Contains(p.locals, dir.abs) {
		return
	}
	p.locals = append(p.locals, dir.abs)
	if !isMain {
		p.readModule(dir, modfile.ParseLax) // for its problems; as the go command does, since it is no main module
	}
}

// isLocal reports whether a replacement in a directory's go.mod or go.work leads to a directory with a go.mod.
func (p *Project) isLocal(dir place, r *modfile.Replace) bool {
	return r.New.Version == "" && slices.Contains(p.locals, dir.at(r.New.Path).abs)
}

// Replacement returns what replaces a module version, or nil.
func Replacement(list []*modfile.Replace, m module.Version) *modfile.Replace {
	var found *modfile.Replace
	for _, r := range list {
		if r.Old == m {
			return r
		}
		if r.Old.Path == m.Path && r.Old.Version == "" {
			found = r
		}
	}
	return found
}
