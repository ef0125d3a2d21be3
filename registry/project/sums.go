package project

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/requirement"
)

// maxSumFile is the largest go.sum that is read.
const maxSumFile = 64 << 20

// ParseSums parses a go.sum or go.work.sum file. Each line is one requirement, with either sum, which is not checked.
//
//	file = { path SP version [ "/go.mod" ] SP sum NL }
//
// As for the go command, sums of other kinds than h1 do not count: they are left out. Every
// line that is none has an error that begins with its name and line, and does not hinder the others.
func ParseSums(name string, data []byte) (lines []requirement.Requirement, problems []error) {
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		r := requirement.Requirement{From: fmt.Sprintf("%s:%d", name, n)}
		if len(f) != 3 {
			problems = append(problems, fmt.Errorf("%s: not a line of a go.sum: %.100q", r.From, strings.TrimSpace(line)))
			continue
		}
		r.Module.Path = f[0]
		r.Module.Version, r.ModOnly = strings.CutSuffix(f[1], "/go.mod")
		if err := goproxy.Check(r.Module); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", r.From, err))
			continue
		}
		if !strings.HasPrefix(f[2], "h1:") {
			continue
		}
		if r.ModOnly {
			r.GoModSum = f[2]
		} else {
			r.Sum = f[2]
		}
		lines = append(lines, r)
	}
	return lines, problems
}

// SumFiles returns the go.work.sum and go.sum files that there are, absolute:
// Root's go.work.sum, then those of Modules in their order.
func (p *Project) SumFiles() []string {
	names := []string{filepath.Join(p.Root, "go.work.sum")}
	for _, m := range p.Modules {
		names = append(names, filepath.Join(m.Dir, "go.sum"))
	}
	return slices.DeleteFunc(names, func(name string) bool { return !isFile(name) })
}

// Sums returns the lines of SumFiles in their order, and what is wrong with these files, which are named as seen from where
// the project's directory was named.
func (p *Project) Sums() (lines []requirement.Requirement, problems []error) {
	for _, file := range p.SumFiles() {
		shown := filepath.Join(p.root.shown, slashed(p.Root, file))
		data, err := ReadFile(file, maxSumFile)
		if err != nil {
			problems = append(problems, fmt.Errorf("reading %s: %w", shown, withoutName(err)))
			continue
		}
		list, wrong := ParseSums(shown, data)
		lines, problems = append(lines, list...), append(problems, wrong...)
	}
	return lines, problems
}

// versions is a set of module versions; with no version, it has a module.
type versions map[module.Version]bool

// listed returns the versions, and the modules, that lines of a go.sum list.
func listed(lines []requirement.Requirement) versions {
	all := make(versions)
	for _, l := range lines {
		all[l.Module], all[module.Version{Path: l.Module.Path}] = true, true
	}
	return all
}

// Unlisted are the requirements that no go.sum or go.work.sum of the project lists, each a [*Problem]: what these
// files list is less than the project needs. Those of main modules and of what is replaced are not looked at.
func (p *Project) Unlisted() []error {
	lines, _ := p.Sums()
	sums := listed(lines)
	elsewhere := func(m Module, required module.Version) bool {
		if p.Work == nil {
			return Replacement(m.File.Replace, required) != nil
		}
		for main := range p.readable { // what one replaces is so for all
			if main.File.Module.Mod.Path == required.Path || Replacement(main.File.Replace, required) != nil {
				return true
			}
		}
		return Replacement(p.Work.Replace, required) != nil
	}
	var unlisted []error
	for m := range p.readable {
		for _, r := range m.File.Require {
			if sums[r.Mod] || elsewhere(m, r.Mod) {
				continue
			}
			err := fmt.Errorf("no go.sum lists %s, so that what it needs is not known: run \"go mod tidy\" there", r.Mod)
			unlisted = append(unlisted, &Problem{File: m.File.Syntax.Name, Line: r.Syntax.Start.Line, Module: r.Mod.Path, Err: err})
		}
	}
	return unlisted
}
