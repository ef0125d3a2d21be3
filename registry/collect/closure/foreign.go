package closure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/registry/project"
)

// parallelHeads is how many versions are asked about at once.
const parallelHeads = 8

// addListed adds what the go.sum in the directory of somebody else's module lists, if there is one. Nobody who uses
// that module reads it, so that it may be stale or wrong for years: its sums do not count, and what
// upstream does not have is left out.
func (v *view) addListed(ctx context.Context, m module.Version, dir string) {
	data, err := project.ReadFile(filepath.Join(dir, "go.sum"), project.MaxSumFile)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		v.warn("reading its go.sum", err)
		return
	}
	lines, _ := project.ParseSums(m.String()+"/go.sum", data)
	listed := make(needs)
	for _, l := range lines {
		listed.add(Need{Module: l.Module, ModOnly: l.GoMod, From: l.From})
	}
	if absent := v.absent(ctx, listed.sorted()); len(absent) > 0 {
		for _, m := range absent {
			delete(listed, m)
		}
		v.warn("reading its go.sum", fmt.Errorf("upstream does not have %s, left out", some(absent)))
	}
	for _, n := range listed {
		v.needs.add(n)
	}
}

// absent returns the versions that upstream says it does not have, in their order.
func (v *view) absent(ctx context.Context, list []Need) []module.Version {
	isAbsent := make([]bool, len(list))
	var group errgroup.Group
	group.SetLimit(parallelHeads)
	for i, n := range list {
		group.Go(func() error {
			resp, err := v.ask(ctx, http.MethodHead, n.Module, ".info")
			if err != nil {
				return nil // whatever is wrong, mirroring it will tell
			}
			isAbsent[i] = resp.StatusCode == http.StatusNotFound
			return resp.Body.Close()
		})
	}
	_ = group.Wait()
	var absent []module.Version
	for i, n := range list {
		if isAbsent[i] {
			absent = append(absent, n.Module)
		}
	}
	return absent
}

// some names the first of several versions.
func some(list []module.Version) string {
	const most = 5
	var names []string
	for _, m := range list[:min(len(list), most)] {
		names = append(names, m.String())
	}
	text := strings.Join(names, ", ")
	if more := len(list) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
