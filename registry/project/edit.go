package project

import (
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// edits are what to change in a go.mod or go.work: the words of a line, by its number; none = it is dropped.
type edits map[int][]string

// apply makes edits and adds replacements, if there are any. All else stays.
func (e edits) apply(name string, data []byte, add []modfile.Replace) ([]byte, error) {
	if len(e)+len(add) == 0 {
		return data, nil
	}
	f, err := modfile.ParseLax(name, data, nil) // it knows the syntax of go.work too
	if err != nil {
		return nil, err
	}
	for _, x := range f.Syntax.Stmt {
		switch x := x.(type) {
		case *modfile.Line:
			e.line(x)
		case *modfile.LineBlock:
			for _, line := range x.Line {
				e.line(line)
			}
		}
	}
	f.Syntax.Cleanup()
	for _, r := range add {
		if err := f.AddReplace(r.Old.Path, r.Old.Version, r.New.Path, r.New.Version); err != nil {
			return nil, err
		}
	}
	return modfile.Format(f.Syntax), nil
}

func (e edits) line(line *modfile.Line) {
	words, ok := e[line.Start.Line]
	if ok && !line.InBlock && words != nil {
		words = append(line.Token[:1:1], words...)
	}
	if ok {
		line.Token = words
	}
}

// path returns how a file in the copy of a directory names the copy of another one.
func (c *copier) path(from, dir string) string { return dotted(slashed(c.to(from), c.to(dir))) }

// leads reports whether a path in the copy of a directory leads to the copy of another one.
func (c *copier) leads(from, path, dir string) bool {
	path = filepath.FromSlash(path)
	return !filepath.IsAbs(path) && filepath.Join(c.to(from), path) == c.to(dir)
}

// goWork returns the copy's go.work.
func (c *copier) goWork() ([]byte, error) {
	e := c.replacements(c.p.root, c.p.Work.Replace)
	for _, u := range c.p.Work.Use {
		dir := c.p.root.at(u.Path).abs
		readable := func(m Module) bool { return m.Dir == dir && m.File != nil }
		switch {
		case !slices.ContainsFunc(c.p.Modules, readable):
			e[u.Syntax.Start.Line] = nil
		case !c.leads(c.p.Root, u.Path, dir):
			e[u.Syntax.Start.Line] = []string{modfile.AutoQuote(c.path(c.p.Root, dir))}
		}
	}
	return e.apply("go.work", c.p.work, nil)
}

// goMod returns the go.mod of a main module's copy.
func (c *copier) goMod(m Module) ([]byte, error) {
	if m.File == nil {
		return m.data, nil
	}
	var add []modfile.Replace
	for _, r := range c.unpublished[m.Dir] {
		to := modfile.Replace{Old: r.Old}
		to.New.Path = c.path(m.Dir, r.dir)
		add = append(add, to)
	}
	return c.replacements(place{abs: m.Dir}, m.File.Replace).apply("go.mod", m.data, add)
}

// replacements returns what to change of those in a directory's go.mod or go.work.
func (c *copier) replacements(dir place, list []*modfile.Replace) edits {
	e := make(edits)
	for _, r := range list {
		if r.New.Version != "" {
			continue
		}
		to := dir.at(r.New.Path).abs
		switch {
		case c.p.local(dir, r) == nil:
			e[r.Syntax.Start.Line] = nil
		case !c.leads(dir.abs, r.New.Path, to):
			old := strings.Fields(modfile.AutoQuote(r.Old.Path) + " " + r.Old.Version)
			e[r.Syntax.Start.Line] = append(old, "=>", modfile.AutoQuote(c.path(dir.abs, to)))
		}
	}
	return e
}
