package pruning

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/userfile"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/inventory"
	"github.com/modferry/modferry/registry/prune"
)

const (
	flagKeep   = "keep"
	flagOutput = "output"
	flagDrop   = "drop"
	flagDeny   = "deny"
)

// app is what the command shares with the others.
type app struct{ *command.App }

// Command returns the command prune.
func Command(shared *command.App) *cli.Command {
	a := app{shared}
	return &cli.Command{
		Name:  "prune",
		Usage: "remove versions from a store: a plan to read, and then its execution",
		Description: command.Describe(`
plan writes down which versions go, each with the reason, and removes nothing. apply removes what is in a plan, as long as it
is what it was. Nothing else in modferry ever deletes a version.`, `
modferry prune plan --keep 3 ./service ../billing > plan.txt
modferry prune apply plan.txt`),
		Subcommands: []*cli.Command{a.prunePlanCommand(), a.pruneApplyCommand()},
	}
}

func (a app) prunePlanCommand() *cli.Command {
	return &cli.Command{
		Name:      "plan",
		Usage:     "write down which versions would be removed, and why",
		ArgsUsage: "[DIR | FILE | -]…",
		Description: command.Describe(`
What stays: with --keep N, of each module the N newest releases; if it has none, the newest pre-releases, and if it has none
of those either, pseudo-versions; of Go toolchains the newest for each platform. What the arguments name stays as well: a
project in DIR (go.sum, go.work.sum, and the toolchains of go.mod and go.work), or a FILE, which is a go.sum, the lock of a
mirror file, or a list as the list command prints it; "-" is standard input. And the go.mod of everything stays that the module
graphs of these versions need: a version of which only the go.mod is there stays as long as one of them does, and no longer.
Everything else goes; without --keep, nothing does but what is dropped.

--drop PATTERN and the deny list of a mirror file, --deny FILE, name versions that go whatever needs them.

With a version go its signatures, evidence from the checksum database that was added later, and the branches and commits that
were recorded for it. Checksum snapshots and indexes never go. A store that cannot be read completely has no plan.

The plan is text. Take out what is to stay, each version with the lines below it.`, `
modferry prune plan --keep 3 > plan.txt
modferry prune plan --registry harbor.example/golang --keep 2 ./service modferry.lock --output plan.txt
modferry prune plan --keep 0 go.sum                      # nothing but what this go.sum needs
modferry prune plan --drop "example.com/lib@<v1.4.2" --deny modferry.yaml`),
		Flags: slices.Concat(a.StoreFlags(), []cli.Flag{
			&cli.IntFlag{Name: flagKeep, Value: -1, DefaultText: "all", Usage: "keep the `N` newest releases of each module"},
			&cli.StringSliceFlag{Name: flagDrop, Usage: "remove what matches `PATTERN`, as in example.com/lib@<v1.4.2"},
			&cli.StringFlag{Name: flagDeny, Usage: "remove what the deny list of the mirror file `FILE` names"},
			&cli.StringFlag{Name: flagOutput, Aliases: []string{"o"}, Usage: "write to `FILE` instead of standard output"},
			command.JobsFlag("look at"),
			command.JSONFlag("each version that goes, instead of the plan,"),
		}),
		Action: a.prunePlan,
	}
}

