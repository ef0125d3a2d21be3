// Package inventorying is the command inventory.
package inventorying

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/artifact/userfile"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry/inventory"
)

const (
	flagFormat     = "format"
	flagOutput     = "output"
	flagCheck      = "check"
	flagIncomplete = "incomplete"
)

// app is what the command shares with the others.
type app struct{ *command.App }

// Command returns the command inventory.
func Command(shared *command.App) *cli.Command {
	a := app{shared}
	return &cli.Command{
		Name:  "inventory",
		Usage: "write down what the store holds, for bundle create --since",
		Description: command.Describe(`
Lists every version, recorded revision, checksum snapshot and index with its digest and that of its signatures, in a few dozen
bytes for each: a file that leaves the inside, by whatever way is open, so that the next bundle brings only what is not
there. What is not in it is brought again; nothing is trusted because of it. Equal stores have equal inventories, and the
digest that names one does not depend on its format. It is the only thing a registry is asked for: a listing for each
repository, and HEAD for each tag.

A repository that cannot be listed is named, nothing is written, and the exit code is 3; with --incomplete, the others are
written all the same, and a bundle made since then carries more than it has to.

With --sign-key and --output FILE, FILE.sig has the signature as "cosign sign-blob" writes it, so that "cosign verify-blob"
takes it. --check FILE verifies it with --key, and bundle create --since FILE with --since-key: exit code 4 if another key has
signed it, or none this content.`, `
modferry inventory --output inside.txt
modferry inventory --registry harbor.inside/golang --sign-key cosign.key --output inside.txt
modferry inventory --check inside.txt --key inside.pub
modferry inventory --format json | grep '"module":"golang.org/x/text"'`),
		Flags: slices.Concat(a.StoreFlags(), []cli.Flag{
			&cli.StringFlag{Name: flagFormat, Value: string(inventory.Text), Usage: "write `FORMAT`, text or json"},
			&cli.StringFlag{Name: flagOutput, Aliases: []string{"o"}, Usage: "write to `FILE` instead of standard output"},
			&cli.StringFlag{Name: command.FlagSignKey, Usage: "sign with the private key in `FILE` (cosign.key)"},
			command.BoolFlag(flagIncomplete, "write what could be listed although something could not"),
			&cli.StringFlag{Name: flagCheck, Usage: "write nothing, but read the inventory in `FILE` and tell its digest"},
			command.KeyFlag("with --check, demand a signature by"),
			command.SumDBFlag(),
			command.JobsFlag("ask for"),
		}),
		Action: a.inventory,
	}
}

func (a app) inventory(c *cli.Context) error {
	if c.IsSet(flagCheck) {
		return a.checkInventory(c)
	}
	format, err := inventory.ParseFormat(c.String(flagFormat))
	if err != nil {
		return command.UsageErrorf("--%s: %v", flagFormat, err)
	}
	var signer *sign.Signer
	switch _, fromEnv := a.Env(command.EnvName(command.FlagSignKey)); {
	case !c.IsSet(command.FlagSignKey):
	case !c.IsSet(flagOutput) && fromEnv: // a setting for other commands
	case !c.IsSet(flagOutput):
		return command.UsageErrorf("--%s needs --%s: the signature is a file beside it", command.FlagSignKey, flagOutput)
	default:
		if signer, err = a.Signer(c); err != nil {
			return err
		}
	}
	lister, err := a.inventoryLister(c)
	if err != nil {
		return err
	}
	defer lister.Store.Close()
	var out bytes.Buffer
	w := inventory.NewWriter(&out, format)
	broken, err := lister.Each(c.Context, w.Add)
	a.NameBroken(broken)
	sum, closeErr := w.Close()
	if err := errors.Join(err, closeErr); err != nil {
		return err
	}
	failed := command.ItemsFailed(len(broken), "of the store's repositories could not be listed")
	if len(broken) > 0 && !c.Bool(flagIncomplete) {
		return command.WithHint(failed, "nothing was written; --"+flagIncomplete+" writes the rest, and bundles carry more than they have to")
	}
	if err := a.writeInventory(c, out.Bytes(), signer); err != nil {
		return err
	}
	fmt.Fprintf(a.Err, "%d repositories, %d tags: %s\n", w.Repositories(), w.Tags(), sum)
	if len(broken) > 0 {
		return failed
	}
	return nil
}

func (a app) inventoryLister(c *cli.Context) (*inventory.Lister, error) {
	jobs, err := command.Jobs(c)
	if err != nil {
		return nil, err
	}
	log, err := command.ChecksumLog(c)
	if err != nil {
		return nil, err
	}
	store, err := a.OpenSource(c, "listed")
	if err != nil {
		return nil, err
	}
	return &inventory.Lister{Store: store, Jobs: jobs, Logs: []*sumdb.Log{log}}, nil
}

// writeInventory writes an inventory to where the options say, and its signature before it: there is never a new one
// beside an old signature that nobody notices, as that one does not fit.
func (a app) writeInventory(c *cli.Context, data []byte, signer *sign.Signer) error {
	file := c.String(flagOutput)
	if file == "" {
		_, err := a.Out.Write(data)
		return err
	}
	if signer != nil {
		signature, err := signer.SignBlob(c.Context, data)
		if err != nil {
			return fmt.Errorf("signing the inventory: %w", err)
		}
		if err := userfile.Replace(inventory.SignatureFile(file), []byte(signature+"\n")); err != nil {
			return err
		}
	}
	return userfile.Replace(file, data)
}

func (a app) checkInventory(c *cli.Context) error {
	keys, err := command.OptionalKeys(c)
	if err != nil {
		return err
	}
	inv, err := inventory.ReadFile(c.String(flagCheck), keys)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Out, "%s  %d repositories, %d tags\n", inv.Digest(), inv.Repositories(), inv.Tags())
	return err
}
