package bundling

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/cmd/modferry/internal/progress"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/bundle"
	"github.com/modferry/modferry/registry/bundle/parity"
	"github.com/modferry/modferry/registry/inventory"
	"github.com/modferry/modferry/registry/selection"
	"github.com/modferry/modferry/registry/transfer"
)

const (
	flagOutput     = "output"
	flagVolumeSize = "volume-size"
	flagSince      = "since"
	flagSinceKey   = "since-key"
	flagNoIndex    = "no-index"
	flagParity     = "parity"
)

func (a *app) bundleCreateCommand() *cli.Command {
	return &cli.Command{
		Name:      "create",
		Usage:     "write what a store has, or a part of it, as a bundle",
		ArgsUsage: "[PATTERN | FILE | DIR | -]…",
		Description: command.Describe(`
Writes a bundle of everything in the store, or of what the arguments select: modules that match a PATTERN
(github.com/acme/**, "example.com/lib@>=v1.4.0"); the versions in a FILE, which is a go.sum, the lock of a mirror file, or a
list as the list command prints it, "-" for standard input; or those in go.sum and go.work.sum of the project in DIR. All
signatures go along, evidence that was added later, recorded branches and commits, checksum snapshots, and the index of
modules; of a selection the newest snapshot. --no-index leaves out the index, which names all modules of the store.

--output NAME.tar is a tar, any other name a directory, and "-" a tar on standard output. Each is an OCI image layout.
With --volume-size there are as many as it takes, NAME-1of3.tar and so on; each can be loaded alone. A file that is larger
than a volume is cut.

With --since, what the other side has is left out, as its inventory says. Nothing is guessed from what was sent before.

With --parity, a file beside each tar, NAME.tar.parity, makes up for the loss of that share of the two of them, wherever it
is: a scratch, bad sectors, an end that was cut off. bundle load and info --check find it there. --volume-size is then that
of a volume with its parity.

The same content gives the same bytes, but for the signature of the volumes. Everything is verified by its digest as it is
written; what is damaged in the store ends it. What a policy of the registry holds back is named and left out; exit code 3.
A volume gets its name when it is complete. An interrupted run is finished by the next, which keeps the volumes that are
complete.`, `
modferry bundle create --registry harbor.example/golang --key cosign.key --output /media/golang.tar
modferry bundle create --key cosign.key --volume-size 4.7GB --output /media/golang.tar
modferry bundle create --key cosign.key --volume-size 4.7GB --parity 10% --output /media/golang.tar
modferry bundle create --key cosign.key --since inventory.txt --since-key inside.pub --output monday.tar
modferry bundle create --key cosign.key --output tools.tar modferry.lock 'github.com/acme/**'
modferry bundle create --key cosign.key --output - | ssh diode 'cat > golang.tar'`),
		Flags: slices.Concat(a.StoreFlags(), []cli.Flag{
			command.SignKeyFlag(),
			command.BoolFlag(command.FlagNoSign, "do not sign the volumes; who loads them has to accept that"),
			&cli.StringFlag{Name: flagOutput, Aliases: []string{"o"}, Usage: "write the bundle to `PATH`"},
			&cli.StringFlag{Name: flagVolumeSize, Usage: "cut it into volumes of at most `SIZE`, as in 4.7GB or 650MiB"},
			&cli.StringFlag{Name: flagSince, Usage: "leave out what the inventory in `FILE` has"},
			&cli.StringSliceFlag{Name: flagSinceKey, Usage: "demand a signature of the inventory by the public key in `FILE`; repeat it for several"},
			&cli.StringFlag{Name: flagParity, Usage: "write, beside each tar, what makes up for the loss of a `SHARE` of it, as in 10%"},
			command.BoolFlag(flagNoIndex, "leave out the index of the store's modules"),
			command.SumDBFlag(),
			command.JobsFlag("look at"),
			command.BoolFlag(command.FlagDryRun, "say which volumes there would be, and write nothing"),
			command.JSONFlag("each volume and a summary"),
		}),
		Action: a.bundleCreate,
	}
}

func (a *app) bundleCreate(c *cli.Context) error {
	output := c.String(flagOutput)
	if output == "" && !c.Bool(command.FlagDryRun) {
		return command.UsageErrorf("--%s is needed: where to write the bundle", flagOutput)
	}
	if output == "-" && c.String(flagVolumeSize) != "" {
		return command.UsageErrorf("--%s and --%s - contradict each other: standard output is one volume", flagVolumeSize, flagOutput)
	}
	share, err := ParseParity(c.String(flagParity), output)
	if err != nil {
		return command.UsageErrorf("--%s: %v", flagParity, err)
	}
	signer, err := a.Signer(c)
	if err != nil {
		return err
	}
	store, err := a.OpenStore(c)
	if err != nil {
		return err
	}
	defer store.Close()
	plan, err := a.planBundle(c, store, share)
	if err != nil {
		return explainItem(err)
	}
	for _, held := range plan.HeldBack {
		fmt.Fprintf(a.Err, "modferry: not in the bundle: %v\n", held)
	}
	if n := len(plan.Unsigned); n > 0 {
		a.Warn("%d items have no signature, the first is %v; the other side refuses them", n, plan.Unsigned[0])
	}
	report := NewReport(plan, output)
	if !c.Bool(command.FlagDryRun) {
		if err := a.writeBundle(c, plan, output, bundle.WriteOptions{Signer: signer}); err != nil {
			return err
		}
		if err := report.WriteParity(c.Context, share); err != nil {
			return err
		}
	}
	if output == "-" {
		fmt.Fprintln(a.Err, report)
	} else if err := a.Print(c, report, report.String()); err != nil {
		return err
	}
	if n := len(plan.HeldBack); n > 0 {
		return command.ItemsFailed(n, "items are held back by a policy of the registry, and are not in the bundle")
	}
	return nil
}

