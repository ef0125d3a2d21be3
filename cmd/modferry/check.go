package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/cmd/modferry/internal/checkreport"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/cmd/modferry/internal/listen"
	"github.com/modferry/modferry/cmd/modferry/internal/shell"
	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/proxyshim/check"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/gocmd"
	"github.com/modferry/modferry/registry/project"
)

const flagTags = "tags"

func (a *app) checkCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "prove that a project works from the store alone",
		ArgsUsage: "[DIR]",
		Description: command.Describe(`
Runs go mod download, go build ./..., go vet ./..., go mod verify, go mod tidy and go list -m all in the project or
workspace in DIR (default: here), with an empty module cache and a shim on the store as the only source. Each command has
a line of its own that says what became of it, and starts with a copy of go.mod and go.sum as the project has them. The
project itself is left alone, and so are the caches of its user but for the build cache, which hides no missing module.
Vendor directories do not count: what is checked is that the project works without. Nor do the user's settings of the
go command count, such as GOFLAGS: give --tags. What the store lacks is listed, and written to --wishlist, a file that
mirror reads; several commands may add to it, by way of the lock file .FILE.lock beside it.

Nobody but the store is asked. An HTTP request that a command wants to send elsewhere, or anything it starts that honours
HTTPS_PROXY, is refused, and is a failure that the output names. What a build asks of other programs on this machine,
over loopback, is not noticed. Version control commands are off.

Exit codes: 0 everything works; 3 something failed; 4 the shim refused something, because its signature or a hash is not
right; 1 the check itself could not be made.`, `
modferry check --key cosign.pub ./myproject
modferry check --key cosign.pub --registry harbor.example/golang --platform linux/amd64,windows/amd64 ./myproject
modferry check --key cosign.pub --private 'corp.example/*' --download-all --wishlist wishes.txt --json`),
		Flags: append(a.ShimFlags(),
			&cli.StringSliceFlag{Name: command.FlagPlatform, Usage: "build and vet for `OS/ARCH`, as in linux/amd64; repeat it, or separate with commas, for several (default: this machine's)"},
			&cli.StringFlag{Name: flagTags, Usage: "build and vet with these `TAGS`, separated by commas"},
			command.BoolFlag(flagDownloadAll, `check "go mod download all", too; few need it, and it wants much more`),
			&cli.StringFlag{Name: flagWishlist, Usage: "write what is missing to `FILE`"},
			command.JSONFlag("the result of each command, what is missing and a summary"),
		),
		Action: a.check,
	}
}

func (a *app) check(c *cli.Context) error {
	if c.NArg() > 1 {
		return command.UsageErrorf("check takes one project directory")
	}
	dir := cmp.Or(c.Args().First(), ".")
	p, err := project.Load(dir)
	if errors.Is(err, project.ErrNoProject) {
		return command.WithHint(err, "name the directory of a go.mod or a go.work")
	}
	if err != nil {
		return err
	}
	if err := a.apart(p, dir); err != nil {
		return err
	}
	if _, err := command.Platforms(c); err != nil {
		return err
	}
	if tags := c.String(flagTags); tags != "" && !tagsGrammar.MatchString(tags) {
		return command.UsageErrorf("--%s: %q is not a list of build tags, separated by commas", flagTags, tags)
	}
	wishes, err := openWishlist(c)
	if err != nil {
		return err
	}
	report := &checkreport.Report{
		Out: a.Out, Err: a.Err, JSON: c.Bool(command.FlagJSON),
		Dir: dir, Wishlist: c.String(flagWishlist), DownloadAll: c.Bool(flagDownloadAll),
	}
	for _, problem := range p.Problems {
		report.Problem(problem)
	}
	if err := a.prove(c, p, report); err != nil {
		return err
	}
	unwritten := wishes.Add(report.Missing)
	err = report.Verdict() // which names what is missing
	unproved, ok := errors.AsType[*checkreport.Error](err)
	switch {
	case unwritten != nil:
		return fmt.Errorf("writing the wish list: %w", unwritten)
	case ok && unproved.Refused:
		return &command.ExitError{Code: command.ExitRefused, Err: err}
	case err != nil:
		return &command.ExitError{Code: command.ExitItems, Err: err}
	}
	return nil
}

