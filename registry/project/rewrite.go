package project

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

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
	for _, add := range c.alone[m.Dir].unpublished {
		lines = append(lines, "replace "+old(add.Old)+" => "+c.path(m.Dir, add.dir))
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
			edits = append(edits, rewrite(r.Syntax, "replace", old(r.Old)+" => "+c.path(dir.abs, to)))
		}
	}
	return edits
}

// old is the left side of a replacement.
func old(m module.Version) string {
	return strings.TrimSuffix(modfile.AutoQuote(m.Path)+" "+m.Version, " ")
}
