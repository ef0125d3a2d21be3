package project

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// files returns the names of the files that say which modules the project needs: go.work, go.work.sum and every main
// module's and local replacement's go.mod and go.sum. They need not be there.
func (p *Project) files() []string {
	names := []string{filepath.Join(p.Root, "go.work"), filepath.Join(p.Root, "go.work.sum")}
	for _, dir := range p.dirs() {
		names = append(names, filepath.Join(dir, "go.mod"), filepath.Join(dir, "go.sum"))
	}
	return names
}

// Skeleton copies the project's go.mod, go.sum, go.work and go.work.sum files, and nothing else, to where go commands may
// change them: below dst, at their absolute paths, so that relative paths in them mean the same. What is in dst is removed.
//
// The result has the same Modules in the skeleton. Go commands that read the module graph run there; those that load
// packages run in [Module.Source], with -modfile or with a go.work file that [Project.WriteWork] wrote.
func (p *Project) Skeleton(dst string) (*Project, error) {
	to := func(name string) string { return filepath.Join(dst, strings.ReplaceAll(name, ":", "")) } // as in C:\
	err := os.RemoveAll(dst)
	for _, name := range p.files() {
		data, readErr := ReadFile(name, maxSumFile)
		if missing(readErr) {
			continue
		}
		err = errors.Join(err, readErr, os.MkdirAll(filepath.Dir(to(name)), 0o755), os.WriteFile(to(name), data, 0o644))
	}
	if err != nil {
		return nil, fmt.Errorf("copying the go.mod and go.sum files of the project %s: %w", p.root.shown, err)
	}
	s := *p
	s.Root, s.root, s.Modules = to(p.Root), place{to(p.Root), p.root.shown}, slices.Clone(p.Modules)
	alone := p.alone()
	for i := range s.Modules {
		m := &s.Modules[i]
		m.Dir, m.Alone = to(m.Dir), alone[m.Dir]
	}
	return &s, nil
}

// WriteWork writes a go.work file that is the project's wherever it is: directories in it are absolute.
func (p *Project) WriteWork(name string) error {
	f, err := modfile.ParseWork(name, modfile.Format(p.Work.Syntax), nil)
	if err != nil {
		return err
	}
	absolute := func(dir string) string { return filepath.ToSlash(p.root.at(dir).abs) }
	for _, u := range p.Work.Use {
		err = errors.Join(err, f.DropUse(u.Path), f.AddUse(absolute(u.Path), ""))
	}
	for _, r := range p.Work.Replace {
		if r.New.Version == "" {
			err = errors.Join(err, f.AddReplace(r.Old.Path, r.Old.Version, absolute(r.New.Path), ""))
		}
	}
	if err != nil {
		return err
	}
	f.Cleanup()
	return os.WriteFile(name, modfile.Format(f.Syntax), 0o644)
}

// StandAlone makes a module of a skeleton work without its workspace: it adds Alone to its go.mod.
func (m Module) StandAlone() error {
	if len(m.Alone) == 0 {
		return nil
	}
	name := filepath.Join(m.Dir, "go.mod")
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	f, err := modfile.Parse(name, data, nil)
	if err != nil {
		return err
	}
	for _, r := range m.Alone {
		err = errors.Join(err, f.AddReplace(r.Old.Path, r.Old.Version, r.New.Path, ""))
	}
	return errors.Join(err, os.WriteFile(name, modfile.Format(f.Syntax), 0o644))
}
