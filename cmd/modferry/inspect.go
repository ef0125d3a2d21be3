package main

import (
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/cmd/modferry/internal/audit"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry"
)

func (a *app) inspectCommand() *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Usage:     "show what the store has of a version",
		ArgsUsage: "MODULE@VERSION",
		Description: command.Describe(`
Prints the digests, sums, layers and signatures of one version and where it came from, as its manifest claims them.
With --key each signature is checked and the ID of its key shown. The record of the checksum database is shown where the
store has it. The contents are not downloaded and not checked:
verify does that.`, `
modferry inspect golang.org/x/text@v0.14.0
modferry inspect --key cosign.pub --json golang.org/x/text@v0.14.0`),
		Flags:  slices.Concat(a.StoreFlags(), command.KeysFlags("check signatures with"), []cli.Flag{command.JSONFlag("all of it")}),
		Action: a.inspect,
	}
}

func (a *app) inspect(c *cli.Context) error {
	if c.NArg() != 1 {
		return command.UsageErrorf("inspect needs exactly one module@version")
	}
	want, err := command.ParseVersion(c.Args().First())
	if err != nil {
		return err
	}
	trust, err := command.OptionalVerifier(c)
	if err != nil {
		return err
	}
	stores, err := a.OpenAnswering(c, "inspected", registry.ErrUnreachable, registry.ErrNoLayout)
	if err != nil {
		return err
	}
	defer stores.Close()
	store, err := stores.For(want.Path)
	if err != nil {
		return err
	}
	m, err := store.Find(c.Context, want)
	if err != nil {
		return err
	}
	found, err := audit.Inspect(c.Context, store, m, trust)
	if err != nil {
		return err
	}
	return a.Print(c, found, found.String())
}
