package main

import (
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v2"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/cmd/modferry/internal/audit"
	"github.com/modferry/modferry/registry"
)

const flagFull = "full"

func (a *app) listCommand() *cli.Command {
	return &cli.Command{
		Name:      "list",
		Usage:     "list the versions in the store",
		ArgsUsage: "[MODULE]…",
		Description: describe(`
Prints "path version", a line each: of the modules named, else of all modules. A third word, mod-only, marks the
versions that are there with their go.mod alone because nothing more was needed of them. Listing all modules of a
registry needs its catalog, which many registries show to administrators only; listing one module always works.
A repository that cannot be read is named at the end, on standard error; exit code 3.`, `
modferry list
modferry list golang.org/x/text
modferry list > mirrored.txt                     # which mirror reads, too
modferry list --registry harbor.example/golang --json golang.org/x/text`),
		Flags: append(a.storeFlags(),
			boolFlag(flagFull, "leave out versions of which only the go.mod is there"),
			jsonFlag("each version"),
		),
		Action: a.list,
	}
}

// listed is one version in the output of list --json.
type listed struct {
	Module  string `json:"module"`
	Version string `json:"version"`
	ModOnly bool   `json:"modOnly,omitempty"`
}

func (a *app) list(c *cli.Context) error {
	paths := c.Args().Slice()
	for _, path := range paths {
		if err := module.CheckPath(path); err != nil {
			return usageErrorf("%v", err)
		}
	}
	stores, err := a.openStores(c, nil)
	if err != nil {
		return err
	}
	defer stores.Close()
	for _, path := range paths {
		versions, err := audit.Versions(c.Context, stores, path)
		if err != nil {
			return err
		}
		if err := a.printVersions(c, path, versions); err != nil {
			return err
		}
	}
	if len(paths) > 0 {
		return nil
	}
	broken, err := audit.Each(c.Context, stores, func(path string, versions []registry.Listed) error {
		return a.printVersions(c, path, versions)
	})
	a.nameBroken(broken)
	if err == nil && len(broken) > 0 {
		err = itemsFailed(len(broken), "of the store's repositories could not be read")
	}
	return err
}

func (a *app) printVersions(c *cli.Context, path string, versions []registry.Listed) error {
	full := make(map[string]bool)
	for _, v := range versions {
		full[v.Version] = full[v.Version] || !v.ModOnly
	}
	out := json.NewEncoder(a.out)
	for _, v := range versions {
		if v.ModOnly && (full[v.Version] || c.Bool(flagFull)) {
			continue
		}
		var err error
		if c.Bool(flagJSON) {
			err = out.Encode(listed{path, v.Version, v.ModOnly})
		} else {
			_, err = fmt.Fprintf(a.out, "%s %s%s\n", path, v.Version, audit.Kind(v.ModOnly))
		}
		if err != nil {
			return err // nobody reads what the other repositories hold
		}
	}
	return nil
}
