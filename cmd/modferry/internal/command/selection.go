package command

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/cmd/modferry/internal/audit"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/requirement"
)

// Requirements reads arguments that name versions: what has an @ is a version, everything else the name of a file.
func (a *App) Requirements(args []string) (list []requirement.Requirement, err error) {
	for _, arg := range args {
		if strings.Contains(arg, "@") {
			m, err := ParseVersion(arg)
			if err != nil {
				return nil, err
			}
			list = append(list, requirement.Requirement{Module: m})
			continue
		}
		named, err := audit.ReadNames(arg, a.In)
		if err != nil {
			return nil, WithHint(UsageErrorf("%v", err), "arguments are module@version or the name of a go.sum, a lock or a list")
		}
		list = append(list, named...)
	}
	return list, nil
}

// Everything lists what the stores have, both forms where a version has both, and what is wrong with repositories
// that cannot be read.
func (a *App) Everything(c *cli.Context, stores *registry.Router, v sign.Verifier) (list []requirement.Requirement, broken []error, err error) {
	lister := &audit.Lister{
		Stores: stores, Verifier: v, Warn: func(err error) { a.Warn("%v", err) },
		CatalogOnly: func(s *registry.Store) {
			fmt.Fprintf(a.Err, "modferry: note: %s has no index of its modules signed by whom you trust: a registry's catalog may be partial, "+
				"as that of a pull-through cache is; mirror writes an index, and a file names what there must be\n", s)
		},
	}
	broken, err = lister.Each(c.Context, func(path string, versions []registry.Listed) error {
		for _, v := range versions {
			m := module.Version{Path: path, Version: v.Version}
			list = append(list, requirement.Requirement{Module: m, ModOnly: v.ModOnly})
		}
		return nil
	})
	return list, broken, err
}
