package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
)

const flagKeyPrefix = "output-key-prefix"

func (a *app) keygenCommand() *cli.Command {
	return &cli.Command{
		Name:  "keygen",
		Usage: "make a key pair for signing",
		Description: command.Describe(`
Writes cosign.key, the private key encrypted with a password, and cosign.pub, the public key for everybody who
verifies. Both are what "cosign generate-key-pair" writes, and cosign can use them. The password comes from
COSIGN_PASSWORD or is asked for twice. Existing files are never overwritten.`, `
modferry keygen
COSIGN_PASSWORD=… modferry keygen --output-key-prefix platform-2026`),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: flagKeyPrefix, Value: "cosign", Usage: "write `PREFIX`.key and PREFIX.pub"},
		},
		Action: a.keygen,
	}
}

func (a *app) keygen(c *cli.Context) error {
	prefix := c.String(flagKeyPrefix)
	private, public := prefix+".key", prefix+".pub"
	for _, name := range []string{private, public} { // before a password is asked for
		if _, err := os.Lstat(name); err == nil {
			return command.WithHint(fmt.Errorf("%s exists already and is not overwritten", name),
				"choose other names with --"+flagKeyPrefix+", or move the old pair away")
		}
	}
	password, err := a.NewPassword(c.Context)
	if err != nil {
		return err
	}
	key, pub, err := sign.Generate(password)
	if err != nil {
		return fmt.Errorf("making a key pair: %w", err)
	}
	if err := writeNew(private, key, 0o600); err != nil {
		return err
	}
	if err := writeNew(public, pub, 0o644); err != nil {
		return errors.Join(err, os.Remove(private)) // half a pair is no use
	}
	fmt.Fprintf(a.Out, "%s  private key: keep it, and its password, where only the mirroring side can read it\n"+
		"%s  public key: hand it to everybody who runs serve, run or verify\n", private, public)
	return nil
}

// writeNew writes a file that must not exist yet, and leaves nothing behind when that fails.
func writeNew(name string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}