func (a app) prunePlan(c *cli.Context) error {
	rules, err := a.pruneRules(c)
	if err != nil {
		return err
	}
	jobs, err := command.Jobs(c)
	if err != nil {
		return err
	}
	store, err := a.OpenSource(c, "planned")
	if err != nil {
		return err
	}
	defer store.Close()
	planner := &prune.Planner{Rules: rules, Lister: inventory.Lister{Store: store, Jobs: jobs}}
	plan, err := planner.Plan(c.Context)
	if errors.Is(err, registry.ErrPolicy) {
		err = command.WithHint(err, "have the registry scan it, or name it with --"+flagDrop)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Err, "%d versions would be removed, %d tags in all, %s\n", len(plan.Removals), plan.Tags(), humanize.Bytes(uint64(plan.Size())))
	if c.Bool(command.FlagJSON) {
		for _, r := range plan.Removals {
			if err := json.NewEncoder(a.Out).Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	file := c.String(flagOutput)
	if file == "" {
		return plan.Write(a.Out)
	}
	var text bytes.Buffer
	if err := plan.Write(&text); err != nil {
		return err
	}
	return userfile.Replace(file, text.Bytes())
}

// pruneRules reads the options and arguments that say what goes.
func (a app) pruneRules(c *cli.Context) (prune.Rules, error) {
	r := prune.Rules{Keep: c.Int(flagKeep)}
	switch {
	case c.IsSet(flagKeep) && r.Keep < 0:
		return r, command.UsageErrorf("--%s must be at least 0", flagKeep)
	case !c.IsSet(flagKeep) && !c.IsSet(flagDrop) && !c.IsSet(flagDeny):
		return r, command.UsageErrorf("nothing says what is to go: give --%s N, --%s PATTERN or --%s FILE", flagKeep, flagDrop, flagDeny)
	case !c.IsSet(flagKeep) && c.Args().Present():
		return r, command.UsageErrorf("without --%s everything stays that nothing drops, also what %s does not name; --%s 0 keeps nothing else",
			flagKeep, c.Args().First(), flagKeep)
	}
	if err := addDrops(&r, c.StringSlice(flagDrop)); err != nil {
		return r, command.UsageErrorf("--%s: %v", flagDrop, err)
	}
	if file := c.String(flagDeny); file != "" {
		if err := addDenied(&r, file); err != nil {
			return r, err
		}
	}
	return r, addNeeded(&r, c.Args().Slice(), a.In)
}

func (a app) pruneApplyCommand() *cli.Command {
	return &cli.Command{
		Name:      "apply",
		Usage:     "remove the versions in a plan",
		ArgsUsage: "PLAN",
		Description: command.Describe(`
Removes what prune plan has written down from the store that it was made for, and says what became of each tag:

   removed   it is gone
   gone      it was not there any more
   kept      it goes with a version that stays
   changed   the version, or something that goes with it, is not what it was when the plan was made; all of it stays
   shared    another tag, which is not in the plan, names the same manifest, and the registry would remove both
   refused   the registry does not let it go, because of a rule for immutable tags, for instance

Exit code 3 if something stays for one of the last three reasons. Versions go first and signatures last, so that nothing is ever there
without its signature; who is interrupted runs the same command again.

A directory removes the tags at once, and then what nothing else in it needs. A registry removes blobs when it collects
garbage. Distribution lets nobody delete anything unless REGISTRY_STORAGE_DELETE_ENABLED=true; in Harbor the account needs
the right to delete artifacts. Of modules of which nothing is left, the index goes on naming the paths, which does no harm;
with --sign-key, they are taken out of the index that is signed with that key.`, `
modferry prune apply plan.txt
modferry prune apply --registry harbor.example/golang --sign-key cosign.key plan.txt`),
		Flags: slices.Concat(a.StoreFlags(), []cli.Flag{
			&cli.StringFlag{Name: command.FlagSignKey, Usage: "take modules of which nothing is left out of the index, which the private key in `FILE` signs"},
			command.JSONFlag("what became of each tag"),
		}),
		Action: a.pruneApply,
	}
}

func (a app) pruneApply(c *cli.Context) (err error) {
	if c.Args().Len() != 1 {
		return command.UsageErrorf("prune apply needs a plan, which prune plan writes")
	}
	plan, err := readPlan(c.Args().First())
	if err != nil {
		return err
	}
	var signer *sign.Signer
	if c.IsSet(command.FlagSignKey) {
		if signer, err = a.Signer(c); err != nil {
			return err
		}
	}
	store, err := a.OpenStore(c)
	if err != nil {
		return err
	}
	defer command.CloseWritten(store, &err)
	r := &report{out: a.Out, json: c.Bool(command.FlagJSON)}
	if err := plan.Apply(c.Context, store, r.tell); err != nil {
		return err
	}
	fmt.Fprintln(a.Err, r)
	if err := a.forget(c, plan, store, signer); err != nil {
		return err
	}
	if r.failed > 0 {
		return command.ItemsFailed(r.failed, "tags were not removed")
	}
	return nil
}

func readPlan(name string) (*prune.Plan, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	plan, err := prune.Parse(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return plan, nil
}

// forget takes modules of which nothing is left out of the index, or says that they are in it.
func (a app) forget(c *cli.Context, plan *prune.Plan, store *registry.Store, signer *sign.Signer) error {
	paths, err := plan.Emptied(c.Context, store)
	if err != nil || len(paths) == 0 {
		return err
	}
	if signer == nil {
		fmt.Fprintf(a.Err, "the index still names %d modules of which nothing is left; --%s takes them out of it\n", len(paths), command.FlagSignKey)
		return nil
	}
	n, err := plan.Forget(c.Context, store, paths, signer)
	if err == nil {
		fmt.Fprintf(a.Err, "%d modules of which nothing is left were taken out of the index\n", n)
	}
	return err
}
