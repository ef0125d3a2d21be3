package project

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

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
	byOld := make(map[module.Version]*modfile.Replace)
	for _, r := range list {
		byOld[r.Old] = r
	}
	for _, r := range list {
		if r.New.Version == "" {
			p.addLocal(dir.at(r.New.Path), name, r)
		}
		if circle := circleOf(r, byOld); circle != nil {
			err := fmt.Errorf("replacements in a circle: %s; drop one of them", strings.Join(circle, " => "))
			p.add(&Problem{File: name, Line: r.Syntax.Start.Line, Module: r.Old.Path, Err: err})
		}
	}
}

// addLocal adds a directory that replaces a module. That of another main module is there wherever the project is.
func (p *Project) addLocal(dir place, name string, r *modfile.Replace) {
	isKnown := slices.ContainsFunc(p.locals, func(l local) bool { return l.dir == dir.abs })
	if i := slices.IndexFunc(p.Modules, func(m Module) bool { return m.Dir == dir.abs }); i >= 0 {
		if !isKnown {
			p.locals = append(p.locals, local{dir.abs, p.Modules[i].File})
		}
		return
	}
	problem := &Problem{File: name, Line: r.Syntax.Start.Line, Module: r.Old.Path}
	p.add(problem)
	if !isFile(filepath.Join(dir.abs, "go.mod")) {
		problem.Err = fmt.Errorf("replaced by the directory %s: %s", r.New.Path, whatLacks(dir))
		return
	}
	problem.Warning = true
	problem.Err = fmt.Errorf("replaced by a directory: not mirrorable; %s has to be there wherever the project is built", r.New.Path)
	if !isKnown {
		file, _ := p.readModule(dir, modfile.ParseLax) // as the go command does, since it is no main module
		p.locals = append(p.locals, local{dir.abs, file})
	}
}

// circleOf returns the names in a circle of replacements that begins with r: a => b, b => a. The go command applies only one
// of them to a module, so it does not notice, but builds something that its author hardly meant. A replacement of a module by
// another version of itself is no circle. Nil = there is none, or one that begins in an earlier line.
func circleOf(r *modfile.Replace, byOld map[module.Version]*modfile.Replace) []string {
	const longest = 10
	names := []string{r.Old.String()}
	for x := r; len(names) <= longest; {
		next := byOld[x.New]
		if next == nil && x.New.Version != "" {
			next = byOld[module.Version{Path: x.New.Path}]
		}
		switch {
		case next == nil, next.Syntax.Start.Line < r.Syntax.Start.Line, next == x:
			return nil
		case next == r:
			return append(names, r.Old.String())
		}
		x = next
		names = append(names, x.Old.String())
	}
	return nil
}

// local returns the directory that a replacement in one's go.mod or go.work leads to; nil if it does not, or if that
// has no go.mod.
func (p *Project) local(dir place, r *modfile.Replace) *local {
	if r.New.Version != "" {
		return nil
	}
	to := dir.at(r.New.Path).abs
	if i := slices.IndexFunc(p.locals, func(l local) bool { return l.dir == to }); i >= 0 {
		return &p.locals[i]
	}
	return nil
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
