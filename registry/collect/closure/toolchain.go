package closure

import (
	"cmp"
	"context"
	"fmt"
	"go/version"
	"slices"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/project"
	"github.com/modferry/modferry/registry/record"
)

// maxList is the most that is read of a list of versions.
const maxList = 16 << 20

// addToolchains adds the toolchain for each platform that a tool demands, if that is newer than the go
// command here. The go command, when it has to switch, does not take the oldest that will do either; and it chooses from the
// list without a look at the platform, so that one release should serve all.
func (v *view) addToolchains(ctx context.Context, src record.Source, tool downloaded, platforms []string) {
	const doing = "looking for the toolchain that it demands"
	demanded := tool.goVersion()
	if have := v.goCmd.Version(); have == "" || version.Compare(have, demanded) >= 0 {
		return
	}
	list, err := listToolchains(ctx, src)
	if err != nil {
		v.warn(doing, fmt.Errorf("%s: listing the Go toolchains: %w", demanded, err))
		return
	}
	release, at := goproxy.NewestToolchain(list, demanded, platforms)
	for _, p := range platforms {
		if slices.Contains(at, p) {
			v.need(goproxy.Toolchain(release, p), false)
		} else {
			v.warn(doing, fmt.Errorf("upstream lists no Go toolchain %s, nor a patch of it, for %s", cmp.Or(release, demanded), p))
		}
	}
}

// listToolchains returns the versions of toolchains that upstream has.
func listToolchains(ctx context.Context, src record.Source) ([]string, error) {
	r, err := src.Open(ctx, goproxy.ToolchainPath+"/@v/list")
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := project.ReadAll(r, maxList)
	return goproxy.ParseList(data), err
}
