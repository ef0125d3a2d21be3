package project

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// checkReplacements looks at the replacements that count: those of go.work and of
// the main modules.
func (p *Project) checkReplacements() {
	if p.Work != nil {
		p.checkReplacementsOf(p.root, p.root.file("go.work"), p.Work.Replace)
	}
	for _, m := range p.Modules {
		if m.File != nil {
			name := m.File.Syntax.Name
			p.checkReplacementsOf(place{m.Dir, filepath.Dir(name)}, name, m.File.Replace)
		}
	}
}

func (p *Project) checkReplacementsOf(dir place, name string, list []*modfile.Replace) {
	for _, r := range list {
		if r.New.Version == "" {
			p.addLocal(dir.at(r.New.Path), name, r)
		}
	}
	for _, circle := range circles(list) {
		p.add(&Problem{
			File: name, Line: circle[0].Syntax.Start.Line, Module: circle[0].Old.Path,
			Err: fmt.Errorf("replacements in a circle: %s; drop one of them", describe(circle)),
		})
	}
}

// addLocal notes that a directory replaces a module. That of another main module is
// there wherever the project is.
func (p *Project) addLocal(dir place, name string, r *modfile.Replace) {
	isKnown := slices.ContainsFunc(p.locals, func(l local) bool { return l.dir == dir.abs })
	for _, m := range p.Modules {
		if m.Dir == dir.abs {
			if !isKnown {
				p.locals = append(p.locals, local{m.Dir, m.File})
			}
			return
		}
	}
	problem := &Problem{File: name, Line: r.Syntax.Start.Line, Module: r.Old.Path, Warning: true}
	p.add(problem)
	if !isFile(filepath.Join(dir.abs, "go.mod")) {
		problem.Warning = false
		problem.Err = fmt.Errorf("replaced by the directory %s: %s", r.New.Path, whatLacks(dir))
		return
	}
	problem.Err = fmt.Errorf("replaced by a directory: not mirrorable; %s has to be there wherever the project is built", r.New.Path)
	if isKnown {
		return
	}
	l := local{dir: dir.abs}
	l.file, _ = p.readModule(dir, modfile.ParseLax) // as the go command does, since it is no main module
	p.locals = append(p.locals, l)
}

// circles returns the replacements that lead back to themselves: a => b, b => a. The
// go command applies only one of them to a module, so it does not notice, but builds
// something that its author hardly meant. A replacement of a module by another
// version of itself, which is one line, is no circle.
func circles(list []*modfile.Replace) [][]*modfile.Replace {
	byOld := make(map[module.Version]*modfile.Replace)
	for _, r := range list {
		byOld[r.Old] = r
	}
	next := func(r *modfile.Replace) *modfile.Replace {
		if r.New.Version == "" {
			return nil
		}
		if to := byOld[r.New]; to != nil {
			return to
		}
		return byOld[module.Version{Path: r.New.Path}]
	}
	var found [][]*modfile.Replace
	seen := make(map[*modfile.Replace]int) // the number of the walk that came by
	for i, r := range list {
		walk := i + 1
		for r != nil && seen[r] == 0 {
			seen[r] = walk
			r = next(r)
		}
		if r == nil || seen[r] != walk {
			continue
		}
		circle := []*modfile.Replace{r}
		for x := next(r); x != r; x = next(x) {
			circle = append(circle, x)
		}
		if len(circle) > 1 {
			found = append(found, circle)
		}
	}
	return found
}

// describe writes a circle down.
func describe(circle []*modfile.Replace) string {
	const maxShown = 5
	var b strings.Builder
	for i, r := range circle {
		if i == maxShown {
			fmt.Fprintf(&b, "… (%d in all) => ", len(circle))
			break
		}
		b.WriteString(r.Old.String() + " => ")
	}
	return b.String() + circle[0].Old.String()
}