// planBundle looks what the bundle will have in it.
func (a *app) planBundle(c *cli.Context, store *registry.Store, share parity.Share) (*bundle.Plan, error) {
	o := bundle.PlanOptions{}
	var err error
	if o.VolumeSize, err = volumeSize(c); err != nil {
		return nil, err
	}
	if share > 0 && o.VolumeSize > 0 {
		o.VolumeSize = max(1, parity.Fit(o.VolumeSize, share)) // 0 is one volume
	}
	if o.Jobs, err = command.Jobs(c); err != nil {
		return nil, err
	}
	if o.Base, err = base(c); err != nil {
		return nil, err
	}
	if !store.IsLayout() {
		o.Source = store.String()
	}
	items, err := a.selectItems(c, store, o.Jobs)
	if err != nil {
		return nil, err
	}
	return bundle.NewPlan(c.Context, store, items, o)
}

// base reads what the other side has; nil = nothing.
func base(c *cli.Context) (*inventory.Inventory, error) {
	file := c.String(flagSince)
	if file == "" {
		return nil, nil
	}
	var keys *sign.Keys
	if files := c.StringSlice(flagSinceKey); len(files) > 0 {
		var err error
		if keys, err = sign.LoadKeys(files...); err != nil {
			return nil, err
		}
	}
	return inventory.ReadFile(file, keys)
}

// volumeSize reads --volume-size; 0 = one volume.
func volumeSize(c *cli.Context) (int64, error) {
	text := c.String(flagVolumeSize)
	if text == "" {
		return 0, nil
	}
	n, err := humanize.ParseBytes(text)
	if err != nil || n == 0 || n > 1<<50 {
		return 0, command.UsageErrorf("--%s %q is not a size like 4.7GB", flagVolumeSize, text)
	}
	return int64(n), nil
}

// selectItems lists what the arguments select, all of which has to be there.
func (a *app) selectItems(c *cli.Context, store *registry.Store, jobs int) ([]transfer.Item, error) {
	selector, err := ParseArgs(c.Args().Slice(), a.In)
	if err != nil {
		return nil, command.UsageErrorf("%v", err)
	}
	log, err := command.ChecksumLog(c)
	if err != nil {
		return nil, err
	}
	if err := command.Answers(c.Context, store, "written"); err != nil {
		return nil, err
	}
	selected := selection.Selection{Store: store, Log: log, Jobs: jobs, NoIndex: c.Bool(flagNoIndex)}
	selector.Apply(&selected)
	items, missing, err := selected.List(c.Context)
	if err != nil {
		return nil, err
	}
	if unmatched := selector.Unmatched(); unmatched != nil {
		return nil, fmt.Errorf("nothing in %s matches %s", store, strings.Join(unmatched, ", "))
	}
	for _, r := range missing {
		fmt.Fprintf(a.Err, "modferry: %v is not in %s\n", r.Module, store)
	}
	if n := len(missing); n > 0 {
		return nil, command.WithHint(command.ItemsFailed(n, "of what was asked for is not in the store; nothing was written"),
			"modferry mirror brings it there, of the same file")
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("there is nothing in %s", store)
	}
	return items, nil
}

// writeBundle writes the volumes, and shows how that goes on.
func (a *app) writeBundle(c *cli.Context, plan *bundle.Plan, output string, o bundle.WriteOptions) error {
	var total int64
	for _, v := range plan.Volumes() {
		total += v.Size
	}
	show := a.bytesDisplay(c, "written", total)
	o.Progress = show.Add
	var err error
	if output == "-" {
		err = plan.WriteTo(c.Context, 1, a.Out, o)
	} else {
		err = plan.Create(c.Context, output, o, func(string) {})
	}
	show.Done()
	if errors.Is(err, syscall.ENOSPC) {
		return command.WithHint(err, fmt.Sprintf("the bundle takes %s; nothing half-written was left", humanize.Bytes(uint64(total))))
	}
	return explainItem(err)
}

// bytesDisplay picks how to show progress.
func (a *app) bytesDisplay(c *cli.Context, what string, total int64) progress.Bytes {
	if command.IsTerminal(a.Err) && !c.Bool(command.FlagJSON) {
		return progress.BytesBar(a.Err, what, total)
	}
	return progress.BytesLines(a.Err, what, total, time.Now)
}

// explainItem says what mends an item that cannot be put into a bundle.
func explainItem(err error) error {
	if !errors.Is(err, artifact.ErrCorrupt) || errors.Is(err, bundle.ErrExists) {
		return err
	}
	return command.WithHint(err, "modferry verify --repair --key cosign.pub --all finds all that is damaged, and puts back what upstream has")
}
