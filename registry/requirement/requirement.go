// Package requirement is the one description of a module version that is wanted: collection makes requirements, mirroring
// fulfils them.
package requirement

import (
	"cmp"
	"maps"
	"slices"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

// Requirement is a module version that is wanted.
type Requirement struct {
	Module  module.Version // the version is canonical
	ModOnly bool           // .info and go.mod are enough

	// What a go.sum says about it; empty = nothing.
	Sum, GoModSum string

	// Revisions are the branches, tags and commits that the version was found by, to be recorded in the store.
	Revisions []string

	From string // the argument, or the file and line, that asked for it

	Locked Sums // what a lock file says; other content ends the run
}

// Sums are the h1 sums of a version; "" = not known.
type Sums struct{ Zip, GoMod string }

// Join adds what another requirement of the same version wants. Their sums must not differ.
func (r *Requirement) Join(other *Requirement) {
	if r.Sum == "" && (other.Sum != "" || r.ModOnly && !other.ModOnly) {
		r.From = other.From
	}
	r.ModOnly = r.ModOnly && other.ModOnly
	r.Sum = cmp.Or(r.Sum, other.Sum)
	r.GoModSum = cmp.Or(r.GoModSum, other.GoModSum)
	r.Revisions = append(r.Revisions, other.Revisions...)
	slices.Sort(r.Revisions)
	r.Revisions = slices.Compact(r.Revisions)
}

// Differ reports whether two sums are known and not the same.
func Differ(a, b string) bool { return a != "" && b != "" && a != b }

// Set is requirements, each version once.
type Set map[module.Version]*Requirement

// Add adds a requirement: a version that is there already is joined with it, so that full wins over mod-only. If their sums
// differ, the one that is there is returned, and stays as it is.
func (s Set) Add(r Requirement) (conflict *Requirement) {
	have, ok := s[r.Module]
	switch {
	case !ok:
		s[r.Module] = &r
	case Differ(have.Sum, r.Sum) || Differ(have.GoModSum, r.GoModSum):
		return have
	default:
		have.Join(&r)
	}
	return nil
}

// Sorted returns the requirements by path and version.
func (s Set) Sorted() []Requirement {
	var list []Requirement
	for _, m := range slices.SortedFunc(maps.Keys(s), goproxy.Compare) {
		list = append(list, *s[m])
	}
	return list
}
