package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/cmd/modferry/internal/progress"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/collect"
	"github.com/modferry/modferry/registry/mirror"
	"github.com/modferry/modferry/registry/redact"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream"
)

const (
	flagVerify  = "verify"
	flagScan    = "wait-for-scan"
	flagNoSumDB = "no-sumdb"

	flagToolchains     = "toolchains"
	flagTool           = "tool"
	flagDownloadAll    = "download-all"
	flagStatic         = "static"
	flagAllowRetracted = "allow-retracted"
	flagRecord         = "record"
	flagUpdate         = "update"
)

func (a *app) mirrorCommand() *cli.Command {
	return &cli.Command{
		Name:      "mirror",
		Usage:     "take module versions from upstream, check and sign them, and put them into the store",
		ArgsUsage: "SOURCE…",
		Description: command.Describe(mirrorText, `
modferry mirror modferry.yaml
modferry mirror --key cosign.key --registry harbor.example/golang ./myproject
modferry mirror --key cosign.key golang.org/x/text@v0.14.0 github.com/spf13/cobra@latest
modferry mirror --key cosign.key --tool golang.org/x/tools/cmd/stringer@latest --platform linux/amd64,windows/amd64
modferry mirror --key cosign.key --platform linux/amd64 go1.26.8
modferry mirror --key cosign.key --record -- make test
modferry mirror --key cosign.key --private 'corp.example/*' --upstream https://athens.corp.example go.sum
modferry mirror --key cosign.key ~/go/pkg/mod
modferry mirror --no-sign --dry-run wishes.txt`),
		Flags: append(append(a.StoreFlags(), command.SignerFlags()...),
			command.UpstreamFlag(),
			command.PrivateFlag(),
			&cli.StringFlag{Name: command.FlagPolicy, Usage: "do not mirror what the trust policy in `FILE` denies, revokes or has no rule for"},
			command.BoolFlag(flagNoSumDB, "do not check anything against the checksum database, and keep nothing of it for the shim"),
			&cli.StringSliceFlag{Name: flagTool, Usage: "mirror what \"go install `PACKAGE@VERSION`\" and \"go get -tool\" of it need; repeat it, or separate with commas, for several"},
			&cli.StringSliceFlag{Name: command.FlagPlatform, Usage: "mirror tools and Go toolchains for `OS/ARCH`, as in linux/amd64; repeat it, or separate with commas, for several (default: this machine's)"},
			command.BoolFlag(flagToolchains, "mirror the Go toolchains, too, that the go and toolchain lines of go.mod and projects demand"),
			command.BoolFlag(flagDownloadAll, "of projects, mirror the zips of the whole module graph, which nothing but \"go mod download all\" wants"),
			command.BoolFlag(flagStatic, "do not run the go command: of projects what go.sum pins, named modules alone"),
			command.BoolFlag(flagAllowRetracted, "mirror versions that are named although their author retracted them"),
			command.BoolFlag(flagRecord, "the arguments, after --, are a command: run it, and mirror what it fetches"),
			command.BoolFlag(flagUpdate, "of a mirror file: resolve its queries anew, and write a new lock"),
			command.JobsFlag("mirror"),
			&cli.DurationFlag{Name: flagScan, Usage: "wait at most `DURATION`, as 10m, until the registry's scanner and policies let through what is there now", DefaultText: "do not wait"},
			command.BoolFlag(flagVerify, "look whether the blobs of what the store has are all there, and put back from upstream what is missing or damaged"),
			command.BoolFlag(command.FlagDryRun, "say what would be mirrored, and do nothing"),
			command.JSONFlag("an event for each version and a summary"),
		),
		Action: a.mirror,
	}
}

