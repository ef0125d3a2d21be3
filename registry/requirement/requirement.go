// Package requirement is the one description of a module version that is wanted: collection makes requirements, mirroring
// fulfils them.
package requirement

import (
	"cmp"
	"slices"

	"golang.org/x/mod/module"
)

// Requirement is a module version that is wanted.
type Requirement struct {
	Module  module.Version // the version is canonical
	ModOnly bool           // .info and go.mod are enough

	// What a go.sum says about it; empty = nothing.
	Sum, GoModSum string

	// Revisions are the branches, tags and commits that the version was found by,
	// to be recorded in the store.
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
