package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/cmd/modferry/internal/listen"
	"github.com/modferry/modferry/cmd/modferry/internal/shell"
	"github.com/modferry/modferry/proxyshim/audit"
	"github.com/modferry/modferry/proxyshim/events"
	"github.com/modferry/modferry/registry/gocmd"
)

const runName = "run"

func (a *app) runCommand() *cli.Command {
	return &cli.Command{
		Name:      runName,
		Usage:     "run a command with a shim of its own",
		ArgsUsage: "-- COMMAND [ARGUMENT]…",
		Description: command.Describe(`
Starts a shim on a free loopback port, runs the command with GOPROXY set to it, and passes the command's exit code on.
Signals are passed to the command. GONOPROXY is set to none, so that a GOPRIVATE in the environment cannot lead around
the shim; modules matching --private are added to GONOSUMDB. GOFLAGS and everything else is left alone. So is GOSUMDB, for
public modules are verified against the checksum database, which the shim serves, unless it has an address, as
sum.golang.google.cn is one: the go command would dial that, and so it is set to the log's own name.`, `
modferry run --key cosign.pub -- go build ./...
modferry run --key cosign.pub --registry harbor.example/golang -- make test
modferry run --key cosign.pub --private 'corp.example/*' -- go mod download`),
		Flags:  append(append(a.ShimFlags(), command.CacheFlags()...), auditFlag("")),
		Action: a.run,
	}
}

func (a *app) run(c *cli.Context) error {
	if !c.Args().Present() {
		return command.UsageErrorf("run needs a command, after --")
	}
	if c.String(flagAuditLog) == audit.Stdout {
		return command.UsageErrorf("--%s: standard output is that of the command: name a file", flagAuditLog)
	}
	env, err := gocmd.GoEnv(c.Context)
	if err != nil {
		return err
	}
	o, err := cacheOptions(c)
	if err != nil {
		return err
	}
	s, err := a.newShim(c, command.Warnings(a.Err), o, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	noSumDB := ""
	if s.private != "" { // else nothing is to be changed
		noSumDB = command.JoinPatterns(env.GONOSUMDB, s.private)
	}
	auditLog, err := a.openAuditLog(c, s.log)
	if err != nil {
		return err
	}
	defer auditLog.Close()
	url, stop, err := listen.Locally(events.Observe(s, auditLog.Write), s.log)
	if err != nil {
		return err
	}
	defer stop()
	return a.runChild(c.Context, c.Args().Slice(), append(goSettings(url, noSumDB), sumDBSetting(env.GOSUMDB)...))
}

// runChild runs a program until it ends by itself. The end of ctx is not the end of the program: the signal
// that ended ctx is passed on, and what to do about it is the program's business.
func (a *app) runChild(ctx context.Context, args []string, vars []shell.Setting) error {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, endSignals()...)
	defer signal.Stop(signals)
	if ctx.Err() != nil {
		return ctx.Err() // by a signal that the program would never see
	}

	cmd := exec.CommandContext(context.WithoutCancel(ctx), args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.In, command.Unwrapped(a.Out), a.Err
	cmd.Env = os.Environ()
	for _, v := range vars {
		cmd.Env = append(cmd.Env, v.String())
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("running %s: %w", args[0], err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			a.passOn(s, cmd.Process)
		case err := <-done:
			return childError(args[0], err)
		}
	}
}

// passOn sends a signal on, except for the interrupt key of a terminal, which the terminal sent to the program
// as well: many take a second one as a demand to drop everything.
func (a *app) passOn(s os.Signal, p *os.Process) {
	if s == os.Interrupt && (command.IsTerminal(a.In) || command.IsTerminal(a.Err)) {
		return
	}
	_ = p.Signal(s) // it may have ended meanwhile
}

// childError turns the end of a program into our exit code: its own, or as shells have it 128 + the signal.
func childError(name string, err error) error {
	exit, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return nil
	case !ended:
		return fmt.Errorf("running %s: %w", name, err)
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return &command.ExitError{Code: 128 + int(status.Signal())}
	}
	return &command.ExitError{Code: exit.ExitCode()}
}
