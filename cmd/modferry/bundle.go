package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
)

func (a *app) bundleCommand() *cli.Command {
	cmd := &cli.Command{
		Name:      "bundle",
		Usage:     "carry versions across on media",
		ArgsUsage: "COMMAND",
		Description: command.Describe(`
A bundle is an OCI image layout with what a store holds, signatures and checksum snapshots included: a directory, or tars
of a size that fits the medium. See "modferry bundle COMMAND --help".`, `
modferry bundle load --help`),
		Subcommands: []*cli.Command{a.bundleLoadCommand()},
	}
	cmd.Action = func(c *cli.Context) error {
		var names []string
		for _, sub := range cmd.Subcommands {
			names = append(names, sub.Name)
		}
		return command.WithHint(command.UsageErrorf("bundle needs a command"), "the commands are "+strings.Join(names, ", "))
	}
	return cmd
}
