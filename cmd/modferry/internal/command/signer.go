package command

import (
	"errors"
	"io/fs"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/cmd/modferry/internal/password"
)

// SignerFlags say with which key to sign.
func SignerFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: FlagSignKey, Aliases: []string{flagKey}, Usage: "sign with the private key in `FILE` (cosign.key); its password comes from " + password.Env + " or is asked for"},
		BoolFlag(FlagNoSign, "do not sign; the shim refuses what nobody signed"),
	}
}

// Signer loads the key to sign with. Not to sign has to be asked for: consumers refuse what is unsigned.
func (a *App) Signer(c *cli.Context) (*sign.Signer, error) {
	file := c.String(FlagSignKey)
	switch {
	case c.Bool(FlagNoSign) && file != "":
		return nil, UsageErrorf("--%s and --%s contradict each other", flagKey, FlagNoSign)
	case c.Bool(FlagNoSign):
		return nil, nil
	case file == "" && c.Bool(FlagDryRun):
		return nil, nil
	case file == "":
		return nil, WithHint(UsageErrorf("--%s is needed: the private key to sign with", flagKey),
			`"modferry keygen" makes cosign.key; --`+FlagNoSign+" mirrors unsigned, which the shim refuses to serve")
	}
	signer, err := sign.LoadSigner(file, func() ([]byte, error) { return a.Prompt().Get("Password for " + file + ": ") })
	debug.FreeOSMemory() // decrypting a key takes 64 MiB, nothing after it does
	return signer, withKeygen(err)
}

// withKeygen says where keys come from, if err is that there is no such file.
func withKeygen(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return WithHint(err, `"modferry keygen" makes a pair: cosign.key to sign with, cosign.pub for everybody who verifies`)
	}
	return err
}

// Prompt asks for passwords.
func (a *App) Prompt() password.Prompt { return password.Prompt{In: a.In, Out: a.Err, Getenv: a.Env} }
