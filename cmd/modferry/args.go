package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// flagsFirst moves a command's options before its arguments, because the parser stops at the first argument
// and "modferry list example.com/m --json" is what people type. Everything after "--", and for commands that
// start another command everything from their first argument, stays as it is.
func flagsFirst(commands []*cli.Command, args []string) []string {
	if len(args) == 0 {
		return args
	}
	cmd := commandNamed(commands, args[0])
	if cmd == nil || cmd.Name == runName {
		return args
	}
	takesValue := valueFlags(cmd)
	var flags, rest []string
	for i := 1; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		if arg == "-" || !strings.HasPrefix(arg, "-") {
			rest = append(rest, arg)
			continue
		}
		flags = append(flags, arg)
		if takesValue[strings.TrimLeft(arg, "-")] && i+1 < len(args) {
			i++
			flags = append(flags, args[i])
		}
	}
	return append(append(append([]string{args[0]}, flags...), "--"), rest...)
}

func commandNamed(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

// valueFlags are the names of the options that take the next word as their value, unless written --name=value.
func valueFlags(cmd *cli.Command) map[string]bool {
	names := make(map[string]bool)
	for _, f := range cmd.Flags {
		if v, ok := f.(cli.DocGenerationFlag); ok && v.TakesValue() {
			for _, n := range f.Names() {
				names[n] = true
			}
		}
	}
	return names
}
