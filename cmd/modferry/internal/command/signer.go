package command

import (
	"cmp"
	"errors"
	"io/fs"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/sign"
)

// flagFormat says in which forms signatures are stored.
const flagFormat = "signature-format"

// SignerFlags say with which key to sign, or not to.
func SignerFlags() []cli.Flag {
	return append(SignKeyFlags(), BoolFlag(FlagNoSign, "do not sign; the shim refuses what nobody signed"))
}

// SignKeyFlags say with which key to sign, and how signatures are stored.
func SignKeyFlags() []cli.Flag {
	return []cli.Flag{
		SignKeyFlag(),
		&cli.StringFlag{Name: flagFormat, Value: "classic", Usage: "store signatures as `FORMAT`: classic, which every reader knows, bundle, as cosign v3 does, or both"},
	}
}

// SignKeyFlag says with which key to sign.
func SignKeyFlag() cli.Flag {
	return &cli.StringFlag{Name: FlagSignKey, Aliases: []string{flagKey}, Usage: "sign with the private key in `FILE` (cosign.key), whose password comes from " + passwordEnv + " or is asked for, with that in env://NAME, or with NAME://KEY in a KMS (by the program sigstore-kms-NAME)"}
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
		return nil, WithHint(noSignKey(), `"modferry keygen" makes cosign.key; --`+FlagNoSign+" mirrors unsigned, which the shim refuses to serve")
	}
	return a.loadSigner(c, file)
}

// SignKey loads the key to sign with, of a command that does nothing else.
func (a *App) SignKey(c *cli.Context) (*sign.Signer, error) {
	key := c.String(FlagSignKey)
	if key == "" {
		return nil, WithHint(noSignKey(), `"modferry keygen" makes cosign.key`)
	}
	return a.loadSigner(c, key)
}

func noSignKey() error { return UsageErrorf("--%s is needed: the private key to sign with", flagKey) }

// loadSigner loads a private key, and has it make signatures in the formats that --signature-format asks for.
func (a *App) loadSigner(c *cli.Context, key string) (signer *sign.Signer, err error) {
	formats, ok := map[string][]sign.Format{
		"classic": {sign.Classic}, "bundle": {sign.Bundle}, "both": {sign.Classic, sign.Bundle},
	}[cmp.Or(c.String(flagFormat), "classic")]
	if !ok {
		return nil, UsageErrorf("--%s is classic, bundle or both, not %q", flagFormat, c.String(flagFormat))
	}
	if sign.IsKMS(key) {
		signer, err = sign.LoadKMSSigner(c.Context, key)
	} else {
		signer, err = sign.LoadSigner(key, func() ([]byte, error) { return a.password(c.Context, "Password for "+key+": ") })
		debug.FreeOSMemory() // decrypting a key takes 64 MiB, nothing after it does
	}
	if err == nil {
		signer.Format = formats
	}
	return signer, withKeygen(err)
}

// withKeygen says where keys come from, if err is that there is no such file.
func withKeygen(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return WithHint(err, `"modferry keygen" makes a pair: cosign.key to sign with, cosign.pub for everybody who verifies`)
	}
	return err
}