const mirrorText = `
A source is

  module@version   or @latest, @v1, @v1.2, @<v2, @>=v1.4.0, a branch, a commit: the module with everything that it takes
                   to use it in another module, and to work on it. Queries are the go command's, but pre-releases of
                   v2.0.0 are not below v2
  directory        a project or workspace: what its go.sum files pin and its module graph, so that every go command but
                   "go mod download all" works (--download-all for that, too). Or a module cache (GOMODCACHE), an Athens
                   disk store, a goproxy cache or any other GOPROXY tree: everything in it
  go.sum, go.mod   the versions pinned; the versions required, and no more
  modferry.yaml    a mirror file, which names projects, modules, tools and toolchains, allows and denies. What it led to
                   is written to modferry.lock, which later runs obey; --update moves it
  other file, -    lines of module@version, such as a wish list of serve or check, or of "module version" for exactly that
  go1.26.8         a Go toolchain; toolchain@go1.26 for the newest patch, toolchain@latest

Projects are read with a scratch copy of go.mod and go.sum and a module cache of its own: nothing of yours is changed. What only the module
graph needs is mirrored with its go.mod alone.

Each version is fetched from the GOPROXY in force (environment or "go env"), checked against the checksum database, and
signed. What the store has already is left alone: running mirror again finishes what was interrupted, and fetches the
rest only to find out what projects and modules need, from your module cache where it is there. Under a lock, not even that.
With --wait-for-scan, versions that a registry's policy holds back until its scanner has looked at them are waited for, and
those that it does not let through by then are named, with its reason; the exit code is 3 then. Without it they are "existing".
One bad version does not stop the others: it is named, and the exit code is 3. Content that differs from what was locked
stops the run, with exit code 4.

What the checksum database says about a version is kept with it, and a snapshot of the database beside, so that the go
command can check everything inside, with its default settings. Modules matching --private, GOPRIVATE or GONOSUMDB are
not looked up, and of upstream proxies only those on private networks hear of modules matching the first two. Branches
and commits are recorded under their names, signed: "go get module@main" works inside and gives what was mirrored.`

func (a *app) mirror(c *cli.Context) (err error) {
	file, err := a.mirrorFile(c)
	if err != nil {
		return err
	}
	if !c.Args().Present() && len(c.StringSlice(flagTool)) == 0 {
		return command.UsageErrorf("mirror needs at least one source: module@version, a project directory, go.sum, a mirror file, a list, or --%s", flagTool)
	}
	n, err := command.Jobs(c)
	if err != nil {
		return err
	}
	signer, err := a.Signer(c)
	if err != nil {
		return file.explain(command.FlagSignKey, "key", err)
	}
	policy, err := command.Policy(c)
	if err != nil {
		return err
	}
	stores, err := a.OpenAnswering(c, "mirrored", registry.ErrUnavailable, registry.ErrUnauthorized)
	if err != nil {
		return file.explain(command.FlagRegistry, "store", err)
	}
	defer command.CloseWritten(stores, &err)
	show := a.display(c)
	s, err := a.collectAndMirror(c, mirror.Options{
		Stores: stores, Signer: signer, Policy: policy, Jobs: n, DryRun: c.Bool(command.FlagDryRun), Verify: c.Bool(flagVerify),
		WaitForScan: c.Duration(flagScan), Progress: show.Tiles,
	}, show, file)
	show.Done()
	if errors.Is(err, upstream.ErrChecksum) {
		return &command.ExitError{Code: command.ExitRefused, Err: err}
	}
	if err != nil {
		return err
	}
	err = a.Print(c, map[string]mirror.Summary{"summary": s}, progress.SummaryLine(s, c.Bool(command.FlagDryRun)))
	if s.Failed == 0 && s.HeldBack > 0 {
		return command.ItemsFailed(s.HeldBack, "are there and held back by the registry; each is named above, with its reason")
	}
	if s.Failed > 0 { // beside which an output that is lost is no news
		return command.ItemsFailed(s.Failed, "could not be mirrored; each is named above, and running again tries those only")
	}
	return err
}

// display picks how to show what mirror does: JSON on standard output, a bar on a terminal, plain lines elsewhere.
func (a *app) display(c *cli.Context) progress.Display {
	switch {
	case c.Bool(command.FlagJSON):
		return progress.JSON(a.Out, a.Err)
	case command.IsTerminal(a.Err):
		return progress.Bar(a.Err)
	}
	return progress.Lines(a.Err)
}

