package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/gitsource"
	"github.com/modferry/modferry/registry/gocmd"
	"github.com/modferry/modferry/registry/redact"
)

const (
	flagVersion    = "version"
	flagModule     = "module"
	flagRevision   = "revision"
	flagAllowDirty = "allow-dirty"
)

func (a *app) publishCommand() *cli.Command {
	return &cli.Command{
		Name:      "publish",
		Usage:     "package private source code and put it into the store, signed",
		ArgsUsage: "DIR",
		Description: command.Describe(`
Makes a module version from a directory and puts it into the store, as mirror does with what others publish. In a git
repository the version is that of a tag (v1.2.3, for a module in a subdirectory sub/dir/v1.2.3) and its files are those
of the tag's commit: the go command makes it, as it does of the same tag elsewhere. Without --version and --revision it is the
commit checked out, with its tag's version or a pseudo-version. A version without a tag goes to the commit checked out.
A branch, tag or commit named with --revision is recorded, so that "go get module@branch" works inside.

Outside of git, --version is needed and the version is what is in the directory. A version that the store has with other
content is never overwritten. Changes that are not committed are refused, unless --revision names what is meant.

Nothing is fetched, but for a newer Go if go.mod asks for one and the go command is set to do so. Git runs what the
configuration in .git says, such as filters, and nothing that the files beside it say; so a clone is safe, and a directory
that somebody else unpacked, .git and all, is one to clone first.`, `
modferry publish --key cosign.key .
modferry publish --key cosign.key --version v1.4.0 --registry harbor.example/golang ./lib
modferry publish --key cosign.key --module corp.example/tools/lint --version v0.3.0 .
modferry publish --no-sign --dry-run --revision main .`),
		Flags: append(append(a.StoreFlags(), command.SignerFlags()...),
			&cli.StringFlag{Name: flagVersion, Usage: "publish `VERSION`, as in v1.2.3: the commit of its tag, if there is one"},
			&cli.StringFlag{Name: flagModule, Usage: "publish the module `PATH` in DIR or below; needed if there is no go.mod"},
			&cli.StringFlag{Name: flagRevision, Usage: "publish the tag, branch or commit `REVISION`, whatever is in the work tree"},
			command.BoolFlag(flagAllowDirty, "go on although there are uncommitted changes; they get in only if no tag has the --"+flagVersion),
			command.PrivateFlag(),
			command.BoolFlag(command.FlagDryRun, "say what would be published, and do nothing"),
			command.JSONFlag("what was published"),
		),
		Action: a.publish,
	}
}

// publication is what became of a version.
type publication struct {
	Module    string          `json:"module"`
	Version   string          `json:"version"`
	Status    string          `json:"status"` // as registry.Outcome has it, or "would be published" or "signature would be added"
	Sum       string          `json:"sum"`
	GoModSum  string          `json:"goModSum"`
	Reference string          `json:"reference"`
	Info      json.RawMessage `json:"info,omitempty"` // unless the version was there already, perhaps with another one
	Notes     []string        `json:"notes,omitempty"`
}

func (a *app) publish(c *cli.Context) (err error) {
	if c.NArg() != 1 {
		return command.UsageErrorf("publish needs exactly one directory")
	}
	for _, name := range []string{flagVersion, flagModule, flagRevision} {
		if c.IsSet(name) && c.String(name) == "" { // a script's variable; without the option something else would be published
			return command.UsageErrorf("--%s is empty", name)
		}
	}
	if info, err := os.Stat(c.Args().First()); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return fmt.Errorf("%s is no directory: publish takes the one that has the go.mod", c.Args().First())
	}
	signer, err := a.Signer(c)
	if err != nil {
		return err
	}
	stores, err := a.OpenStores(c)
	if err != nil {
		return err
	}
	defer command.CloseWritten(stores, &err)
	pkg, err := gitsource.Pack(c.Context, gitsource.Options{
		Dir: c.Args().First(), Module: c.String(flagModule), Version: c.String(flagVersion),
		Revision: c.String(flagRevision), AllowDirty: c.Bool(flagAllowDirty),
	})
	if err != nil {
		return publishHint(err)
	}
	defer pkg.Close()
	art, err := artifact.Build(pkg.Files)
	if errors.Is(err, artifact.ErrCorrupt) { // the go command reads go.mod as it was committed, and git archives it
		return command.WithHint(err, "attributes in the repository change go.mod, perhaps its line ends; a line \"go.mod -text -filter -ident\" at the end of .gitattributes leaves it alone")
	}
	if err != nil {
		return err
	}
	store, err := stores.For(pkg.Files.Module.Path)
	if err != nil {
		return err
	}
	m := art.Manifest
	where, err := reference(store, m.Module)
	if err != nil {
		return err
	}
	dryRun := c.Bool(command.FlagDryRun)
	outcome, err := store.Publish(c.Context, art, registry.PublishOptions{Signer: signer, DryRun: dryRun})
	if err == nil && !dryRun {
		err = recordRevision(c.Context, store, pkg, signer)
	}
	if err != nil {
		return publishHint(err)
	}
	if !dryRun {
		if err := store.PublishIndex(c.Context, []string{m.Module.Path}, signer); err != nil {
			pkg.Notes = append(pkg.Notes, redact.Text(err.Error()))
		}
	}
	p := &publication{
		Module: m.Module.Path, Version: m.Module.Version, Status: status(outcome, dryRun), Sum: m.Sum, GoModSum: m.GoModSum,
		Reference: where, Notes: pkg.Notes,
	}
	if outcome == registry.Published {
		p.Info = pkg.Files.Info
	}
	return a.showPublication(c, p)
}

