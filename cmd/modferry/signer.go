package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/modferry/modferry/artifact/sign"
)

// signerFlags say with which key to sign.
func signerFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: flagSignKey, Aliases: []string{flagKey}, Usage: "sign with the private key in `FILE` (cosign.key); its password comes from " + passwordEnv + " or is asked for"},
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
	signer, err := sign.LoadSigner(file, func() ([]byte, error) { return a.password("Password for " + file + ": ") })
	debug.FreeOSMemory() // decrypting a key takes 64 MiB, nothing after it does
	return signer, err
}

// passwordEnv is where cosign looks for the password of a private key, so that one setting serves both.
const passwordEnv = "COSIGN_PASSWORD"

// password returns the password of a private key: from the environment, where an empty one counts too, else
// typed on the terminal without echo.
func (a *app) password(prompt string) ([]byte, error) {
	if v, ok := a.env(passwordEnv); ok {
		return []byte(v), nil
	}
	return a.typed(prompt)
}

// newPassword is password for a key that is about to be made: typed twice.
func (a *app) newPassword() ([]byte, error) {
	if v, ok := a.env(passwordEnv); ok {
		return []byte(v), nil
	}
	first, err := a.typed("Password for the new private key: ")
	if err != nil {
		return nil, err
	}
	second, err := a.typed("The same password again: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, second) {
		return nil, errors.New("the two passwords differ; no key was written")
	}
	return first, nil
}

func (a *app) typed(prompt string) ([]byte, error) {
	if !isTerminal(a.in) {
		return nil, withHint(errors.New("the private key needs a password and there is no terminal to ask for it"),
			"set "+passwordEnv+" (it may be empty)")
	}
	fmt.Fprint(a.err, prompt)
	p, err := term.ReadPassword(int(a.in.(*os.File).Fd()))
	fmt.Fprintln(a.err)
	if err != nil {
		return nil, fmt.Errorf("reading the password: %w", err)
	}
	return p, nil
}
