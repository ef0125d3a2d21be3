package project

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// maxSumFile is the largest go.sum that is read.
const maxSumFile = 64 << 20

// edit replaces bytes of a file. Everything else stays as it is: lines that only
// another version of Go knows too.
type edit struct {
	start, end int
	text       string
}

// apply makes edits, which do not overlap, and adds lines at the end.
func apply(data []byte, edits []edit, lines []string) []byte {
	slices.SortFunc(edits, func(a, b edit) int { return a.start - b.start })
	var b bytes.Buffer
	at := 0
	for _, e := range edits {
		b.Write(data[at:e.start])
		b.WriteString(e.text)
		at = e.end
	}
	b.Write(data[at:])
	if len(lines) > 0 {
		b.WriteString("\n" + strings.Join(lines, "\n") + "\n")
	}
	return b.Bytes()
}

// rewrite returns the edit that makes a directive another one. Without arguments it
// is dropped.
func rewrite(line *modfile.Line, verb, args string) edit {
	if !line.InBlock && args != "" {
		args = verb + " " + args
	}
	return edit{line.Start.Byte, line.End.Byte, args}
}

// path returns how a file in the copy of a directory names the copy of another one.
func (c *copier) path(from, dir string) string {
	return modfile.AutoQuote(dotted(slashed(c.to(from), c.to(dir))))
}

// leads reports whether a path in the copy of a directory leads to the copy of another one.
func (c *copier) leads(from, path, dir string) bool {
	path = filepath.FromSlash(path)
	return !filepath.IsAbs(path) && filepath.Join(c.to(from), path) == c.to(dir)
}

// goWork returns the copy's go.work.
func (c *copier) goWork() []byte {
	edits := c.replacements(c.p.root, c.p.Work.Replace)
	for _, u := range c.p.Work.Use {
		dir := c.p.root.at(u.Path).abs
		readable := func(m Module) bool { return m.Dir == dir && m.File != nil }
		switch {
		case !slices.ContainsFunc(c.p.Modules, readable):
			edits = append(edits, rewrite(u.Syntax, "use", ""))
		case !c.leads(c.p.Root, u.Path, dir):
			edits = append(edits, rewrite(u.Syntax, "use", c.path(c.p.Root, dir)))
		}
	}
	return apply(c.p.work, edits, nil)
}

// goMod returns the go.mod of a main module's copy.
func (c *copier) goMod(m Module) []byte {
	if m.File == nil {
		return m.data
	}
	var lines []string
	for _, add := range c.p.unpublished(m) {
		line := "replace " + modfile.AutoQuote(add.Old.Path) + " " + add.Old.Version + " => " + c.path(m.Dir, add.dir)
		lines = append(lines, line)
	}
	return apply(m.data, c.replacements(place{abs: m.Dir}, m.File.Replace), lines)
}

// replacements returns what to change of those in a directory's go.mod or go.work.
func (c *copier) replacements(dir place, list []*modfile.Replace) []edit {
	var edits []edit
	for _, r := range list {
		if r.New.Version != "" {
			continue
		}
		to := dir.at(r.New.Path).abs
		switch {
		case !c.locals[to]:
			edits = append(edits, rewrite(r.Syntax, "replace", ""))
		case !c.leads(dir.abs, r.New.Path, to):
			old := modfile.AutoQuote(r.Old.Path)
			if r.Old.Version != "" {
				old += " " + r.Old.Version
			}
			edits = append(edits, rewrite(r.Syntax, "replace", old+" => "+c.path(dir.abs, to)))
		}
	}
	return edits
}

// replacedBy is a module version that a main module has the content of.
type replacedBy struct {
	Old module.Version
	dir string
}

// unpublished returns the main modules of the workspace that m would not find if it were
// alone: it, or what it has from them or from directories, requires them, nothing
// replaces them, and its go.sum does not know them. Replacing what is published too would make
// a tidy go.mod untidy.
func (p *Project) unpublished(m Module) []replacedBy {
	if p.Work == nil {
		return nil
	}
	sums := sumsOf(m.Dir)
	var found []replacedBy
	seen := make(map[*modfile.File]bool)
	required := make(map[module.Version]bool)
	for files := []*modfile.File{m.File}; len(files) > 0; files = files[1:] {
		f := files[0]
		if f == nil || seen[f] {
			continue
		}
		seen[f] = true
		for _, r := range f.Require {
			if required[r.Mod] {
				continue
			}
			required[r.Mod] = true
			if to := replacement(m.File.Replace, r.Mod); to != nil {
				if to.New.Version == "" {
					files = append(files, p.localFile(place{abs: m.Dir}.at(to.New.Path).abs))
				}
				continue
			}
			other := p.module(r.Mod.Path)
			if other == nil || other.Dir == m.Dir || sums[r.Mod] {
				continue
			}
			found = append(found, replacedBy{r.Mod, other.Dir})
			files = append(files, other.File)
		}
	}
	return found
}

// module returns the main module of that path, or nil.
func (p *Project) module(path string) *Module {
	for i, m := range p.Modules {
		if m.File != nil && m.File.Module.Mod.Path == path {
			return &p.Modules[i]
		}
	}
	return nil
}

// localFile returns the go.mod of a directory that a module is replaced by, or nil.
func (p *Project) localFile(dir string) *modfile.File {
	for _, l := range p.locals {
		if l.dir == dir {
			return l.file
		}
	}
	return nil
}

// replacement returns what replaces a module version, or nil.
func replacement(list []*modfile.Replace, m module.Version) *modfile.Replace {
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

// sumsOf returns the module versions that the go.sum in a directory lists. Whatever
// is wrong with that file is for the go command to say.
func sumsOf(dir string) map[module.Version]bool {
	data, err := ReadFile(filepath.Join(dir, "go.sum"), maxSumFile)
	if err != nil {
		return nil
	}
	sums := make(map[module.Version]bool)
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 3 {
			sums[module.Version{Path: f[0], Version: strings.TrimSuffix(f[1], "/go.mod")}] = true
		}
	}
	return sums
}
