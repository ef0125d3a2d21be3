package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/mirror"
)

const (
	flagSignKey  = "sign-key"
	flagNoSign   = "no-sign"
	flagDryRun   = "dry-run"
	flagNoSumDB  = "no-sumdb"
	flagUpstream = "upstream"

	flagPlatform   = "platform"
	flagToolchains = "toolchains"
)

func (a *app) mirrorCommand() *cli.Command {
	return &cli.Command{
		Name:      "mirror",
		Usage:     "take module versions from upstream, check and sign them, and put them into the store",
		ArgsUsage: "SOURCE…",
		Description: describe(`
A source is a module@version (or @latest, @v1, @v1.2, a branch, a commit), a go.mod, a go.sum, a project directory (its
go.sum and go.work.sum), a file of module@version lines such as a wish list of serve, or "-" for such lines on standard
input. Versions for which a go.sum has nothing but a /go.mod line are mirrored with their go.mod alone.

Each version is fetched from the GOPROXY in force (environment or "go env"), checked against the checksum database, and
signed. What the store has already is left alone, so running mirror again is cheap and finishes what was interrupted.
One bad version does not stop the others: it is named, and the exit code is 3.

What the checksum database says about a version is kept with it, and a snapshot of the database beside, so that the go
command can check everything inside, with its default settings. Modules matching --private, GOPRIVATE or GONOSUMDB are
not looked up, and of upstream proxies only those on private networks hear of modules matching the first two. A Go toolchain is named by its release: go1.26.8, toolchain@go1.26 for the newest patch, toolchain@latest.`, `
modferry mirror --key cosign.key golang.org/x/text@v0.14.0 github.com/spf13/cobra@latest
modferry mirror --key cosign.key --registry harbor.example/golang ./myproject
modferry mirror --key cosign.key --private 'corp.example/*' --upstream https://athens.corp.example go.sum
modferry mirror --key cosign.key --platform linux/amd64,windows/amd64 go1.26.8
modferry mirror --no-sign --dry-run wishes.txt`),
		Flags: append(a.storeFlags(),
			&cli.StringFlag{Name: flagSignKey, Aliases: []string{flagKey}, Usage: "sign with the private key in `FILE` (cosign.key); its password comes from " + passwordEnv + " or is asked for"},
			boolFlag(flagNoSign, "do not sign; the shim refuses what nobody signed"),
			&cli.StringFlag{Name: flagUpstream, Usage: "fetch from `GOPROXY`, a list like the variable of that name"},
			privateFlag(),
			boolFlag(flagNoSumDB, "do not check anything against the checksum database, and keep nothing of it for the shim"),
			&cli.StringSliceFlag{Name: flagPlatform, Usage: "mirror Go toolchains for `OS/ARCH`, as in linux/amd64; repeat it, or separate with commas, for several (default: this machine's)"},
			boolFlag(flagToolchains, "mirror the Go toolchains, too, that the go and toolchain lines of go.mod and projects demand"),
			jobsFlag("mirror"),
			boolFlag(flagDryRun, "say what would be mirrored, and do nothing"),
			jsonFlag("an event for each version and a summary"),
		),
		Action: a.mirror,
	}
}

func (a *app) mirror(c *cli.Context) error {
	if !c.Args().Present() {
		return usageErrorf("mirror needs at least one source: module@version, go.mod, go.sum, a project directory or a list")
	}
	n, err := jobs(c)
	if err != nil {
		return err
	}
	signer, err := a.signer(c)
	if err != nil {
		return err
	}
	stores, err := a.openStores(c, nil)
	if err != nil {
		return err
	}
	defer stores.Close()
	show := a.newProgress(c.Bool(flagJSON))
	summary, err := a.ferry(c, stores, signer, n, show)
	show.done()
	if err != nil {
		return err
	}
	return a.summarize(c, summary)
}

