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
	inSum         bool   // of go.sum rather than go.mod
	path, version string // what it requires, if it is of go.mod; "" = nothing
	indirect      bool
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
			lines[text] = modLine{path: r.Mod.Path, version: r.Mod.Version, indirect: r.Indirect}
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
	if v.foreign || pl.bound {
		return true // nobody can tidy it but here
	}
	advice := "run it and commit the result"
	if relies(added, pl.added) {
		ownChanges(added, removed, pl.added)
		advice = "it works there in the workspace only: edit its go.mod"
	}
	changes := slices.Concat(texts("-", removed), texts("+", added))
	if len(changes) > 0 {
		v.warn("it is not tidy", fmt.Errorf("\"go mod tidy\" in %s would change %q; it was done in a copy: %s", v.readable(pl.dir), changes[0], advice))
	}
	return true
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

// localVersion is what the go command requires of a module that it only knows as a directory: here, one of a
// workspace, by another that does not say so and cannot be without it.
const localVersion = "v0.0.0-00010101000000-000000000000"

// isLocal reports whether a line requires what only the copy of a module says is in a directory.
func (l modLine) isLocal(inCopy map[string]bool) bool {
	return l.version == localVersion && inCopy[l.path]
}

// relies reports whether what was added has a requirement of what only the copy says is in a directory.
func relies(added modLines, inCopy map[string]bool) bool {
	for _, l := range added {
		if l.isLocal(inCopy) {
			return true
		}
	}
	return false
}

// ownChanges leaves, of the changes to a module that relies on what was added to its copy, those that do not come from that:
// direct requirements that it lacks, or has for nothing. What is added brings along versions, indirect requirements and
// sums.
func ownChanges(added, removed modLines, inCopy map[string]bool) {
	sides := make(map[string]int)
	for _, lines := range []modLines{added, removed} {
		for _, l := range lines {
			sides[l.path]++
		}
	}
	for _, lines := range []modLines{added, removed} {
		maps.DeleteFunc(lines, func(_ string, l modLine) bool {
			return l.path == "" || sides[l.path] > 1 || l.indirect || l.isLocal(inCopy)
		})
	}
}