// recordRevision records the branch that the version was published by, or its commit, as mirror does. What only means
// something in this clone is not recorded.
func recordRevision(ctx context.Context, store *registry.Store, pkg *gitsource.Package, signer *sign.Signer) error {
	m := pkg.Files.Module
	name, ok := artifact.RevisionName(pkg.Revision, m.Version, artifact.OriginHash(pkg.Files.Info))
	if !ok {
		return nil
	}
	return store.PublishRevision(ctx, artifact.Revision{Path: m.Path, Name: name, Version: m.Version}, signer)
}

// status is the outcome in words, with what would be done in a dry run.
func status(o registry.Outcome, dryRun bool) string {
	switch {
	case dryRun && o == registry.Published:
		return "would be published"
	case dryRun && o == registry.SignatureAdded:
		return "signature would be added"
	}
	return o.String()
}

// showPublication prints the result, and what the user should know besides.
func (a *app) showPublication(c *cli.Context, p *publication) error {
	for _, note := range p.Notes {
		fmt.Fprintf(a.Err, "modferry: note: %s\n", note)
	}
	if !a.knownPrivate(c, p.Module) {
		fmt.Fprintf(a.Err, "modferry: note: %s is not in the public checksum database: inside, the go command needs GONOSUMDB=%[1]s, and the shim --%s %[1]s\n",
			p.Module, command.FlagPrivate)
	}
	return a.Print(c, p, fmt.Sprintf("%s %s@%s %s → %s", p.Status, p.Module, p.Version, p.Sum, p.Reference))
}

// knownPrivate says whether the go command's settings, or --private, say of a module that the public checksum database is
// not to be asked for it. Whoever has them knows that others need them.
func (a *app) knownPrivate(c *cli.Context, path string) bool {
	env, err := gocmd.GoEnv(c.Context)
	if err != nil {
		env = gocmd.Env{} // which is no reason to fail, as it is for a note only
	}
	return module.MatchPrefixPatterns(command.JoinPatterns(env.GONOSUMDB, env.GOPRIVATE, c.String(command.FlagPrivate)), path)
}

// publishHint adds what to do next.
func publishHint(err error) error {
	switch {
	case errors.Is(err, gitsource.ErrDirty):
		return command.WithHint(err, "commit, or give --"+flagRevision+" HEAD to publish without the changes; with --"+flagVersion+" and --"+flagAllowDirty+" the directory is published as it is")
	case errors.Is(err, gitsource.ErrNoModule):
		return command.WithHint(err, "give the directory that has the go.mod, or --"+flagModule+" PATH for a module below it or without one, or the --"+flagRevision+" that has it")
	}
	var c *registry.ConflictError
	switch {
	case !errors.As(err, &c):
		return err
	case c.HaveModSum == "":
		return command.WithHint(err, "it was not modferry that put it there: find out what it is, and delete it from the registry or give the new content a new version")
	case c.HaveSum == c.WantSum && c.HaveModSum == c.WantModSum:
		return command.WithHint(err, "the sums are the same, so a new version is no way out: keep what is there, with the signatures that it has, or delete the version from the registry and publish it again")
	}
	return command.WithHint(err, "a version is never changed: give the new content a new version")
}
