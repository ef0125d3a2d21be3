package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/safetext"
)

func (a *app) refCommand() *cli.Command {
	return &cli.Command{
		Name:      "ref",
		Usage:     "show where in the store a module or a version lives",
		ArgsUsage: "MODULE[@VERSION]… | -",
		Description: command.Describe(`
Prints the reference an image tool would use, one line per argument: the repository of a module, or with a version
the repository and tag. Nothing is asked of the store; the name follows from the path alone. "-" reads arguments
from standard input, one per line.`, `
modferry ref --registry harbor.example/golang github.com/BurntSushi/toml@v1.3.2
cosign verify --key cosign.pub --insecure-ignore-tlog "$(modferry ref --registry harbor.example/golang golang.org/x/text@v0.14.0)"
go list -m -f '{{.Path}}@{{.Version}}' all | tail -n +2 | modferry ref -`),
		Flags:  a.StoreFlags(),
		Action: a.ref,
	}
}

func (a *app) ref(c *cli.Context) error {
	if !c.Args().Present() {
		return command.UsageErrorf("ref needs at least one module, or - for standard input")
	}
	stores, err := a.OpenStores(c)
	if err != nil {
		return err
	}
	defer stores.Close()
	for _, arg := range c.Args().Slice() {
		args := io.Reader(strings.NewReader(arg))
		if arg == "-" {
			args = a.In
		}
		lines := bufio.NewScanner(args)
		for lines.Scan() {
			if line := strings.TrimSpace(lines.Text()); line != "" {
				if err := a.printRef(stores, line); err != nil {
					return err
				}
			}
		}
		if err := lines.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) printRef(stores *registry.Router, arg string) error {
	if path, _, _ := strings.Cut(arg, "@"); strings.Contains(path, ":") { // of a URL, half of a password would be shown as the path
		return command.UsageErrorf("%q is neither a module path nor module@version", arg)
	}
	m := module.Version{Path: arg}
	if strings.Contains(arg, "@") {
		var err error
		if m, err = command.ParseVersion(arg); err != nil {
			return err
		}
	} else if err := module.CheckPath(arg); err != nil {
		return command.UsageErrorf("%w", safetext.Naming(arg, err))
	}
	store, err := stores.For(m.Path)
	if err != nil {
		return err
	}
	where, err := reference(store, m)
	if err != nil {
		return command.UsageErrorf("%q: %v", arg, err)
	}
	_, err = fmt.Fprintln(a.Out, where)
	return err
}

// reference is where a version lives in a store, or without a version the module.
func reference(store *registry.Store, m module.Version) (string, error) {
	repo, err := artifact.Repository(m.Path)
	if err != nil || m.Version == "" {
		return store.Reference(repo, ""), err
	}
	tag, err := artifact.Tag(m.Version)
	return store.Reference(repo, tag), err
}
