// Package syncing is the command sync.
package syncing

import (
	"context"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"
	"golang.org/x/mod/module"
	"golang.org/x/time/rate"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/cmd/modferry/internal/copying"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/tempdir"
	"github.com/modferry/modferry/registry/transfer"
)

const (
	flagRate       = "rate"
	flagSignatures = "signatures"
	flagWatch      = "watch"
)

// app is what the command shares with the others.
type app struct{ *command.App }

// Command returns the command sync.
func Command(shared *command.App) *cli.Command {
	a := &app{shared}
	return &cli.Command{
		Name:      "sync",
		Usage:     "copy what one store has and another lacks, verified, with signatures and checksum snapshots",
		ArgsUsage: "SRC DST [PATTERN…]",
		Description: command.Describe(`
A store is host/namespace or oci:DIR, as in --registry. Everything modferry keeps in SRC is copied to DST, or the modules
that match a PATTERN (github.com/acme/**, "example.com/lib@>=v1.4.0"): versions, their checksum database evidence,
recorded branches and commits, and in any case the checksum snapshot and the signed indexes.

Nothing is trusted because of the way it came: each version is verified in SRC just as the shim does before it serves it, by
the keys and the snapshot, before anything of it is pushed; its tag comes last. What is there already is left alone, so
running again finishes what was interrupted. Signatures are added to those that are there. The same version with other
content is an error that names both sums. A snapshot never moves back, nor does a branch to an older version.

If nothing is to be done that takes two requests for each module. Signatures that were added in SRC to what DST has are
found with --signatures, at some requests for each version. Between repositories of one registry nothing is sent.

With --watch, a branch registry follows its centre: a round at once, then whenever that time has passed, with one line
each. A round that fails does not end it. The first one, and one a day, compares signatures, too.

   copied   path version           it was not there
   signed   path version           it was there, and has more signatures now
   REFUSED  path version           it is not to be trusted, or other content is there; exit code 4
   FAILED   path version           it could not be read or pushed; exit code 3`, `
modferry sync --key cosign.pub harbor.example/golang oci:/media/store
modferry sync --key cosign.pub oci:/media/store registry.inside.example/golang
modferry sync --key cosign.pub --dry-run harbor.example/golang harbor.example/branch 'github.com/acme/**'
modferry sync --key cosign.pub --watch 1h --rate 10MB centre.example/golang branch.example/golang`),
		Flags: slices.Concat(command.TLSFlags(), command.TrustFlags(), command.RecordFlags(), []cli.Flag{
			command.BoolFlag(flagSignatures, "compare the signatures of what both have"),
			&cli.DurationFlag{Name: flagWatch, Usage: "go on: copy again every `DURATION`"},
			&cli.StringFlag{Name: flagRate, Usage: "send no more than `SIZE` a second, as in 10MB"},
			command.CopyJobsFlag("copy"),
			command.BoolFlag(command.FlagDryRun, "say what would be copied, and write nothing; the contents of a registry are not read for that"),
			command.JSONFlag("each item and a summary"),
		}),
		Action: a.sync,
	}
}

func (a *app) sync(c *cli.Context) (err error) {
	if c.NArg() < 2 {
		return command.UsageErrorf("sync needs two stores: from where, and to where")
	}
	s, err := a.newSync(c)
	if err != nil {
		return err
	}
	limit, err := rateLimit(c)
	if err != nil {
		return err
	}
	pair, err := a.OpenEach(c, c.Args().Slice()[:2]...)
	if err != nil {
		return err
	}
	from, to := pair[0], pair[1]
	defer from.Close()
	defer command.CloseWritten(to, &err)
	if from.String() == to.String() {
		return command.UsageErrorf("%s is to be copied to itself", from)
	}
	checker, err := a.Checker(c)
	if err != nil {
		return err
	}
	policy, err := command.PolicyFile(c, command.Warnings(a.Err))
	if err != nil {
		return err
	}
	dir, remove, err := tempdir.New("", "modferry-sync-")
	if err != nil {
		return err
	}
	defer remove()
	copier := func() *transfer.Copier {
		if policy != nil { // which may have changed since the last round
			checker.Verifier = policy.Current()
		}
		return &transfer.Copier{
			Source: from, Destination: to, Checker: checker, Local: from.IsLayout(), TempDir: dir, Rate: limit, DryRun: c.Bool(command.FlagDryRun),
		}
	}
	if every := c.Duration(flagWatch); every > 0 {
		w := copying.Watch{Every: every, Out: a.Out, JSON: c.Bool(command.FlagJSON), Now: time.Now}
		w.Round = func(ctx context.Context, compare bool) (copying.Counts, error) {
			s.Copier, s.Compare = copier(), compare || c.Bool(flagSignatures)
			counts, err := a.round(ctx, s, &copying.Report{Out: a.Out, Err: a.Err, JSON: c.Bool(command.FlagJSON), Quiet: true})
			command.CloseWritten(to, &err) // a directory's index.json is for others, too; the next round opens it again
			return counts, err
		}
		return w.Run(c.Context)
	}
	fatal := []error{registry.ErrUnreachable, registry.ErrUnauthorized}
	if err := command.Contact(c.Context, pair, "copied", fatal...); err != nil {
		return err
	}
	if err := command.Contact(c.Context, pair[:1], "copied", registry.ErrNoLayout); err != nil { // a destination is made
		return err
	}
	s.Copier, s.Compare = copier(), c.Bool(flagSignatures)
	report := &copying.Report{Out: a.Out, Err: a.Err, JSON: c.Bool(command.FlagJSON), DryRun: c.Bool(command.FlagDryRun)}
	_, err = a.round(c.Context, s, report)
	return report.End(err)
}

// round runs a sync once.
func (a *app) round(ctx context.Context, s transfer.Sync, report *copying.Report) (copying.Counts, error) {
	s.Report = report.Event
	sum, broken, err := s.Run(ctx)
	report.Counts.Existing += sum.Same
	report.Broken(broken)
	return report.Counts, err
}

// newSync reads what is to be copied, and how.
func (a *app) newSync(c *cli.Context) (s transfer.Sync, err error) {
	if s.Jobs, err = command.CopyJobs(c); err != nil {
		return s, err
	}
	if c.IsSet(flagWatch) && c.Duration(flagWatch) < time.Second {
		return s, command.UsageErrorf("--%s must be at least a second", flagWatch)
	}
	if c.IsSet(flagWatch) && c.Bool(command.FlagDryRun) {
		return s, command.UsageErrorf("--%s and --%s contradict each other", flagWatch, command.FlagDryRun)
	}
	var patterns []goproxy.Pattern
	for _, arg := range c.Args().Slice()[2:] {
		p, err := goproxy.ParsePattern(arg)
		if err != nil {
			return s, command.UsageErrorf("%v", err)
		}
		patterns = append(patterns, p)
	}
	if patterns != nil {
		s.Match = func(m module.Version) bool {
			return slices.ContainsFunc(patterns, func(p goproxy.Pattern) bool { return p.Match(m) })
		}
	}
	return s, nil
}

// rateLimit reads --rate; nil is no limit.
func rateLimit(c *cli.Context) (*rate.Limiter, error) {
	text := c.String(flagRate)
	if text == "" {
		return nil, nil
	}
	n, err := humanize.ParseBytes(text)
	if err != nil || n == 0 {
		return nil, command.UsageErrorf("--%s %q is not a size like 10MB", flagRate, text)
	}
	return rate.NewLimiter(rate.Limit(n), 64<<10), nil
}
