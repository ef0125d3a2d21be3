package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/modferry/modferry/registry/redact"
)

// streams is everything a command reads and writes besides files and the network, so that tests can run
// commands in their own process.
type streams struct {
	in       io.Reader
	out, err io.Writer
	env      func(name string) (value string, ok bool)
}

// app holds what all commands share. Its methods are the commands.
type app struct{ streams }

// execute runs one command line (without the program's name) and returns the exit code. Whatever went wrong
// has been written to s.err by then. A command whose output was lost has failed, whether it noticed or not.
func execute(ctx context.Context, s streams, args []string) int {
	out := &output{to: s.out}
	s.out = out
	a := newApp(s)
	err := a.RunContext(ctx, append([]string{a.Name}, flagsFirst(a, args)...))
	if err == nil {
		err = out.err
	}
	return report(s.err, err)
}

// output is standard output. It remembers the first error, and takes nothing after it: what others read is complete up
// to some point. No command writes concurrently.
type output struct {
	to  io.Writer
	err error
}

// Write writes p, unless something is missing before it.
func (o *output) Write(p []byte) (n int, err error) {
	if o.err == nil {
		n, o.err = o.to.Write(p)
	}
	return n, o.err
}

// unwrapped returns what a program has to be started with to inherit the output itself, not a copy of it.
func unwrapped(w io.Writer) io.Writer {
	if o, ok := w.(*output); ok {
		return o.to
	}
	return w
}

func newApp(s streams) *cli.App {
	a := &app{streams: s}
	c := &cli.App{
		Name:                  "modferry",
		Usage:                 "carry Go modules through a container registry, signed, and serve them to the go command",
		UsageText:             "modferry COMMAND [options] [arguments]",
		Description:           appDescription,
		CustomAppHelpTemplate: appHelp,
		Version:               buildVersion(),
		HideHelpCommand:       true,
		Flags:                 []cli.Flag{cli.HelpFlag}, // not added by itself beside a help command of ours
		Reader:                s.in,
		Writer:                s.out,
		ErrWriter:             s.err,
		Action:                noCommand,
		OnUsageError:          usageProblem,
		// Errors are reported and exit codes chosen in one place, report.
		ExitErrHandler: func(*cli.Context, error) {},
		Commands: []*cli.Command{
			a.keygenCommand(), a.mirrorCommand(), a.publishCommand(), a.checkCommand(), a.serveCommand(), a.runCommand(), a.envCommand(),
			a.refCommand(), a.listCommand(), a.inspectCommand(), a.verifyCommand(), a.doctorCommand(), a.versionCommand(),
		},
	}
	for _, cmd := range c.Commands {
		cmd.CustomHelpTemplate = commandHelp
		cmd.HideHelpCommand = true // else an argument that reads "help" would not reach the command
		cmd.OnUsageError = usageProblem
		cmd.Before = a.before
	}
	c.Commands = append(c.Commands, helpCommand())
	return c
}

// before checks and completes what all commands have in common.
func (a *app) before(c *cli.Context) error {
	if c.Command.ArgsUsage == "" && c.Args().Present() {
		return usageErrorf("%s takes no arguments", c.Command.Name)
	}
	return a.flagsFromEnv(c)
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
			switch {
			case name == "":
				return cli.ShowAppHelp(c)
			case c.App.Command(name) == nil:
				return unknownCommand(c, name)
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
	return &exitError{code: exitUsage}
}

func unknownCommand(c *cli.Context, name string) error {
	var names []string
	for _, cmd := range c.App.VisibleCommands() {
		names = append(names, cmd.Name)
	}
	return withHint(usageErrorf("there is no command %q", name), "the commands are "+strings.Join(names, ", "))
}

// usageProblem is what a command line that does not parse ends in.
func usageProblem(c *cli.Context, err error, _ bool) error {
	return withHint(usageErrorf("%s: %v", c.Command.FullName(), err), c.Command.HelpName+" --help lists the options")
}

// isTerminal says whether v (a stream of the app) is a terminal.
func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// print prints a result: as a line of JSON where --json asks for that, else as text.
func (a *app) print(c *cli.Context, result any, text string) error {
	if c.Bool(flagJSON) {
		return json.NewEncoder(a.out).Encode(result)
	}
	_, err := fmt.Fprintln(a.out, text)
	return err
}

// warn writes one line to the error stream that nobody should overlook.
func (a *app) warn(format string, args ...any) {
	fmt.Fprintf(a.err, "modferry: WARNING: %s\n", redact.Text(fmt.Sprintf(format, args...)))
}
