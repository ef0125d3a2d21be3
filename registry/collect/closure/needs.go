package closure

import (
	"cmp"
	"maps"
	"slices"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/project"
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
	return slices.SortedFunc(maps.Values(n), func(a, b Need) int { return goproxy.Compare(a.Module, b.Module) })
}

// addSums adds what the go.sum files of a project list. What messages call them ends with suffix.
func (v *view) addSums(p *project.Project, suffix string) {
	for _, file := range p.SumFiles() {
		data, err := project.ReadFile(file, project.MaxSumFile)
		if err != nil {
			continue // who reads them for their sums says what is wrong with them
		}
		lines, _ := project.ParseSums(v.readable(file)+suffix, data)
		for _, l := range lines {
			need := Need{Module: l.Module, ModOnly: l.GoMod, Sum: l.Sum, From: l.From}
			if l.GoMod {
				need.Sum, need.GoModSum = "", l.Sum
			}
			v.needs.add(need)
		}
	}
}
