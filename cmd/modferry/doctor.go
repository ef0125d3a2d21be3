package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/cmd/modferry/internal/audit"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/cmd/modferry/internal/doctor"
)

const flagWrite = "write"

func (a *app) doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "find out what is wrong with the go command's settings, the shim and the checksum snapshot",
		Description: command.Describe(`
Looks at the settings of the go command as it sees them itself, from the environment and from its own file; asks the shim
what the go command would ask it; asks the store what it has, as which account;
reads the newest checksum snapshot in it and compares it with the head of the
log that the go command has seen last (GOPATH/pkg/sumdb). One line per finding: what is wrong comes with the one
command that mends it. Nothing is changed. The exit code is 1 when something is wrong.

With --write it finds out whether the store takes what is pushed: the account's right to, a registry that is read-only or a
cache, a directory or a disk that is full. In a registry an upload is begun and cancelled, with nothing in it; in an oci:
directory files are written and removed. A quota is not asked: only pushing tells whether it suffices.

   ok       as it should be
   note     worth knowing
   wrong    to be mended

"modferry run -- modferry doctor" looks at the settings that run makes.`, `
modferry doctor
modferry doctor --key cosign.pub --registry harbor.example/golang
modferry doctor --write --registry harbor.example/golang            # before the first mirror
modferry doctor --shim https://shim.corp.example --private 'corp.example/*' --json`),
		Flags: slices.Concat(a.StoreFlags(), command.KeysFlags("check the snapshot's signature with"), []cli.Flag{
			command.SumDBFlag(),
			command.PrivateFlag(),
			shimAddressFlag(),
			shimURLFlag(),
			command.BoolFlag(flagWrite, "find out as well whether the store takes content: begin an upload, and cancel it"),
			command.JSONFlag("each finding"),
		}),
		Action: a.doctor,
	}
}

func (a *app) doctor(c *cli.Context) error {
	log, err := command.ChecksumLog(c)
	if err != nil {
		return err
	}
	shim, err := shimURL(c)
	if err != nil {
		return err
	}
	trust, err := command.OptionalVerifier(c)
	private := c.String(command.FlagPrivate)
	var policy *doctor.Policy
	if file := c.String(command.FlagPolicy); file != "" {
		policy = &doctor.Policy{File: file, Err: err}
	}
	switch p, isPolicy := trust.(*sign.Policy); {
	case errors.As(err, new(*command.ExitError)), err != nil && policy == nil:
		return err
	case err != nil:
		trust = nil
	case isPolicy:
		policy.Summary, private = p.Summary(), command.JoinPatterns(private, p.Private())
	}
	stores, err := a.OpenStores(c)
	if err != nil {
		return err
	}
	defer stores.Close()
	o := doctor.Options{
		Log: log, Shim: shim, Listen: command.DefaultListen, Private: private, Getenv: a.Env,
		Store: stores.String(),
		List: func(ctx context.Context) error {
			for _, s := range stores.Stores() {
				for _, err := range s.Repositories(ctx) {
					if err != nil {
						return err
					}
				}
			}
			return nil
		},
		Snapshot: func(ctx context.Context) (*sumdb.Snapshot, error) {
			return command.NewestSnapshot(ctx, stores, log, audit.VerifierOf(trust))
		},
		Unsigned: trust == nil, Policy: policy,
	}
	if c.Bool(flagWrite) {
		o.Push = func(ctx context.Context) (left bool, err error) {
			for _, s := range stores.Stores() {
				kept, err := s.ProbePush(ctx, log.Repository())
				if left = left || kept; err != nil {
					return left, err
				}
			}
			return left, nil
		}
	}
	findings, err := doctor.Examine(c.Context, o)
	if errors.Is(err, doctor.ErrNoGo) {
		return command.WithHint(err, "doctor looks through its eyes: install Go, or put it into PATH")
	}
	if err != nil {
		return err
	}
	wrong := 0
	for _, f := range findings {
		if err := a.Print(c, f, f.String()); err != nil {
			return err
		}
		if f.Status == doctor.Wrong {
			wrong++
		}
	}
	if wrong > 0 {
		return fmt.Errorf("doctor: %d of %d findings are wrong", wrong, len(findings))
	}
	return nil
}
