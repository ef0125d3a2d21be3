package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/cmd/modferry/internal/audit"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry"
)

const flagFull = "full"

func (a *app) listCommand() *cli.Command {
	return &cli.Command{
		Name:      "list",
		Usage:     "list the versions in the store",
		ArgsUsage: "[MODULE… | -]",
		Description: command.Describe(`
Prints "path version", a line each: of the modules named, else of all modules; "-" reads names from standard input, one
a line. A third word, mod-only, marks the versions that are there with their go.mod alone because nothing more was needed
of them. All modules are those of the store's indexes, which mirror and publish keep and sign, and of the registry's
catalog where the account may read that. With --key, only indexes signed with it count.
A module that is named and not there, or a repository that cannot be read, is told at the end, on standard error; exit code 3.`, `
modferry list
modferry list golang.org/x/text
modferry list > mirrored.txt                     # which mirror and verify read, too
modferry list --registry harbor.example/golang --json golang.org/x/text
cut -d" " -f1 go.sum | sort -u | modferry list -`),
		Flags: slices.Concat(a.StoreFlags(), command.KeysFlags("use only indexes signed with"), []cli.Flag{
			command.BoolFlag(flagFull, "leave out versions of which only the go.mod is there"),
			command.JSONFlag("each version"),
		}),
		Action: a.list,
	}
}

func (a *app) list(c *cli.Context) error {
	paths, err := a.modulePaths(c.Args().Slice())
	if err != nil {
		return err
	}
	trust, err := command.OptionalVerifier(c)
	if err != nil {
		return err
	}
	stores, err := a.OpenAnswering(c, "listed", registry.ErrUnreachable)
	if err != nil {
		return err
	}
	defer stores.Close()
	lister := &audit.Lister{Stores: stores, Verifier: audit.VerifierOf(trust), Warn: func(err error) { a.Warn("%v", err) }}
	show := func(path string, versions []registry.Listed) error { return a.printVersions(c, path, versions) }
	var broken []error
	what := "of the modules named could not be listed"
	if c.Args().Present() {
		broken, err = lister.EachOf(c.Context, paths, show)
	} else {
		broken, err = lister.Each(c.Context, show)
		what = "of the store's repositories could not be read"
	}
	a.NameBroken(broken)
	if err == nil && len(broken) > 0 {
		err = command.ItemsFailed(len(broken), what)
	}
	return err
}

// modulePaths returns the modules that the arguments of list name, with those that standard input does for "-".
func (a *app) modulePaths(args []string) (paths []string, err error) {
	for _, arg := range args {
		names := []string{arg}
		if arg == "-" {
			data, err := artifact.ReadAll(a.In, "standard input", audit.MaxNames)
			if err != nil {
				return nil, err
			}
			names = strings.Fields(string(data))
		}
		for _, path := range names {
			if err := module.CheckPath(path); err != nil {
				return nil, command.WithHint(command.UsageErrorf("%v", err), "list takes the paths of modules; inspect and verify take module@version")
			}
			paths = append(paths, path)
		}
	}
	return paths, nil
}

func (a *app) printVersions(c *cli.Context, path string, versions []registry.Listed) error {
	full := make(map[string]bool)
	for _, v := range versions {
		full[v.Version] = full[v.Version] || !v.ModOnly
	}
	for _, v := range versions {
		if v.ModOnly && (full[v.Version] || c.Bool(flagFull)) {
			continue
		}
		line := audit.Line{Module: path, Version: v.Version, ModOnly: v.ModOnly}
		if err := a.Print(c, line, path+" "+v.Version+audit.Kind(v.ModOnly)); err != nil {
			return err // nobody reads what the other repositories hold
		}
	}
	return nil
}
