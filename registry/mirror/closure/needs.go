package closure

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry/mirror/project"
)

// needs are what is needed, by module version.
type needs map[module.Version]Need

// add adds a need. Who came first is named as who needs it; a full version stays full.
func (n needs) add(need Need) {
	old, ok := n[need.Module]
	if !ok {
		n[need.Module] = need
		return
	}
	old.ModOnly = old.ModOnly && need.ModOnly
	old.Sum = cmp.Or(old.Sum, need.Sum)
	old.GoModSum = cmp.Or(old.GoModSum, need.GoModSum)
	n[need.Module] = old
}

func (n needs) sorted() []Need {
	return slices.SortedFunc(maps.Values(n), func(a, b Need) int { return artifact.CompareModules(a.Module, b.Module) })
}

// maxSumFile is the most that is read of a go.sum.
const maxSumFile = 64 << 20

// addSumFile adds what a go.sum lists; name is what messages call it. Lines that are
// none are warned about.
func (v *view) addSumFile(file, name string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSumFile+1))
	switch {
	case err != nil:
		return err
	case len(data) > maxSumFile:
		return fmt.Errorf("%s: more than %d MiB", name, maxSumFile>>20)
	}
	lines, problems := project.ParseSums(name, data)
	for _, l := range lines {
		need := Need{Module: l.Module, ModOnly: l.GoMod, Sum: l.Sum, From: l.From}
		if l.GoMod {
			need.Sum, need.GoModSum = "", l.Sum
		}
		if err := v.needs.contradiction(need); err != nil {
			v.warnings = append(v.warnings, fmt.Errorf("%s: %w", l.From, err))
			continue
		}
		v.needs.add(need)
	}
	v.warnings = append(v.warnings, problems...)
	return nil
}

// contradiction is an error if another line names another sum of the same file.
func (n needs) contradiction(need Need) error {
	old := n[need.Module]
	for _, sums := range [][2]string{{old.Sum, need.Sum}, {old.GoModSum, need.GoModSum}} {
		if sums[0] != "" && sums[1] != "" && sums[0] != sums[1] {
			return fmt.Errorf("SECURITY: %s has the sum %s here, but %s at %s; one of them is wrong", need.Module, sums[1], sums[0], old.From)
		}
	}
	return nil
}
