package mirror

import (
	"errors"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sumdb"
)

// isAlarm reports whether an error of reading a checksum database means that somebody
// lies: a head that nobody signed, a history that was rewritten, or content that
// the signed head does not cover.
func isAlarm(err error) bool {
	for _, target := range []error{
		sumdb.ErrSignature, sumdb.ErrForked, sumdb.ErrShrunk,
		artifact.ErrCorrupt, artifact.ErrIdentity, ErrChecksum,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// sums are the h1 sums of a version.
type sums struct{ zip, mod string }

// check compares sums that were computed with those that somebody vouches for.
// Sums that are empty are not compared.
func (want *sums) check(m module.Version, zipSum, modSum, authority string) error {
	if differ(zipSum, want.zip) {
		return &ChecksumError{Module: m, File: "zip", Got: zipSum, Want: want.zip, Authority: authority}
	}
	if differ(modSum, want.mod) {
		return &ChecksumError{Module: m, File: "go.mod", Got: modSum, Want: want.mod, Authority: authority}
	}
	return nil
}
