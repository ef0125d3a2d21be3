package bundling

import (
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/cmd/modferry/internal/copying"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/load"
)

const (
	flagWork     = "work"
	flagWishList = "wishlist"
)

func (a *app) bundleLoadCommand() *cli.Command {
	return &cli.Command{
		Name:      "load",
		Usage:     "put what came on media into the store, verified",
		ArgsUsage: "VOLUME… | -",
		Description: command.Describe(`
A VOLUME is a directory or a tar that bundle create wrote; "-" is a tar on standard input. Media may be read-only, and
volumes come one at a time and in any order: whatever is complete in one is loaded. Nothing is trusted because of the way
it came: every file is checked against its digest, and every version is verified as the shim does before it serves it, by
the keys and the checksum snapshot, before anything of it is pushed; its tag comes last. What is there already is left
alone, so loading again finishes what was interrupted.

A file that is larger than a volume is cut. Its parts are kept in --work until those of the other volumes are there.
A differential bundle whose base the store lacks is refused before anything is pushed, and what lacks is named. Of a damaged
volume all that is intact is loaded; --wishlist names the rest in a file that mirror reads.

Archives of image tools are taken, too, if they kept the digests: a directory of skopeo sync or oras backup, or an archive
of podman save --format oci-archive. Those of signatures are to be named together with what they sign.

   loaded   path version           it was not there
   signed   path version           it was there, and has more signatures now
   waits    path version           parts of it are in other volumes
   REFUSED  path version           it is damaged or not to be trusted, or other content is there; exit code 4
   FAILED   path version           it could not be pushed; exit code 3`, `
modferry bundle load --key cosign.pub --registry harbor.inside.example/golang /media/cdrom
modferry bundle load --key cosign.pub delivery.1.tar delivery.2.tar --wishlist again.txt
modferry bundle load --key cosign.pub --dry-run delivery.1.tar
ssh diode cat delivery.tar | modferry bundle load --key cosign.pub -`),
		Flags: slices.Concat(a.StoreFlags(), command.TrustFlags(), command.RecordFlags(), []cli.Flag{
			&cli.StringFlag{
				Name: flagWork, Value: load.DefaultWorkDir(), DefaultText: "in the user's cache directory",
				Usage: "keep parts of files in `DIR` until all of them are there",
			},
			&cli.StringFlag{Name: flagWishList, Usage: "add the versions that could not be loaded to `FILE`, which mirror reads"},
			command.CopyJobsFlag("load"),
			command.BoolFlag(command.FlagDryRun, "verify everything, and write nothing to the store"),
			command.JSONFlag("each item and a summary"),
		}),
		Action: a.bundleLoad,
	}
}

func (a *app) bundleLoad(c *cli.Context) (err error) {
	if !c.Args().Present() {
		return command.UsageErrorf("bundle load needs volumes: directories, tars, or - for standard input")
	}
	jobs, err := command.CopyJobs(c)
	if err != nil {
		return err
	}
	wishes, err := copying.OpenWishes(c.String(flagWishList))
	if err != nil {
		return err
	}
	checker, err := a.Checker(c)
	if err != nil {
		return err
	}
	store, err := a.OpenStore(c)
	if err != nil {
		return err
	}
	defer command.CloseWritten(store, &err)
	if err := command.Contact(c.Context, []*registry.Store{store}, "loaded", registry.ErrUnreachable, registry.ErrUnauthorized); err != nil {
		return err
	}
	report := &copying.Report{Out: a.Out, Err: a.Err, JSON: c.Bool(command.FlagJSON), DryRun: c.Bool(command.FlagDryRun), Loads: true}
	loads := copying.Loads{
		Loader: load.Loader{Destination: store, Checker: checker, Jobs: jobs, DryRun: report.DryRun, WorkDir: c.String(flagWork)},
		In:     a.In, Report: report, Wishes: wishes,
	}
	err = loads.Run(c.Context, c.Args().Slice())
	if e := wishes.Write(); e != nil {
		err = errors.Join(err, fmt.Errorf("writing the wish list: %w", e))
	}
	return report.End(err)
}
