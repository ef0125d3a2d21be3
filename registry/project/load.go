package project

import (
	"errors"
	"fmt"
	"go/version"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/mod/modfile"

	"github.com/modferry/modferry/artifact/userfile"
)

// maxModFile is the largest go.mod or go.work that is read: what the go command accepts of a dependency.
const maxModFile = 16 << 20

// Load reads the go.work and go.mod files of the project in dir. It runs nothing. Only dir's own go.work counts, not
// one further up, and no go.mod further up either. The error matches ErrNoProject if there is none of the two. What
// is wrong within the project is in Problems:
//
//   - a go.mod or go.work that cannot be read or does not parse, as one for a Go newer
//     than this program may not;
//   - a "use" of a directory that is not there or has no go.mod;
//   - a replacement by a directory: nobody can mirror that, but where the directory is,
//     the project works, so it is a warning. If it is not there, it is no warning;
//   - a go.mod in Root that go.work does not use, which is a warning;
//   - a directive that the release of the file's go line cannot read, which is a warning.
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
		p.Work = read(p, p.root, "go.work", modfile.ParseWork)
	}
	if isMod {
		p.loadModule(p.root)
	}
	if p.Work != nil {
		p.loadUses(isMod)
	}
	p.checkReplacements()
	p.checkGoLines()
	return p, nil
}

func (p *Project) add(problem *Problem) { p.Problems = append(p.Problems, problem) }

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
	p.Modules = append(p.Modules, Module{Dir: dir.abs, Source: dir.abs, File: p.readModule(dir, modfile.Parse)})
}

// readModule reads a go.mod. The file is nil if that is not possible.
func (p *Project) readModule(dir place, parse parser[modfile.File]) *modfile.File {
	f := read(p, dir, "go.mod", parse)
	if f != nil && f.Module == nil {
		p.add(&Problem{File: f.Syntax.Name, Err: errors.New("it does not say which module it is of: there is no module line")})
		return nil
	}
	return f
}

// parser is modfile.Parse, ParseLax or ParseWork.
type parser[F any] func(name string, data []byte, fix modfile.VersionFixer) (*F, error)

// read reads and parses a go.mod or go.work. The result is nil if there is any mistake in it.
func read[F any](p *Project, dir place, base string, parse parser[F]) *F {
	name := dir.file(base)
	data, err := userfile.Read(filepath.Join(dir.abs, base), maxModFile)
	if err != nil {
		p.add(&Problem{File: name, Err: fmt.Errorf("reading it: %w", withoutName(err))})
		return nil
	}
	f, err := parse(name, data, nil)
	if err != nil {
		p.Problems = append(p.Problems, mistakes(name, data, err)...)
		return nil
	}
	return f
}

// maxProblems is how many problems of one file are reported.
const maxProblems = 20

// mistakes are those that parsing a file found.
func mistakes(name string, data []byte, err error) []error {
	var list modfile.ErrorList
	if !errors.As(err, &list) {
		return []error{&Problem{File: name, Err: err}}
	}
	var problems []error
	for _, e := range list[:min(len(list), maxProblems)] {
		p := &Problem{File: name, Line: e.Pos.Line, Module: e.ModPath, Err: e.Err}
		if e.Verb != "" {
			p.Err = fmt.Errorf("%s: %w", e.Verb, p.Err)
		}
		problems = append(problems, p)
	}
	if more := len(list) - len(problems); more > 0 {
		problems = append(problems, &Problem{File: name, Err: fmt.Errorf("%d more mistakes", more)})
	}
	// ParseLax knows the syntax of go.work too, and no more is needed.
	lax, err := modfile.ParseLax(name, data, nil)
	if err == nil && lax.Go != nil && version.Compare("go"+lax.Go.Version, runtime.Version()) > 0 {
		err := fmt.Errorf("it is for Go %s, which is newer than this program: a newer modferry may be able to read it", lax.Go.Version)
		problems = append(problems, &Problem{File: name, Err: err})
	}
	return problems
}
