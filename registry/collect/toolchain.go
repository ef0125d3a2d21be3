package collect

import (
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
			c.fail(fmt.Errorf("platform %q is not os/arch: %w", p, err))
			continue
		}
		c.platforms = append(c.platforms, p)
	}
}

// isRelease reports whether an argument is the name of a Go release, as in go1.26.8.
func isRelease(arg string) bool { return strings.HasPrefix(arg, "go1") && version.IsValid(arg) }

// addToolchain adds a toolchain by release or query: go1.26.8, or go1.26 for its newest patch, or latest.
func (c *collector) addToolchain(query string, platforms []string, e entry) {
	if query != "latest" && !isRelease(query) {
		c.add(e, failed(fmt.Errorf("%q is not a Go release: name one like go1.26.8, go1.26 for its newest patch, or latest", query)))
		return
	}
	if len(platforms) == 0 {
		return // the mistake in them has been reported
	}
	e.find = func(context.Context) findings { return c.findToolchain(query, platforms) }
	c.entries = append(c.entries, e)
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
		c.addToolchain(release, c.platforms, lineOf(name, line))
	}
}

// findToolchain finds the version of a toolchain for each platform.
func (c *collector) findToolchain(release string, platforms []string) (f findings) {
	at := platforms
	if !isExactRelease(release) {
		list, err := c.releases()
		if err != nil {
			return failed(fmt.Errorf("looking for the Go toolchain %s: %w", release, err))
		}
		var newest string
		newest, at = goproxy.NewestToolchain(list, strings.TrimPrefix(release, "latest"), platforms)
		if newest == "" {
			return failed(fmt.Errorf("upstream lists no Go toolchain %s for %s", release, strings.Join(platforms, ", ")))
		}
		release = newest
	}
	for _, p := range platforms {
		if !slices.Contains(at, p) {
			f.fail(fmt.Errorf("upstream lists no Go toolchain %s for %s", release, p))
			continue
		}
		m := goproxy.Toolchain(release, p)
		f.items = append(f.items, requirement.Requirement{Module: m})
		f.chosen = append(f.chosen, m)
	}
	return f
}

// isExactRelease reports whether a name is that of one release: since Go 1.21
// that has a patch number, or is a pre-release.
func isExactRelease(name string) bool {
	return name != "latest" && (version.Lang(name) != name || version.Compare(name, "go1.21") < 0)
}