// tagsGrammar has lists of build tags, as the go command takes them.
var tagsGrammar = regexp.MustCompile(`^[\pL\pN_.]+(,[\pL\pN_.]+)*$`)

// prove runs the commands against a shim of its own.
func (a *app) prove(c *cli.Context, p *project.Project, report *checkreport.Report) (err error) {
	env, err := gocmd.GoEnv(c.Context)
	if err != nil {
		return err
	}
	cache, err := os.MkdirTemp("", "modferry-check-*") // what an earlier shim has kept proves nothing about the store
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(cache)) }()
	s, err := a.newShim(c, command.Warnings(a.Err), proxyshim.Options{CacheDir: cache, Recheck: command.DefaultRecheck, Failed: report.Failed, Exact: true}, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	report.Store = s.stores.String()
	if err := command.Contact(c.Context, s.stores.Stores(), "checked",
		registry.ErrUnavailable, registry.ErrNoLayout, registry.ErrUnauthorized, registry.ErrDenied); err != nil {
		return err
	}
	url, stop, err := listen.Locally(s, s.log)
	if err != nil {
		return err
	}
	defer stop()
	results, dialled, err := check.Run(c.Context, check.Options{
		Project: p, Proxy: url,
		NoSumDB:   command.JoinPatterns(env.GONOSUMDB, s.private),
		Platforms: c.StringSlice(command.FlagPlatform), Tags: c.String(flagTags), DownloadAll: c.Bool(flagDownloadAll),
		Report: report.Result,
	})
	switch {
	case c.Context.Err() != nil:
		return context.Cause(c.Context)
	case errors.Is(err, gocmd.ErrNoGo):
		return command.WithHint(err, "check runs the go command of this machine: install it, or add it to PATH")
	case err != nil:
		return fmt.Errorf("checking the project: %w", err)
	}
	report.Dialled = dialled
	if slices.ContainsFunc(results, check.Result.Failed) {
		report.Missing, report.Own = check.Missing(s.Wishes(true), p)
		for _, m := range report.Missing {
			if mend := p.ReplaceInWork(m.Module); mend != "" {
				report.Mend = append(report.Mend, mend)
			}
		}
	}
	return nil
}

// apart is an error if p is one module of a workspace: go commands in it work with the others, choose versions for all of
// them, and take from directories what may have never been published. To check it by itself would prove something else.
func (a *app) apart(p *project.Project, dir string) error {
	file := workspaceFile(p.Root)
	switch from, _ := a.Env("GOWORK"); from {
	case "", "auto":
	case "off":
		return nil
	default:
		file = from
	}
	if file == "" || filepath.Dir(file) == p.Root {
		return nil
	}
	workspace, err := project.Load(filepath.Dir(file))
	if err != nil || workspace.Work == nil || !slices.ContainsFunc(workspace.Modules, func(m project.Module) bool { return m.Dir == p.Root }) {
		return nil // whatever is wrong with it is for the go command to say
	}
	return command.WithHint(
		command.UsageErrorf("%s is one module of the workspace %s, and go commands in it work with all of them", dir, file),
		fmt.Sprintf("check the workspace: modferry check %s; GOWORK=off in the environment checks the module alone", shell.Quote(filepath.Dir(file))),
	)
}

// workspaceFile returns the go.work file of a directory as the go command finds it, or "".
func workspaceFile(dir string) string {
	for ; ; dir = filepath.Dir(dir) {
		file := filepath.Join(dir, "go.work")
		if info, err := os.Stat(file); err == nil && !info.IsDir() {
			return file
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}
