package countersign

import (
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/urfave/cli/v2"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/cmd/modferry/internal/audit"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/requirement"
)

const (
	flagAll     = "all"
	flagPattern = "pattern"
)

// app is what the command shares with the others.
type app struct{ *command.App }

// Command returns the command sign.
func Command(shared *command.App) *cli.Command {
	a := app{shared}
	return &cli.Command{
		Name:      "sign",
		Usage:     "add a signature to what others have signed, as for a new key",
		ArgsUsage: "MODULE@VERSION… | FILE… | - | --all",
		Description: command.Describe(`
Verifies each version as verify does, by the signatures of whom --verify-key or a policy trusts, and adds a signature with
--key to it and to its checksum database record, unless they have that. Nothing that does not verify is signed, and no
signature is ever removed. FILE is what verify takes: a go.sum, a lock, a list.

--all signs everything that the store has: the versions, the revisions recorded by name, the checksum database snapshots, and
an index of the modules. With --pattern it is the versions and revisions of the modules that match alone.

To replace a key: sign --all with the new one, have everybody trust the new one, and take the old one out of what they
trust. For a new format, sign with the same key: --signature-format both adds the bundles that cosign v3 looks for.

One line for each; what is wrong with one goes to standard error:

   signed   path@version    the signature was added; with --dry-run: would
   exists   path@version    it was there
   REFUSED  path@version    it is not trusted, or is not what was signed; exit code 4
   FAILED   path@version    it is missing, or the store cannot be read or written; exit code 3`, `
modferry sign --key new.key --verify-key old.pub --all
modferry sign --key new.key --verify-key old.pub --all --pattern 'corp.example/**' --dry-run
modferry sign --key cosign.key --verify-key cosign.pub --signature-format both go.sum
modferry sign --key vault://release --policy policy.yaml corp.example/lib@v1.2.3`),
		Flags: slices.Concat(a.StoreFlags(), command.SignKeyFlags(), command.VerifyKeysFlags("sign what was signed with"), command.RecordFlags(), []cli.Flag{
			command.BoolFlag(flagAll, "sign everything in the store"),
			&cli.StringFlag{Name: flagPattern, Usage: "with --all, sign what matches `PATTERN` alone: corp.example/**, corp.example/lib@<v2.0.0"},
			command.BoolFlag(command.FlagDryRun, "say what would be signed, and do nothing"),
			command.JobsFlag("sign"),
			command.JSONFlag("each result"),
		}),
		Action: a.sign,
	}
}

func (a app) sign(c *cli.Context) (err error) {
	all, pattern := c.Bool(flagAll), c.String(flagPattern)
	switch {
	case all == c.Args().Present():
		return command.UsageErrorf("sign needs module@version or go.sum arguments, or --%s", flagAll)
	case pattern != "" && !all:
		return command.UsageErrorf("--%s needs --%s", flagPattern, flagAll)
	}
	match, err := matcher(pattern)
	if err != nil {
		return err
	}
	list, err := a.Requirements(c.Args().Slice())
	if err != nil {
		return err
	}
	run, err := a.signRun(c)
	if err != nil {
		return err
	}
	stores := run.Checker.Stores
	defer command.CloseWritten(stores, &err)
	var broken []error
	if all {
		list, broken, err = a.Everything(c, stores, run.Checker.Verifier)
		a.NameBroken(broken)
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(r requirement.Requirement) bool { return !match(r.Module) })
	}
	if len(list)+len(broken) == 0 {
		return fmt.Errorf("nothing was signed: no module version in %s is meant", stores)
	}
	count, err := a.printSigned(c, run.Versions(c.Context, list))
	if err == nil && all {
		var log *sumdb.Log
		if pattern == "" {
			log = run.Checker.Log
		}
		var more map[Status]int
		more, err = a.printSigned(c, run.Rest(c.Context, paths(list), log))
		for status, n := range more {
			count[status] += n
		}
	}
	if err != nil {
		return err
	}
	for _, err := range broken {
		count[Status(audit.OutcomeOf(err))]++
	}
	return a.signedAll(c, count)
}

// signRun is what the options ask for.
func (a app) signRun(c *cli.Context) (*Run, error) {
	n, err := command.Jobs(c)
	if err != nil {
		return nil, err
	}
	checker, err := a.Checker(c)
	if err != nil {
		return nil, err
	}
	signer, err := a.SignKey(c)
	if err != nil {
		return nil, err
	}
	stores, err := a.OpenAnswering(c, "signed", registry.ErrUnreachable)
	if err != nil {
		return nil, err
	}
	checker.Snapshot = a.SnapshotOnce(c.Context, stores, checker.Log, checker.Verifier)
	return &Run{Signer: signer, DryRun: c.Bool(command.FlagDryRun), Checker: audit.Checker{
		Checker: checker, Stores: stores, Jobs: n, Listed: c.Bool(flagAll),
	}}, nil
}

// matcher returns what matches a pattern, or everything if there is none.
func matcher(pattern string) (func(module.Version) bool, error) {
	if pattern == "" {
		return func(module.Version) bool { return true }, nil
	}
	p, err := goproxy.ParsePattern(pattern)
	if err != nil {
		return nil, command.UsageErrorf("--%s: %v", flagPattern, err)
	}
	return p.Match, nil
}

// paths returns the modules of a list, sorted.
func paths(list []requirement.Requirement) []string {
	all := make(map[string]bool)
	for _, r := range list {
		all[r.Module.Path] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// printSigned prints results as they come, and counts them.
func (a app) printSigned(c *cli.Context, results iter.Seq[Result]) (map[Status]int, error) {
	count := make(map[Status]int)
	for r := range results {
		count[r.Status]++
		if r.Error != "" && !c.Bool(command.FlagJSON) {
			fmt.Fprintf(a.Err, "modferry: %s\n", r.Error)
		}
		if err := a.Print(c, r, r.String()); err != nil {
			return count, err
		}
	}
	return count, c.Context.Err()
}

// signedAll says how many were signed, and is an error if some could not be.
func (a app) signedAll(c *cli.Context, count map[Status]int) error {
	refused, failed := count[Status(audit.Refused)], count[Status(audit.Failed)]
	added, word := count[Signed], "signed"
	if c.Bool(command.FlagDryRun) {
		added, word = count[Would], "would be signed"
	}
	fmt.Fprintf(a.Err, "modferry: %d %s, %d had the signature\n", added, word, count[Exists])
	switch {
	case refused > 0:
		return &command.ExitError{Code: command.ExitRefused, Err: fmt.Errorf("%d were refused and not signed", refused)}
	case failed > 0:
		return command.ItemsFailed(failed, "could not be signed")
	}
	return nil
}
