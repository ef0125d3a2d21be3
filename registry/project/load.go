package project

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/modfile"
)

// maxModFile is the largest go.mod or go.work that is read: what the go command
// accepts of a dependency.
const maxModFile = 16 << 20

// Load reads the go.work and go.mod files of the project in dir. It runs nothing. Only
// dir's own go.work counts, not one further up, and no go.mod further up either.
// The error matches ErrNoProject if there is none of the two. What is wrong within
// the project is in Problems:
//
//   - a go.mod or go.work that cannot be read or does not parse. A go.mod for a Go newer
//     than this program may have lines that only that Go knows: if the go command
//     would read it as a dependency's, these lines are left out, with a warning.
//     Those of an older Go are mistakes to the go command, and here too;
//   - a "use" of a directory that is not there or has no go.mod;
//   - a replacement by a directory: nobody can mirror that, but where the directory is,
//     the project works, so it is a warning. If it is not there, it is no warning;
//   - replacements of modules by one another, in a circle;
//   - a go.mod in Root that go.work does not use, which is a warning.
func Load(dir string) (*Project, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the project %s: %w", dir, err)
	}
	switch info, err := os.Stat(root); {
	case err != nil:
		return nil, fmt.Errorf("reading the project: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("reading the project: %s is not a directory", dir)
	}
	p := &Project{Root: root, root: place{root, filepath.Clean(dir)}}
	isMod, isWork := isFile(filepath.Join(root, "go.mod")), isFile(filepath.Join(root, "go.work"))
	if !isMod && !isWork {
		return nil, fmt.Errorf("%s: %w", dir, ErrNoProject)
	}
	if isWork {
		p.loadWork()
	}
	if isMod {
		p.loadModule(p.root)
	}
	if p.Work != nil {
		p.loadUses(isMod)
	}
	p.checkReplacements()
	return p, nil
}

func (p *Project) add(problems ...*Problem) {
	for _, problem := range problems {
		p.Problems = append(p.Problems, problem)
	}
}

func (p *Project) loadWork() {
	name := p.root.file("go.work")
	data, err := ReadFile(filepath.Join(p.Root, "go.work"), maxModFile)
	if err != nil {
		p.add(&Problem{File: name, Err: fmt.Errorf("reading it: %w", withoutName(err))})
		return
	}
	var problems []*Problem
	p.work = data
	p.Work, problems = parse(name, data, modfile.ParseWork)
	p.add(problems...)
}

// loadUses loads the modules that go.work uses, those that are not loaded yet.
func (p *Project) loadUses(isMod bool) {
	name := p.root.file("go.work")
	if isMod && !p.uses(p.Root) {
		err := errors.New("go.work does not use this module, so go commands leave it out; \"go work use .\" adds it")
		p.add(&Problem{File: p.root.file("go.mod"), Err: err, Warning: true})
	}
	for _, u := range p.Work.Use {
		dir := p.root.at(u.Path)
		if slices.ContainsFunc(p.Modules, func(m Module) bool { return m.Dir == dir.abs }) {
			continue
		}
		if !isFile(filepath.Join(dir.abs, "go.mod")) {
			err := fmt.Errorf("use %s: %s; \"go work edit -dropuse=%[1]s\" drops it", u.Path, whatLacks(dir))
			p.add(&Problem{File: name, Line: u.Syntax.Start.Line, Err: err})
			continue
		}
		p.loadModule(dir)
	}
}

// whatLacks says what a directory without a go.mod lacks.
func whatLacks(dir place) string {
	if info, err := os.Stat(dir.abs); err != nil || !info.IsDir() {
		return "there is no such directory"
	}
	return "there is no go.mod in that directory"
}

// loadModule adds the main module in a directory with a go.mod.
func (p *Project) loadModule(dir place) {
	m := Module{Dir: dir.abs}
	m.File, m.data = p.readModule(dir, modfile.Parse)
	p.Modules = append(p.Modules, m)
}

// readModule reads a go.mod. The file is nil if that is not possible.
func (p *Project) readModule(dir place, strict parser[modfile.File]) (*modfile.File, []byte) {
	name := dir.file("go.mod")
	data, err := ReadFile(filepath.Join(dir.abs, "go.mod"), maxModFile)
	if err != nil {
		p.add(&Problem{File: name, Err: fmt.Errorf("reading it: %w", withoutName(err))})
		return nil, nil
	}
	f, problems := parse(name, data, strict)
	p.add(problems...)
	if f != nil && f.Module == nil {
		p.add(&Problem{File: name, Err: errors.New("it does not say which module it is of: there is no module line")})
		f = nil
	}
	return f, data
}
