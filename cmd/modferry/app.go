package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/cmd/modferry/internal/bundling"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/cmd/modferry/internal/countersign"
	"github.com/modferry/modferry/cmd/modferry/internal/inventorying"
	"github.com/modferry/modferry/cmd/modferry/internal/policies"
	"github.com/modferry/modferry/cmd/modferry/internal/pruning"
	"github.com/modferry/modferry/cmd/modferry/internal/syncing"
)

// execute runs one command line (without the program's name) and returns the exit code. Whatever went wrong
// has been written to s.err by then. A command whose output was lost has failed, whether it noticed or not.
func execute(ctx context.Context, s command.Streams, args []string) int {
	out := &command.Output{To: s.Out}
	s.Out = out
	a := newApp(s)
	err := a.RunContext(ctx, append([]string{a.Name}, flagsFirst(a, args)...))
	if err == nil {
		err = out.Err
	}
	return command.Report(s.Err, err)
}

// app has the commands as its methods.
type app struct{ command.App }

func newApp(s command.Streams) *cli.App {
	a := &app{command.App{Streams: s}}
	c := &cli.App{
		Name:                  "modferry",
		Usage:                 "carry Go modules through a container registry, signed, and serve them to the go command",
		UsageText:             "modferry COMMAND [options] [arguments]",
		Description:           appDescription,
		CustomAppHelpTemplate: appHelp,
		Version:               command.BuildVersion(),
		HideHelpCommand:       true,
		Flags:                 []cli.Flag{cli.HelpFlag}, // not added by itself beside a help command of ours
		Reader:                s.In,
		Writer:                s.Out,
		ErrWriter:             s.Err,
		Action:                noCommand,
		OnUsageError:          usageProblem,
		// Errors are reported and exit codes chosen in one place, report.
		ExitErrHandler: func(*cli.Context, error) {},
		Commands: []*cli.Command{
			a.keygenCommand(), a.mirrorCommand(), a.publishCommand(), a.checkCommand(), a.serveCommand(), a.runCommand(), a.envCommand(),
			a.refCommand(), a.listCommand(), a.inspectCommand(), a.verifyCommand(),
			syncing.Command(&a.App),
			countersign.Command(&a.App),
			bundling.Command(&a.App),
			inventorying.Command(&a.App),
			pruning.Command(&a.App),
			policies.Command(&a.App),
			a.healthcheckCommand(), a.doctorCommand(), a.versionCommand(),
		},
	}
	a.complete(c.Commands)
	c.Commands = append(c.Commands, helpCommand())
	return c
}

// complete gives commands, and those below them, what all have in common.
func (a *app) complete(commands []*cli.Command) {
	for _, cmd := range commands {
		cmd.CustomHelpTemplate = commandHelp
		cmd.HideHelpCommand = true // else an argument that reads "help" would not reach the command
		cmd.OnUsageError = usageProblem
		if cmd.Subcommands != nil {
			cmd.Action = noSubcommand
			a.complete(cmd.Subcommands)
			continue
		}
		cmd.Before = a.before
	}
}

// noSubcommand runs when the command line names none of the commands below one.
func noSubcommand(c *cli.Context) error {
	var names []string
	for _, cmd := range c.Command.Subcommands {
		names = append(names, c.Command.Name+" "+cmd.Name)
	}
	err := command.UsageErrorf("%s is not a command", strings.TrimSpace(c.Command.Name+" "+c.Args().First()))
	return command.WithHint(err, "the commands are "+strings.Join(names, ", "))
}

// before checks and completes what all commands have in common.
func (a *app) before(c *cli.Context) error {
	if c.Command.ArgsUsage == "" && c.Args().Present() {
		return command.UsageErrorf("%s takes no arguments", c.Command.Name)
	}
	return a.FlagsFromEnv(c)
}

// helpCommand makes "modferry help COMMAND" the same as "modferry COMMAND --help".
func helpCommand() *cli.Command {
	return &cli.Command{
		Name:            "help",
		Usage:           "show the help of modferry or of a command",
		ArgsUsage:       "[COMMAND]",
		HideHelpCommand: true,
		Action: func(c *cli.Context) error {
			name := c.Args().First()
			cmd := c.App.Command(name)
			switch {
			case name == "":
				return cli.ShowAppHelp(c)
			case cmd == nil:
				return unknownCommand(c, name)
			case subcommand(cmd, c.Args().Get(1)) != nil:
				return c.App.RunContext(c.Context, []string{c.App.Name, name, c.Args().Get(1), "--help"})
			}
			return cli.ShowCommandHelp(c, name)
		},
	}
}

// noCommand runs when the command line names none of the commands.
func noCommand(c *cli.Context) error {
	if c.Args().Present() {
		return unknownCommand(c, c.Args().First())
	}
	c.App.Writer = c.App.ErrWriter
	if err := cli.ShowAppHelp(c); err != nil {
		return err
	}
	return &command.ExitError{Code: command.ExitUsage}
}

func unknownCommand(c *cli.Context, name string) error {
	var names []string
	for _, cmd := range c.App.VisibleCommands() {
		names = append(names, cmd.Name)
	}
	return command.WithHint(command.UsageErrorf("there is no command %q", name), "the commands are "+strings.Join(names, ", "))
}

// usageProblem is what a command line that does not parse ends in.
func usageProblem(c *cli.Context, err error, _ bool) error {
	hint := c.Command.HelpName + " --help lists the options"
	if c.Command.Name == c.App.Name { // none of the commands
		hint = "options stand behind the command, as in modferry list --registry harbor.example/golang"
	}
	return command.WithHint(command.UsageErrorf("%s: %v", c.Command.FullName(), err), hint)
}
