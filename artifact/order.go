package artifact

import (
	"cmp"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// CompareModules orders module versions by path, then by semantic version. Versions that only differ in what
// that ignores, as +incompatible, are ordered as text.
func CompareModules(a, b module.Version) int {
	return cmp.Or(strings.Compare(a.Path, b.Path), semver.Compare(a.Version, b.Version), strings.Compare(a.Version, b.Version))
}
