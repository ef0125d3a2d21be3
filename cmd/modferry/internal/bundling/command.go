package bundling

import (
	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
)

// app is what the commands share with the others.
type app struct{ *command.App }

// Command returns the command bundle.
func Command(shared *command.App) *cli.Command {
	a := &app{shared}
	return &cli.Command{
		Name:  "bundle",
		Usage: "carry a store on media: signed volumes, in directories or tars",
		Description: command.Describe(`
For networks that only media cross. create writes what a store holds, or a part of it, with signatures and checksum snapshots:
a directory, or tars of a size that fits the medium, each of them an OCI image layout with a signed list of all its files.
info says what they are and which lack, and load puts them into a store, verified.`, `
modferry bundle create --key cosign.key --volume-size 4.7GB --output /media/golang.tar
modferry bundle info --key cosign.pub --check /media/golang-1of3.tar
modferry bundle load --key cosign.pub --registry harbor.inside/golang /media/golang-1of3.tar`),
		Subcommands: []*cli.Command{a.bundleCreateCommand(), a.bundleInfoCommand(), a.bundleLoadCommand()},
	}
}
