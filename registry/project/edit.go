package project

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// path returns how a file in the copy of a directory names the copy of another one.
func (c *copier) path(from, dir string) string { return dotted(slashed(c.to(from), c.to(dir))) }

// leads reports whether a path in the copy of a directory leads to the copy of another one.
func (c *copier) leads(from, path, dir string) bool {
	path = filepath.FromSlash(path)
	return !filepath.IsAbs(path) && filepath.Join(c.to(from), path) == c.to(dir)
}

// setWords replaces what follows the directive in a line; none = the line is dropped.
func setWords(line *modfile.Line, words ...string) {
	if len(words) > 0 && !line.InBlock {
		words = append(line.Token[:1:1], words...)
	}
	line.Token = words
}

// goWork returns the copy's go.work.
func (c *copier) goWork() ([]byte, error) {
	f, err := modfile.ParseWork("go.work", c.p.work, nil)
	if err != nil {
		return nil, err
	}
	changed := c.mendReplacements(c.p.root, f.Replace)
	for _, u := range f.Use {
		dir := c.p.root.at(u.Path).abs
		readable := func(m Module) bool { return m.Dir == dir && m.File != nil }
		switch {
		case !slices.ContainsFunc(c.p.Modules, readable):
			setWords(u.Syntax)
		case !c.leads(c.p.Root, u.Path, dir):
			setWords(u.Syntax, modfile.AutoQuote(c.path(c.p.Root, dir)))
		default:
			continue
		}
		changed = true
	}
	return formatted(f.Syntax, changed, c.p.work), nil
}

// goMod returns the go.mod of a main module's copy.
func (c *copier) goMod(m Module) ([]byte, error) {
	if m.File == nil {
		return m.data, nil
	}
	f, err := modfile.Parse("go.mod", m.data, nil)
	if err != nil {
		return nil, err
	}
	return formatted(f.Syntax, c.mendReplacements(place{abs: m.Dir}, f.Replace), m.data), nil
}

// formatted returns a file that was changed, or its data as they are.
func formatted(f *modfile.FileSyntax, changed bool, data []byte) []byte {
	if !changed {
		return data
	}
	f.Cleanup()
	return modfile.Format(f)
}

// mendReplacements changes those of a directory's go.mod or go.work that would not be right in its copy, and reports whether
// there are any.
func (c *copier) mendReplacements(dir place, list []*modfile.Replace) (changed bool) {
	for _, r := range list {
		to := dir.at(r.New.Path).abs
		switch {
		case r.New.Version != "":
			continue
		case !c.p.isLocal(dir, r):
			setWords(r.Syntax)
		case !c.leads(dir.abs, r.New.Path, to):
			old := strings.Fields(modfile.AutoQuote(r.Old.Path) + " " + r.Old.Version)
			setWords(r.Syntax, append(old, "=>", modfile.AutoQuote(c.path(dir.abs, to)))...)
		default:
			continue
		}
		changed = true
	}
	return changed
}

// StandAlone makes the copy of a module work without its workspace: it adds Alone to its go.mod.
func (m Module) StandAlone() error {
	return m.edit(func(f *modfile.File, r modfile.Replace) error {
		return f.AddReplace(r.Old.Path, r.Old.Version, r.New.Path, "")
	})
}

// Rejoin undoes what StandAlone did. What go commands have changed meanwhile stays, but for requirements of what was
// replaced, which the workspace does without.
func (m Module) Rejoin() error {
	return m.edit(func(f *modfile.File, r modfile.Replace) error {
		err := f.DropReplace(r.Old.Path, r.Old.Version)
		required := func(had *modfile.Require) bool { return had.Mod.Path == r.Old.Path }
		if !slices.ContainsFunc(m.File.Require, required) {
			err = errors.Join(err, f.DropRequire(r.Old.Path))
		}
		return err
	})
}

// edit edits the go.mod, once for each replacement of Alone.
func (m Module) edit(each func(*modfile.File, modfile.Replace) error) error {
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
		if err := each(f, r); err != nil {
			return err
		}
	}
	f.Cleanup()
	return os.WriteFile(name, modfile.Format(f.Syntax), 0o644)
}
