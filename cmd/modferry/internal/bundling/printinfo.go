package bundling

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/cmd/modferry/internal/audit"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry/bundle"
)

const (
	flagCheck = "check"
	flagList  = "list"
)

func (a *app) bundleInfoCommand() *cli.Command {
	return &cli.Command{
		Name:      "info",
		Usage:     "say what volumes of bundles are, what is in them, and which lack",
		ArgsUsage: "FILE… | DIR… | -",
		Description: command.Describe(`
Says of each volume which bundle it is of, which volume it is, what is in it, which store it is from, which inventory it adds
to, and who signed it; and at the end which volumes of the bundles are not here, or here twice. A volume is known by what it
says and proves, whatever its name is. DIR is a volume, or has volumes in it; "-" is a tar on standard input.

With --key or --policy the signatures of the volumes are checked; exit code 4 if one is not accepted. With --check every file in them is
read, and items that are damaged are named; exit code 3. With --list, the versions in them are printed as the list command
prints them, instead.`, `
modferry bundle info --key cosign.pub /media/usb
modferry bundle info --check golang-1of3.tar
modferry bundle info --list golang.tar | modferry verify --key cosign.pub -
ssh diode cat golang.tar | modferry bundle info -`),
		Flags: slices.Concat(command.KeysFlags("check the signatures of the volumes with"), []cli.Flag{
			command.BoolFlag(flagCheck, "read every file, and name what is damaged"),
			command.BoolFlag(flagList, `print the versions in them, "path version" a line`),
			command.JSONFlag("each volume, and each bundle"),
		}),
		Action: a.bundleInfo,
	}
}

func (a *app) bundleInfo(c *cli.Context) error {
	if !c.Args().Present() {
		return command.UsageErrorf("which volume? Give a file, a directory, or - for standard input")
	}
	trust, err := command.OptionalVerifier(c)
	if err != nil {
		return err
	}
	in := &Inspector{Stdin: a.In, Check: c.Bool(flagCheck)}
	if trust != nil {
		in.Trust = trust
	}
	in.Progress = func(what string, total int64) (func(int64), func()) {
		show := a.bytesDisplay(c, what, total)
		return show.Add, show.Done
	}
	refused, failed := 0, 0
	for _, path := range a.findVolumes(c, &failed) {
		info, err := a.inspectVolume(c, in, path)
		if errors.Is(err, context.Canceled) {
			return err
		}
		if err != nil {
			fmt.Fprintf(a.Err, "modferry: %v\n", err)
			failed++
			continue
		}
		if info.Error != "" {
			refused++
		}
		if info.CutOff > 0 || len(info.Damaged) > 0 {
			failed++
		}
	}
	if !c.Bool(flagList) {
		for _, l := range in.Lacking() {
			if err := a.Print(c, l, l.String()); err != nil {
				return err
			}
		}
	}
	switch {
	case refused > 0:
		return &command.ExitError{Code: command.ExitRefused, Err: fmt.Errorf("the signatures of %d volumes are not accepted", refused)}
	case failed > 0:
		return command.ItemsFailed(failed, "volumes are damaged or cannot be read")
	}
	return nil
}

// findVolumes returns what the arguments name.
func (a *app) findVolumes(c *cli.Context, failed *int) (volumes []string) {
	for _, arg := range c.Args().Slice() {
		found, err := []string{arg}, error(nil)
		if arg != "-" {
			found, err = bundle.Find(arg)
		}
		if err != nil {
			fmt.Fprintf(a.Err, "modferry: %v\n", err)
			*failed++
		}
		volumes = append(volumes, found...)
	}
	return volumes
}

// inspectVolume prints what there is to say about a volume.
func (a *app) inspectVolume(c *cli.Context, in *Inspector, path string) (*VolumeInfo, error) {
	var each func(*bundle.Volume) error
	if c.Bool(flagList) {
		each = func(v *bundle.Volume) error { return a.listVolume(c, v) }
	}
	info, err := in.Inspect(c.Context, path, each)
	if err != nil {
		return info, err
	}
	if c.Bool(flagList) {
		for _, problem := range info.Problems() {
			fmt.Fprintf(a.Err, "modferry: %s: %s\n", path, problem)
		}
		return info, nil
	}
	return info, a.Print(c, info, info.String())
}

// listVolume prints the versions in a volume.
func (a *app) listVolume(c *cli.Context, v *bundle.Volume) error {
	for r, err := range Versions(c.Context, v) {
		if err != nil {
			return err
		}
		if c.Bool(command.FlagJSON) {
			err = json.NewEncoder(a.Out).Encode(audit.Line{Module: r.Module.Path, Version: r.Module.Version, ModOnly: r.ModOnly})
		} else {
			_, err = fmt.Fprintf(a.Out, "%s %s%s\n", r.Module.Path, r.Module.Version, audit.Kind(r.ModOnly))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
