package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// flagsFirst moves a command's options before its arguments, because the parser stops at the first argument
// and "modferry list example.com/m --json" is what people type. Everything after "--", and for commands that
// start another command everything from their first argument, stays as it is.
func flagsFirst(c *cli.App, args []string) []string {
	if len(args) == 0 {
		return args
	}
	cmd := c.Command(args[0])
	if cmd == nil || cmd.Name == runName {
		return args
	}
	words := 1
	if len(args) > 1 {
		if below := subcommand(cmd, args[1]); below != nil {
			cmd, words = below, 2
		}
	}
	flags, rest := args[:words:words], []string{"--"}
	for i := words; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "--":
			return slices.Concat(flags, rest, args[i+1:])
		case arg == "-" || !strings.HasPrefix(arg, "-"):
			rest = append(rest, arg)
		case takesValue(cmd, arg) && i+1 < len(args):
			flags = append(flags, arg, args[i+1])
			i++
		default:
			flags = append(flags, arg)
		}
	}
	return slices.Concat(flags, rest)
}

// subcommand returns the command of a name below another one, nil if there is none.
func subcommand(cmd *cli.Command, name string) *cli.Command {
	for _, below := range cmd.Subcommands {
		if below.Name == name {
			return below
		}
	}
	return nil
}

// takesValue reports whether an option takes the next word as its value, which one written --name=value does not.
func takesValue(cmd *cli.Command, arg string) bool {
	return slices.ContainsFunc(cmd.Flags, func(f cli.Flag) bool {
		v, ok := f.(cli.DocGenerationFlag)
		return ok && v.TakesValue() && slices.Contains(f.Names(), strings.TrimLeft(arg, "-"))
	})
}
