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
)

// modLines are what "go mod tidy" may change of a module: lines of its go.mod, each with the path that it requires or "", and
// of its go.sum.
type modLines struct{ mod, sum map[string]string }

// modLines reads them. Of somebody else's module, the go.sum was removed. What cannot be read has no lines: the go command says
// what is wrong with it.
func (v *view) modLines(dir string) modLines {
	lines := modLines{make(map[string]string), make(map[string]string)}
	data, _ := os.ReadFile(filepath.Join(dir, "go.mod"))
	if f, err := modfile.ParseLax("go.mod", data, nil); err == nil {
		if f.Go != nil {
			lines.mod["go "+f.Go.Version] = ""
		}
		for _, r := range f.Require {
			text := r.Mod.Path + " " + r.Mod.Version
			if r.Indirect {
				text += " // indirect"
			}
			lines.mod[text] = r.Mod.Path
		}
	}
	if v.foreign {
		return lines
	}
	data, _ = os.ReadFile(filepath.Join(dir, "go.sum"))
	for line := range strings.Lines(string(data)) {
		lines.sum[strings.TrimSpace(line)] = ""
	}
	return lines
}

// tidy runs "go mod tidy" in a copy of a module, and reports whether that made more of it than it was before: only to remove
// lines of go.sum is no lack. What is replaced only because the module is alone, and required, is no mistake of its author.
func (v *view) tidy(ctx context.Context, pl place, before modLines, alone []modfile.Replace) bool {
	const doing = "tidying a copy"
	if _, err := v.run(ctx, pl, "mod", "tidy"); err != nil {
		v.warn(doing, err)
		// Without -e it stops at the first package that cannot be had.
		if _, err := v.run(ctx, pl, "mod", "tidy", "-e"); err != nil {
			v.warn(doing, err)
		}
		return true
	}
	after := v.modLines(pl.dir)
	required := slices.Collect(maps.Values(after.mod))
	changes := slices.Concat(lacking("-", before.mod, after.mod), lacking("+", after.mod, before.mod), lacking("+", after.sum, before.sum))
	if len(changes) == 0 {
		return false
	}
	if slices.ContainsFunc(alone, func(r modfile.Replace) bool { return slices.Contains(required, r.Old.Path) }) {
		return true // only the copy says where that is, so that nobody can tidy it but here
	}
	if !v.foreign {
		v.warn("it is not tidy", fmt.Errorf("\"go mod tidy\" in %s would change %q; it was done in a copy: run it and commit the result",
			v.readable(pl.dir), changes[0]))
	}
	return true
}

// lacking returns the lines, in order and with a sign before them, that others lack.
func lacking(sign string, lines, others map[string]string) (changes []string) {
	for _, line := range slices.Sorted(maps.Keys(lines)) {
		if _, ok := others[line]; !ok {
			changes = append(changes, sign+line)
		}
	}
	return changes
}
