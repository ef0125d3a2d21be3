package project

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/userfile"
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
		data, err := userfile.Read(file, maxSumFile)
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

// Lines are what go commands mind of a module's go.mod and go.sum: the go and toolchain lines, the requirements, the sums,
// sorted and each once. Their order, their blocks and the ends of lines do not count: "go mod tidy" leaves a go.sum alone
// that differs in these, and may lay out a go.mod anew that needs it in nothing else.
type Lines struct{ Mod, Sum []string }

// Lines reads the lines as they are now. What cannot be read has none: the go command says what is wrong with it.
func (m Module) Lines() Lines {
	mod, sum := make(map[string]bool), make(map[string]bool)
	data, _ := os.ReadFile(filepath.Join(m.Dir, "go.mod"))
	if f, err := modfile.ParseLax("go.mod", data, nil); err == nil {
		if f.Go != nil {
			mod["go "+f.Go.Version] = true
		}
		if f.Toolchain != nil {
			mod["toolchain "+f.Toolchain.Name] = true
		}
		for _, r := range f.Require {
			line := r.Mod.Path + " " + r.Mod.Version
			if r.Indirect {
				line += " // indirect"
			}
			mod[line] = true
		}
	}
	data, _ = os.ReadFile(filepath.Join(m.Dir, "go.sum"))
	for line := range strings.Lines(string(data)) {
		if words := strings.Fields(line); len(words) > 0 {
			sum[strings.Join(words, " ")] = true
		}
	}
	return Lines{slices.Sorted(maps.Keys(mod)), slices.Sorted(maps.Keys(sum))}
}

// Changes returns what has become of lines of each file, with "-" before those that are gone and "+" before new ones.
func (l Lines) Changes(now Lines) (goMod, goSum []string) {
	return changes(l.Mod, now.Mod), changes(l.Sum, now.Sum)
}

func changes(before, now []string) []string {
	return append(lacking("-", before, now), lacking("+", now, before)...)
}

// lacking returns the lines, with a sign before them, that others lack.
func lacking(sign string, lines, others []string) (lack []string) {
	for _, line := range lines {
		if _, ok := slices.BinarySearch(others, line); !ok {
			lack = append(lack, sign+line)
		}
	}
	return lack
}

// RequireAny reports whether a module that is replaced is among the requirements.
func (l Lines) RequireAny(replaced []modfile.Replace) bool {
	return slices.ContainsFunc(replaced, func(r modfile.Replace) bool {
		return slices.ContainsFunc(l.Mod, func(line string) bool { return strings.HasPrefix(line, r.Old.Path+" ") })
	})
}
