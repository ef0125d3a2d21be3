package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

func (a *app) refCommand() *cli.Command {
	return &cli.Command{
		Name:      "ref",
		Usage:     "show where in the store a module or a version lives",
		ArgsUsage: "MODULE[@VERSION]… | -",
		Description: describe(`
Prints the reference an image tool would use, one line per argument: the repository of a module, or with a version
the repository and tag. Nothing is asked of the store; the name follows from the path alone. "-" reads arguments
from standard input, one per line.`, `
modferry ref --registry harbor.example/golang github.com/BurntSushi/toml@v1.3.2
cosign verify --key cosign.pub --insecure-ignore-tlog "$(modferry ref --registry harbor.example/golang golang.org/x/text@v0.14.0)"
go list -m -f '{{.Path}}@{{.Version}}' all | tail -n +2 | modferry ref -`),
		Flags:  a.storeFlags(),
		Action: a.ref,
	}
}

func (a *app) ref(c *cli.Context) error {
	if !c.Args().Present() {
		return usageErrorf("ref needs at least one module, or - for standard input")
	}
	stores, err := a.openStores(c, nil)
	if err != nil {
		return err
	}
	defer stores.Close()
	for _, arg := range c.Args().Slice() {
		if arg != "-" {
			err = a.printRef(stores, arg)
		} else {
			err = a.printRefs(stores)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// printRefs does standard input.
func (a *app) printRefs(stores *registry.Router) error {
	lines := bufio.NewScanner(a.in)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" {
			if err := a.printRef(stores, line); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

func (a *app) printRef(stores *registry.Router, arg string) error {
	path, _, versioned := strings.Cut(arg, "@")
	if strings.Contains(path, ":") { // of a URL, half of a password would be shown as the path
		return usageErrorf("%q is neither a module path nor module@version", arg)
	}
	if err := module.CheckPath(path); err != nil {
		return usageErrorf("%q: %v", arg, err)
	}
	tag := ""
	if versioned {
		m, err := parseVersion(arg)
		if err != nil {
			return err
		}
		if tag, err = artifact.Tag(m.Version); err != nil {
			return usageErrorf("%q: %v", arg, err)
		}
	}
	repo, err := artifact.Repository(path)
	if err != nil {
		return usageErrorf("%q: %v", arg, err)
	}
	store, err := stores.For(path)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, store.Reference(repo, tag))
	return err
}
