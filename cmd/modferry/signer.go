package main

import (
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/cmd/modferry/internal/password"
)

// signerFlags say with which key to sign.
func signerFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: flagSignKey, Aliases: []string{flagKey}, Usage: "sign with the private key in `FILE` (cosign.key); its password comes from " + password.Env + " or is asked for"},
		boolFlag(flagNoSign, "do not sign; the shim refuses what nobody signed"),
	}
}

// signer loads the key to sign with. Not to sign has to be asked for: consumers refuse what is unsigned.
func (a *app) signer(c *cli.Context) (*sign.Signer, error) {
	file := c.String(flagSignKey)
	switch {
	case c.Bool(flagNoSign) && file != "":
		return nil, usageErrorf("--%s and --%s contradict each other", flagKey, flagNoSign)
	case c.Bool(flagNoSign):
		return nil, nil
	case file == "" && c.Bool(flagDryRun):
		return nil, nil
	case file == "":
		return nil, withHint(usageErrorf("--%s is needed: the private key to sign with", flagKey),
			`"modferry keygen" makes cosign.key; --`+flagNoSign+" mirrors unsigned, which the shim refuses to serve")
	}
	signer, err := sign.LoadSigner(file, func() ([]byte, error) { return a.prompt().Get("Password for " + file + ": ") })
	debug.FreeOSMemory() // decrypting a key takes 64 MiB, nothing after it does
	return signer, err
}

func (a *app) prompt() password.Prompt { return password.Prompt{In: a.in, Out: a.err, Getenv: a.env} }