// ferry collects what the arguments ask for, and mirrors it.
func (a *app) ferry(c *cli.Context, stores *registry.Router, signer *sign.Signer, jobs int, show progress) (mirror.Summary, error) {
	log, err := newLog(show, "text", slog.LevelWarn)
	if err != nil {
		return mirror.Summary{}, err
	}
	up, sums, err := a.upstream(c, log)
	if err != nil {
		return mirror.Summary{}, err
	}
	defer up.Close()
	items, problems := mirror.Collect(c.Context, up, c.Args().Slice(), mirror.CollectOptions{
		Stdin: a.in, Log: log,
		Platforms: c.StringSlice(flagPlatform), Toolchains: c.Bool(flagToolchains),
	})
	for _, p := range problems {
		fmt.Fprintf(show, "modferry: %v\n", p)
	}
	show.expect(len(items))
	summary, err := mirror.Run(c.Context, items, mirror.Options{
		Stores: stores, Upstream: up, Checksums: sums, Signer: signer,
		Jobs: jobs, DryRun: c.Bool(flagDryRun), Report: show.event, Progress: show.tiles,
	})
	summary.Failed += len(problems)
	return summary, err
}

// signer loads the key to sign with. Not to sign has to be said: consumers refuse what is unsigned.
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
	return sign.LoadSigner(file, func() ([]byte, error) { return a.password("Password for " + file + ": ") })
}

// upstream is where modules come from, and the checksum database they are checked against: nil when that was
// turned off.
func (a *app) upstream(c *cli.Context, log *slog.Logger) (*mirror.Upstream, *mirror.Checksums, error) {
	env, err := mirror.GoEnv(c.Context)
	if err != nil {
		return nil, nil, err
	}
	private := c.String(flagPrivate)
	o := mirror.UpstreamOptions{
		GOPROXY: env.GOPROXY,
		NoProxy: env.GONOPROXY,
		Private: joinPatterns(env.GOPRIVATE, private),
		Log:     log,
	}
	if proxy := c.String(flagUpstream); proxy != "" {
		o.GOPROXY, o.NoProxy = proxy, "" // chosen for this run; private names go to no public one all the same
	}
	up, err := mirror.NewUpstream(o)
	if err != nil {
		return nil, nil, withHint(err, "set GOPROXY, or give --"+flagUpstream)
	}
	if c.Bool(flagNoSumDB) {
		a.warn("nothing is checked against the checksum database (--%s): whatever upstream sends is signed", flagNoSumDB)
		return up, nil, nil
	}
	sums, err := mirror.NewChecksums(mirror.ChecksumOptions{
		GOSUMDB:  env.GOSUMDB,
		NoSumDB:  joinPatterns(env.GONOSUMDB, env.GOPRIVATE, private), // GONOSUMDB may be set apart from GOPRIVATE
		Upstream: up,
	})
	if err != nil {
		return nil, nil, errors.Join(err, up.Close())
	}
	if sums == nil {
		a.warn("nothing is checked against the checksum database (GOSUMDB=off): whatever upstream sends is signed")
	}
	return up, sums, nil
}

// summarize prints the last word of mirror.
func (a *app) summarize(c *cli.Context, s mirror.Summary) error {
	if c.Bool(flagJSON) {
		if err := json.NewEncoder(a.out).Encode(map[string]mirror.Summary{"summary": s}); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(a.out, summaryLine(s, c.Bool(flagDryRun)))
	}
	if s.Failed > 0 {
		return itemsFailed(s.Failed, "could not be mirrored; each is named above, and running again tries those only")
	}
	return nil
}

// summaryLine reads "12 new, 30 existing, 1 failed, 14 MB".
func summaryLine(s mirror.Summary, dryRun bool) string {
	kind := "new"
	if dryRun {
		kind = "to be mirrored"
	}
	parts := []string{fmt.Sprintf("%d %s", s.New, kind), fmt.Sprintf("%d existing", s.Existing)}
	if s.Signed > 0 {
		parts = append(parts, fmt.Sprintf("%d signed", s.Signed))
	}
	if s.Completed > 0 {
		parts = append(parts, fmt.Sprintf("%d completed", s.Completed))
	}
	parts = append(parts, fmt.Sprintf("%d failed", s.Failed), humanize.Bytes(uint64(s.Bytes)))
	return strings.Join(parts, ", ")
}
