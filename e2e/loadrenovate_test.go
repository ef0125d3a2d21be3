package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// renovate asks what Renovate's go-proxy datasource asks for each requirement of the project: the list, the .info of each
// version in it, @latest, and then the same of the next major version, until there is none.
func (r *recorder) renovate() {
	data, err := os.ReadFile(filepath.Join(r.project, "go.mod"))
	r.check(err)
	mod, err := modfile.ParseLax("go.mod", data, nil)
	r.check(err)
	for _, require := range mod.Require {
		prefix, major, _ := module.SplitPathVersion(require.Mod.Path)
		n := 1
		fmt.Sscanf(strings.TrimLeft(major, "/."), "v%d", &n) //nolint:errcheck // there is none: 1
		for ; ; n++ {
			modulePath := prefix
			switch {
			case strings.HasPrefix(prefix, "gopkg.in/"):
				modulePath = fmt.Sprintf("%s.v%d", prefix, n)
			case n > 1:
				modulePath = fmt.Sprintf("%s/v%d", prefix, n)
			}
			if !r.renovateMajor(modulePath) {
				break
			}
		}
	}
}

// renovateMajor reports whether the module has a version.
func (r *recorder) renovateMajor(modulePath string) bool {
	escaped, err := module.EscapePath(modulePath)
	r.check(err)
	url := r.shim.ready + "/" + escaped
	var list strings.Builder
	if _, err := getInto(r.t.Context(), url+"/@v/list", http.StatusOK, &list); err != nil {
		return false
	}
	versions := strings.Fields(list.String())
	for _, v := range versions {
		escaped, err := module.EscapeVersion(v)
		r.check(err)
		r.check(get(r.t.Context(), url+"/@v/"+escaped+".info"))
	}
	_ = get(r.t.Context(), url+"/@latest")
	return len(versions) > 0
}
