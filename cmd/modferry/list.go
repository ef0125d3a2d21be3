package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"
	"golang.org/x/mod/module"

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
registry needs its catalog, which many registries show to administrators only; listing one module always works.`, `
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
		if err := a.listModule(c, stores, path); err != nil {
			return err
		}
	}
	if len(paths) > 0 {
		return nil
	}
	if paths, err = modules(c.Context, stores); err != nil {
		return err
	}
	for _, path := range paths {
		// A repository can hold signatures or foreign tags only; that is no module of ours.
		if err := a.listModule(c, stores, path); err != nil && !errors.Is(err, registry.ErrNotFound) {
			return err
		}
	}
	return nil
}

func (a *app) listModule(c *cli.Context, stores *registry.Router, path string) error {
	store, err := stores.For(path)
	if err != nil {
		return err
	}
	versions, err := store.Versions(c.Context, path)
	if err != nil {
		return err
	}
	full := make(map[string]bool)
	for _, v := range versions {
		full[v.Version] = full[v.Version] || !v.ModOnly
	}
	out := json.NewEncoder(a.out)
	for _, v := range versions {
		if v.ModOnly && (full[v.Version] || c.Bool(flagFull)) {
			continue
		}
		if c.Bool(flagJSON) {
			err = out.Encode(listed{path, v.Version, v.ModOnly})
		} else {
			_, err = fmt.Fprintf(a.out, "%s %s%s\n", path, v.Version, kindName(v.ModOnly))
		}
		if err != nil {
			return err // nobody reads what the other repositories hold
		}
	}
	return nil
}
