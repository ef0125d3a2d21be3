package project

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/userfile"
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
		data, readErr := userfile.Read(name, maxSumFile)
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
		data, _ := userfile.Read(filepath.Join(m.Dir, "go.sum"), maxSumFile)
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