// collectAndMirror collects what is asked for, and mirrors it.
func (a *app) collectAndMirror(c *cli.Context, o mirror.Options, show progress.Display, file *mirrorFile) (s mirror.Summary, err error) {
	log := command.Warnings(show)
	src, err := a.openSource(c, log, func(err error) { fmt.Fprintf(show, "modferry: WARNING: %s\n", redact.Text(err.Error())) })
	if err != nil {
		return s, file.explain(command.FlagUpstream, "upstream", err)
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	src.read = show.Collect
	w, err := a.collect(c, src, file, show)
	if err != nil {
		return s, err
	}
	if err := context.Cause(c.Context); err != nil {
		return s, err // it is the problem, too
	}
	for _, p := range w.problems {
		fmt.Fprintf(show, "modferry: %s\n", redact.Text(p.Error()))
	}
	show.Expect(len(w.items))
	o.Upstream, o.Checksums, o.Log = src.up, src.sums, log
	o.Scanning = func(n int) { fmt.Fprintf(show, "waiting for the registry to scan what is there: %d to go\n", n) }
	o.Report = func(e mirror.Event) {
		w.done(e)
		show.Event(e)
	}
	s, err = mirror.Run(c.Context, w.items, o)
	s.Failed += len(w.problems)
	if err == nil && slices.ContainsFunc(w.items, func(r requirement.Requirement) bool { return goproxy.IsToolchain(r.Module) }) {
		warnOfToolchainGaps(c.Context, o.Stores, show)
	}
	if o.DryRun || errors.Is(err, upstream.ErrChecksum) {
		return s, err
	}
	return s, errors.Join(err, w.finish()) // what was found out is known, even if the rest was interrupted
}

// warnOfToolchainGaps names what would end each automatic choice of a toolchain on other platforms. What cannot be
// listed is no news.
func warnOfToolchainGaps(ctx context.Context, stores *registry.Router, show io.Writer) {
	store, err := stores.For(goproxy.ToolchainPath)
	if err != nil {
		return
	}
	listed, _ := store.Versions(ctx, goproxy.ToolchainPath)
	var list []string
	for _, l := range listed {
		list = append(list, l.Version)
	}
	for _, gap := range goproxy.ToolchainGaps(list) {
		fmt.Fprintf(show, "modferry: WARNING: %s is there, and not for %s, where older ones are: the go command chooses it there too, and fails; mirror it with --%s %[2]s\n",
			gap.Release, strings.Join(gap.Platforms, ","), command.FlagPlatform)
	}
}

// collected is what there is to mirror.
type collected struct {
	items    []requirement.Requirement
	problems []error
	done     func(mirror.Event) // is told what became of each item
	finish   func() error       // after all of them
}

// collect finds out what there is to mirror.
func (a *app) collect(c *cli.Context, src *source, file *mirrorFile, show progress.Display) (collected, error) {
	w := collected{done: func(mirror.Event) {}, finish: func() error { return nil }}
	switch {
	case file != nil:
		plan, problems := collect.MirrorFile(c.Context, src.up, file.File, collect.FileOptions{
			Options: src.options, Lock: file.lock, Update: c.Bool(flagUpdate),
		})
		w.items, w.problems = plan.Items, problems
		w.done = func(e mirror.Event) {
			if e.Status != mirror.Failed && e.Status != mirror.Planned && e.HeldBack == "" {
				plan.Stored(e.Module, e.Got.Zip, e.Got.GoMod)
			}
		}
		w.finish = func() error { return file.write(plan.Lock()) }
	case c.Bool(flagRecord):
		var err error
		w.items, err = a.recorded(c, src, show)
		return w, err
	default:
		w.items, w.problems = collect.Sources(c.Context, src.up, c.Args().Slice(), src.options)
	}
	return w, nil
}
