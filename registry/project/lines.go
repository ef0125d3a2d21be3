package project

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

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
