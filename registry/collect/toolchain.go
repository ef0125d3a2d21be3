package collect

import (
	"cmp"
	"context"
	"fmt"
	"go/version"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/collect/mirrorfile"
	"github.com/modferry/modferry/registry/requirement"
)

// toolchainName is what people say for the module of Go toolchains.
const toolchainName = "toolchain"

// setPlatforms checks the platforms to get toolchains for.
func (c *collector) setPlatforms(platforms []string) {
	if len(platforms) == 0 {
		platforms = []string{runtime.GOOS + "/" + runtime.GOARCH}
	}
	for _, p := range platforms {
		if err := mirrorfile.CheckPlatform(p); err != nil {
			c.fail("platform %q is not os/arch: %w", p, err)
			continue
		}
		c.platforms = append(c.platforms, p)
	}
}

// isRelease reports whether an argument is the name of a Go release, as in go1.26.8.
func isRelease(arg string) bool { return strings.HasPrefix(arg, "go1") && version.IsValid(arg) }

// addToolchain adds a toolchain by release or query: go1.26.8, or go1.26 for its newest patch, or
// latest.
func (c *collector) addToolchain(query string, platforms []string, a ask) {
	if query != "latest" && !isRelease(query) {
		c.fail("%s: %q is not a Go release: name one like go1.26.8, go1.26 for its newest patch, or latest", a.from, query)
		return
	}
	if len(platforms) == 0 {
		return // the mistake in them has been told
	}
	a.find = func(ctx context.Context) findings { return c.findToolchain(ctx, query, platforms, a.from) }
	c.asks = append(c.asks, a)
}

// addDemanded adds the toolchain that the go and toolchain lines of a go.mod or
// go.work demand: the newer of the two. Since Go 1.21, Go itself gets it.
func (c *collector) addDemanded(name string, goLine *modfile.Go, toolchain *modfile.Toolchain) {
	if !c.Toolchains {
		return
	}
	release, line := "", 0
	if goLine != nil {
		release, line = "go"+goLine.Version, goLine.Syntax.Start.Line
	}
	if toolchain != nil && isRelease(toolchain.Name) && version.Compare(toolchain.Name, release) > 0 {
		release, line = toolchain.Name, toolchain.Syntax.Start.Line
	}
	if isRelease(release) && version.Compare(release, "go1.21") >= 0 {
		c.addToolchain(release, c.platforms, ask{from: fmt.Sprintf("%s:%d", name, line)})
	}
}

// findToolchain finds the version of a toolchain for each platform.
func (c *collector) findToolchain(ctx context.Context, release string, platforms []string, from string) (f findings) {
	if !isExactRelease(release) {
		listed, err := c.releases(ctx)
		if err != nil {
			return failed("%s: looking for Go toolchains: %w", from, err)
		}
		newest, at := newestRelease(listed, release, platforms)
		if newest == "" {
			return failed("%s: upstream lists no Go toolchain %s for %s", from, release, strings.Join(platforms, ", "))
		}
		release = newest
		for _, p := range platforms {
			if !slices.Contains(at, p) {
				f.fail("%s: upstream lists no Go toolchain %s for %s", from, release, p)
			}
		}
		platforms = at
	}
	for _, p := range platforms {
		m := goproxy.Toolchain(release, p)
		f.items = append(f.items, requirement.Requirement{Module: m, From: from})
		f.means = append(f.means, m)
	}
	return f
}

// isExactRelease reports whether a name is that of one release: since Go 1.21
// that has a patch number, or is a pre-release.
func isExactRelease(name string) bool {
	return name != "latest" && (version.Lang(name) != name || version.Compare(name, "go1.21") < 0)
}

// newestRelease returns the newest release of a language version, or of all for
// "latest", that a list has for all platforms, else for most, and those that it has it
// for; pre-releases count only if there is no other. It is "" if there is none.
func newestRelease(list []string, query string, platforms []string) (newest string, at []string) {
	for _, v := range list {
		release := goproxy.ReleaseOf(v)
		if release == "" || query != "latest" && version.Lang(release) != query {
			continue
		}
		var has []string
		for _, p := range platforms {
			if slices.Contains(list, goproxy.Toolchain(release, p).Version) {
				has = append(has, p)
			}
		}
		if c := cmp.Or(
			cmp.Compare(finished(release), finished(newest)),
			cmp.Compare(len(has), len(at)),
			version.Compare(release, newest),
		); len(has) > 0 && (newest == "" || c > 0) {
			newest, at = release, has
		}
	}
	return newest, at
}

// finished is 1 for a release and 0 for a pre-release.
func finished(release string) int {
	if strings.Trim(strings.TrimPrefix(release, "go"), "0123456789.") == "" {
		return 1
	}
	return 0
}
