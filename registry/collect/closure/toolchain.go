package closure

import (
	"cmp"
	"context"
	"fmt"
	"go/version"
	"io"
	"slices"
	"strings"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/record"
)

// maxList is the most that is read of a list of versions.
const maxList = 16 << 20

// addToolchains adds the toolchain for each platform that a tool demands, if that is newer than the go
// command here.
func (v *view) addToolchains(ctx context.Context, src record.Source, got downloaded, platforms []string) error {
	demanded, err := goLine(got.GoMod)
	if err != nil || !isOlder(v.goCmd.Version(), demanded) {
		return err
	}
	listed, err := listToolchains(ctx, src)
	if err != nil {
		v.warn("looking for the toolchain that it demands", fmt.Errorf("%s: %w", demanded, err))
		return nil
	}
	release := newestToolchain(listed, demanded, platforms)
	for _, p := range platforms {
		m := goproxy.Toolchain(release, p)
		if !slices.Contains(listed, m.Version) {
			v.warn("looking for the toolchain that it demands", fmt.Errorf("upstream lists no Go toolchain %s, nor a patch of it, for %s", cmp.Or(release, demanded), p))
			continue
		}
		v.needs.add(Need{Module: m, From: v.from})
	}
	return nil
}

// listToolchains returns the versions of toolchains that upstream has.
func listToolchains(ctx context.Context, src record.Source) ([]string, error) {
	r, err := src.Open(ctx, goproxy.ToolchainPath+"/@v/list")
	if err != nil {
		return nil, fmt.Errorf("listing the Go toolchains: %w", err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxList))
	if err != nil {
		return nil, fmt.Errorf("listing the Go toolchains: %w", err)
	}
	return strings.Fields(string(data)), nil
}

// newestToolchain returns the newest release with the language version that is demanded that is listed for all
// platforms, else for most; "" = for none. The go command, when it has to switch, does not take the oldest that will
// do either; and it chooses from the list without a look at the platform, so that one release should serve all.
func newestToolchain(listed []string, demanded string, platforms []string) string {
	newest, most := "", 0
	for _, v := range listed {
		release := goproxy.ReleaseOf(v)
		if version.Lang(release) != version.Lang(demanded) || version.Compare(release, demanded) < 0 {
			continue
		}
		n := 0
		for _, p := range platforms {
			if slices.Contains(listed, goproxy.Toolchain(release, p).Version) {
				n++
			}
		}
		if n > most || n == most && n > 0 && version.Compare(release, newest) > 0 {
			newest, most = release, n
		}
	}
	return newest
}
