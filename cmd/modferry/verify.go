package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/cmd/modferry/internal/audit"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/gocmd"
	"github.com/modferry/modferry/registry/mirror"
	"github.com/modferry/modferry/registry/upstream"
)

const (
	flagAll    = "all"
	flagRepair = "repair"
)

func (a *app) verifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "check signatures, hashes and sums of what is in the store",
		ArgsUsage: "MODULE@VERSION… | FILE… | - | --all",
		Description: command.Describe(`
Downloads each version and checks everything the shim checks before it serves: the signature, that the manifest is of
this module and version, the digests of its layers, and the recomputed sums of go.mod and zip. A FILE is
a go.sum, the lock of a mirror file (.lock), whose sums must be those in the store, or a list as the list command prints
it; "-" is standard input. Where the store has a snapshot of the checksum database, the log's signed head in
it must confirm every module that is not private: sumdb=verified. Others are REFUSED; mirroring them again brings the record.
With --allow-unrecorded they pass: sumdb=none (there is no record), newer-than-snapshot or no-tile (nothing to check it with
yet). Private are those of --private, GONOSUMDB and GOPRIVATE: sumdb=none. Without a snapshot: none or no-snapshot.
One line per version; what is wrong with one goes to standard error:

   ok       path version  keys    the IDs of the keys that signed it, and sumdb=
   REFUSED  path version          it was read and is not to be trusted; exit code 4
   FAILED   path version          it is missing, or the store cannot be read; exit code 3

With --json each line has besides the signatures that were looked at: their format, who made them, whether they count and why
not. Bundles are looked at only where the classic signatures are not enough.

At the end, standard error has how many of how many were verified. --all asks the store what there is: its signed indexes
and the registry's catalog, one of which the account must be able to read; for a file that is not needed. A repository that
cannot be read is named at the end, and counts as one version; a store without any is an error.

With --repair, where upstream can be reached, blobs that are missing or changed are put back from the GOPROXY in force, and
the version is verified anew: ok … mended. Manifest and signature stay as they are, and a blob is what its digest says, so no
signing key is needed, only the right to push. If upstream no longer has those bytes the version stays REFUSED.`, `
modferry verify --key cosign.pub golang.org/x/text@v0.14.0
modferry verify --key cosign.pub go.sum
modferry list golang.org/x/text | modferry verify --key cosign.pub -
modferry verify --key cosign.pub --all --json
modferry verify --key cosign.pub --repair --all`),
		Flags: slices.Concat(a.StoreFlags(), command.TrustFlags(), command.RecordFlags(), []cli.Flag{
			command.BoolFlag(flagAll, "verify every version in the store"),
			command.BoolFlag(flagRepair, "put back from upstream the blobs that are missing or changed"),
			command.UpstreamFlag(),
			command.JobsFlag("verify"),
			command.JSONFlag("each result"),
		}),
		Action: a.verify,
	}
}

func (a *app) verify(c *cli.Context) (err error) {
	if c.Bool(flagAll) == c.Args().Present() {
		return command.UsageErrorf("verify needs module@version or go.sum arguments, or --%s", flagAll)
	}
	n, err := command.Jobs(c)
	if err != nil {
		return err
	}
	list, err := a.Requirements(c.Args().Slice())
	if err != nil {
		return err
	}
	checker, err := a.Checker(c)
	if err != nil {
		return err
	}
	stores, err := a.OpenAnswering(c, "verified", registry.ErrUnreachable, registry.ErrNoLayout)
	if err != nil {
		return err
	}
	defer command.CloseWritten(stores, &err)
	var broken []error
	if c.Bool(flagAll) {
		if list, broken, err = a.Everything(c, stores, checker.Verifier); err != nil {
			a.NameBroken(broken)
			return err
		}
	}
	switch {
	case len(list)+len(broken) > 0:
	case c.Bool(flagAll):
		return command.WithHint(fmt.Errorf("nothing was verified: there is no module version in %s", stores), "check --"+command.FlagRegistry+", and what the account may list")
	default:
		return fmt.Errorf("nothing was verified: %s names no module version", strings.Join(c.Args().Slice(), ", "))
	}
	checker.Snapshot = a.SnapshotOnce(c.Context, stores, checker.Log, checker.Verifier)
	ch := &audit.Checker{Checker: checker, Stores: stores, Jobs: n, Listed: c.Bool(flagAll)}
	if c.Bool(flagRepair) {
		up, err := a.repairSource(c)
		if err != nil {
			return err
		}
		defer up.Close()
		ch.Mend = mirror.Mender{Upstream: up}.Mend
	}
	return a.printVerdicts(c, ch.CheckAll(c.Context, list), broken)
}

// repairSource opens the upstream that --repair takes blobs from.
func (a *app) repairSource(c *cli.Context) (*upstream.Upstream, error) {
	env, err := gocmd.GoEnv(c.Context)
	if err != nil {
		return nil, err
	}
	up, _, err := openUpstream(c, env, command.Warnings(a.Err))
	return up, err
}

// printVerdicts prints verdicts in the order they were asked for, as soon as each is there, and at the end what is
// wrong with repositories of which no version could be verified.
func (a *app) printVerdicts(c *cli.Context, verdicts []chan audit.Verdict, broken []error) error {
	count := make(map[audit.Outcome]int)
	mended := 0
	for _, ch := range verdicts {
		v := <-ch
		if c.Context.Err() != nil {
			continue // the stores may only be closed when all are done
		}
		count[v.Outcome]++
		if v.Mended {
			mended++
		}
		if err := a.printVerdict(c, v); err != nil {
			return err
		}
	}
	if err := c.Context.Err(); err != nil {
		return err
	}
	a.NameBroken(broken)
	all := fmt.Sprintf("%d versions", len(verdicts))
	if len(broken) > 0 {
		all += fmt.Sprintf(" and %d repositories that could not be read", len(broken))
	}
	line := fmt.Sprintf("%d of %s verified", count[audit.OK], all)
	if mended > 0 {
		line += fmt.Sprintf(", %d of them mended", mended)
	}
	fmt.Fprintf(a.Err, "modferry: %s\n", line)
	for _, err := range broken {
		count[audit.OutcomeOf(err)]++
	}
	switch {
	case count[audit.Refused] > 0:
		return &command.ExitError{Code: command.ExitRefused, Err: fmt.Errorf("verification refused %d of %s", count[audit.Refused], all)}
	case count[audit.Failed] > 0:
		return command.ItemsFailed(count[audit.Failed], fmt.Sprintf("of %s could not be verified", all))
	}
	return nil
}

func (a *app) printVerdict(c *cli.Context, v audit.Verdict) error {
	if v.Error != "" && !c.Bool(command.FlagJSON) {
		fmt.Fprintf(a.Err, "modferry: %s\n", v.Error)
	}
	return a.Print(c, v, v.String())
}
