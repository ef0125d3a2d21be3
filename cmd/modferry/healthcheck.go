package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/cmd/modferry/internal/doctor"
)

const flagWait = "wait"

// healthInterval is between two questions of a healthcheck that waits.
const healthInterval = 100 * time.Millisecond

func (a *app) healthcheckCommand() *cli.Command {
	return &cli.Command{
		Name:  "healthcheck",
		Usage: "ask a running shim whether it is ready",
		Description: command.Describe(`
Asks for /-/readyz and prints what it says. The exit code is 0 when the shim is ready, and 1 when it is not, or does not
answer. It is for containers, whose image has no shell and no other program: as a probe beside a shim that listens on
loopback alone, where no orchestrator reaches it. With --wait it is what a script puts before the first go command, which
does not try again when nobody listens.

A shim on an address of this machine (--listen) may serve HTTPS with any certificate; that of another one (--shim) is
verified. One that asks every client for a certificate (--client-ca without --access) does not answer.`, `
modferry healthcheck
modferry healthcheck --wait 1m && go build ./...
modferry healthcheck --shim https://shim.corp.example`),
		Flags: []cli.Flag{
			shimAddressFlag(),
			shimURLFlag(),
			&cli.DurationFlag{Name: flagWait, Usage: "ask until it is ready, for `DURATION` at most; 0 is to ask once"},
		},
		Action: a.healthcheck,
	}
}

func (a *app) healthcheck(c *cli.Context) error {
	shim, err := shimURL(c)
	if err != nil {
		return err
	}
	wait := c.Duration(flagWait)
	if wait < 0 {
		return command.UsageErrorf("--%s must not be negative", flagWait)
	}
	text, err := awaitReady(c.Context, shim, c.String(flagShim) == "", wait)
	if err != nil {
		return command.WithHint(err, "modferry doctor finds out what is wrong with it")
	}
	_, err = fmt.Fprint(a.Out, text)
	return err
}

// awaitReady asks a shim, of this machine or not, whether it is ready, until it is or the time is over. The error is
// the last one.
func awaitReady(ctx context.Context, shim string, own bool, wait time.Duration) (string, error) {
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		text, err := doctor.Ready(ctx, shim, own)
		if err == nil || wait == 0 {
			return text, err
		}
		select {
		case <-ctx.Done():
			return "", errors.Join(ctx.Err(), err)
		case <-over.C:
			return "", fmt.Errorf("after %v: %w", wait, err)
		case <-time.After(healthInterval):
		}
	}
}
