package closure

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/modferry/modferry/registry/project"
)

// modLine is a line that "go mod tidy" may change.
type modLine struct {
	inSum bool   // of go.sum rather than go.mod
	path  string // what it requires, if it is of go.mod; "" = nothing
}

// modLines are the lines of a module's go.mod and go.sum by their text.
type modLines map[string]modLine

// modLines reads them. Of somebody else's module, the go.sum was removed. What cannot be read has no lines: the go command says
// what is wrong with it.
func (v *view) modLines(dir string) modLines {
	lines := make(modLines)
	data, _ := os.ReadFile(filepath.Join(dir, "go.mod"))
	if f, err := modfile.ParseLax("go.mod", data, nil); err == nil {
		if f.Go != nil {
			lines["go "+f.Go.Version] = modLine{}
		}
		for _, r := range f.Require {
			text := r.Mod.Path + " " + r.Mod.Version
			if r.Indirect {
				text += " // indirect"
			}
			lines[text] = modLine{path: r.Mod.Path}
		}
	}
	if v.foreign {
		return lines
	}
	data, _ = os.ReadFile(filepath.Join(dir, "go.sum"))
	sums, _ := project.ParseSums("go.sum", data)
	for _, s := range sums {
		lines[fmt.Sprintf("%s %s%s", s.Module, s.Sum, s.GoModSum)] = modLine{inSum: true}
	}
	return lines
}

// tidy runs "go mod tidy" in a copy of a module, and reports whether that made more of it than it was before: only to remove
// lines of go.sum is no lack.
func (v *view) tidy(ctx context.Context, pl place, before modLines) bool {
	const doing = "tidying a copy"
	if _, err := v.run(ctx, pl.goCmd, pl.dir, "mod", "tidy"); err != nil {
		v.warn(doing, err)
		// Without -e it stops at the first package that cannot be had.
		if _, err := v.run(ctx, pl.goCmd, pl.dir, "mod", "tidy", "-e"); err != nil {
			v.warn(doing, err)
		}
		return true
	}
	after := v.modLines(pl.dir)
	added, removed := after.without(before), before.without(after)
	maps.DeleteFunc(removed, func(_ string, l modLine) bool { return l.inSum })
	if len(added)+len(removed) == 0 {
		return false
	}
	if v.foreign || after.require(pl.added) {
		return true // nobody can tidy it but here
	}
	first := slices.Concat(texts("-", removed), texts("+", added))[0]
	v.warn("it is not tidy", fmt.Errorf("\"go mod tidy\" in %s would change %q; it was done in a copy: run it and commit the result", v.readable(pl.dir), first))
	return true
}

// require reports whether lines require what only the copy of a module says is in a directory: it works in its workspace only.
func (l modLines) require(added map[string]bool) bool {
	for _, line := range l {
		if added[line.path] {
			return true
		}
	}
	return false
}

// without returns the lines that others do not have.
func (l modLines) without(others modLines) modLines {
	less := maps.Clone(l)
	maps.DeleteFunc(less, func(text string, _ modLine) bool { _, ok := others[text]; return ok })
	return less
}

// texts returns lines in order: those of go.mod first.
func texts(sign string, lines modLines) []string {
	names := slices.SortedFunc(maps.Keys(lines), func(a, b string) int {
		if lines[a].inSum != lines[b].inSum {
			return map[bool]int{false: -1, true: 1}[lines[a].inSum]
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = sign + name
	}
	return names
}
