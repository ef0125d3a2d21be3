package mirror

import (
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream"
)

// checkSums compares sums that were computed with those that somebody vouches for.
// Sums that are empty are not compared.
func checkSums(want requirement.Sums, m module.Version, zipSum, modSum, authority string) error {
	if requirement.Differ(zipSum, want.Zip) {
		return &upstream.ChecksumError{Module: m, File: "zip", Got: zipSum, Want: want.Zip, Authority: authority}
	}
	if requirement.Differ(modSum, want.GoMod) {
		return &upstream.ChecksumError{Module: m, File: "go.mod", Got: modSum, Want: want.GoMod, Authority: authority}
	}
	return nil
}
