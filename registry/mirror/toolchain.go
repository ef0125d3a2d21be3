package mirror

import (
	"context"
	"encoding/json"
	"fmt"
	"go/version"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// Go toolchains are versions of a module that has nothing but zips
// (https://go.dev/doc/toolchain):
//
//	version  = "v0.0.1-" release "." GOOS "-" GOARCH
//	release  = "go1.21.0", "go1.26rc1", …
const (
	toolchainPath   = "golang.org/toolchain"
	toolchainPrefix = "v0.0.1-"
)

func isToolchain(m module.Version) bool { return m.Path == toolchainPath }

// toolchainInfo makes up the .info file of a toolchain, for an upstream that has none.
func toolchainInfo(m module.Version) []byte {
	data, _ := json.Marshal(struct{ Version string }{m.Version}) // of a string, it cannot fail
	return data
}

// toolchainGoMod makes up the go.mod file of a toolchain, for an upstream that has none.
func toolchainGoMod() []byte { return []byte("module " + toolchainPath + "\n") }

// wantedToolchain is a toolchain that somebody asks for.
type wantedToolchain struct {
	release string // go1.26.8; or go1.26 for its newest patch, or latest
	from    string
}

// platformGrammar is GOOS "/" GOARCH.
var platformGrammar = regexp.MustCompile(`^[a-z0-9]+/[a-z0-9]+$`)

// setPlatforms checks the platforms to get toolchains for.
func (c *collector) setPlatforms(platforms []string) {
	if len(platforms) == 0 {
		platforms = []string{runtime.GOOS + "/" + runtime.GOARCH}
	}
	for _, p := range platforms {
		if !platformGrammar.MatchString(p) {
			c.fail("platform %q is not os/arch, like linux/amd64", p)
			continue
		}
		c.platforms = append(c.platforms, strings.Replace(p, "/", "-", 1))
	}
}

// isRelease reports whether an argument is the name of a Go release, as in go1.26.8.
func isRelease(arg string) bool { return strings.HasPrefix(arg, "go1") && version.IsValid(arg) }

// addToolchain adds a toolchain by release or query: go1.26.8, go1.26, latest.
func (c *collector) addToolchain(query, from string) {
	if query != "latest" && !isRelease(query) {
		c.fail("%s: %q is not a Go release: name one like go1.26.8, go1.26 for its newest patch, or latest", from, query)
		return
	}
	c.wanted = append(c.wanted, wantedToolchain{release: query, from: from})
}

// addDemanded adds the toolchain that the go and toolchain lines of a go.mod or
// go.work demand: the newer of the two. Since Go 1.21, Go itself gets it.
func (c *collector) addDemanded(name string, goLine *modfile.Go, toolchain *modfile.Toolchain) {
	if !c.toolchains {
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
		c.addToolchain(release, fmt.Sprintf("%s:%d", name, line))
	}
}

// resolveToolchains adds an item for each platform of each toolchain.
func (c *collector) resolveToolchains(ctx context.Context, up *Upstream) {
	list := sync.OnceValues(func() ([]string, error) { return up.List(ctx, toolchainPath) })
	for _, w := range c.wanted {
		release := w.release
		if !isExactRelease(release) {
			listed, err := list()
			if err != nil {
				c.fail("%s: looking for Go toolchains: %w", w.from, err)
				continue
			}
			if release = newestRelease(listed, w.release, c.platforms); release == "" {
				c.fail("%s: upstream lists no Go toolchain %s for %s", w.from, w.release, strings.Join(c.platforms, ", "))
				continue
			}
		}
		for _, p := range c.platforms {
			m := module.Version{Path: toolchainPath, Version: toolchainPrefix + release + "." + p}
			c.items = append(c.items, Item{Module: m, From: w.from})
		}
	}
}

// isExactRelease reports whether a name is that of one release: since Go 1.21
// that has a patch number, or is a pre-release.
func isExactRelease(name string) bool {
	return name != "latest" && (version.Lang(name) != name || version.Compare(name, "go1.21") < 0)
}

// newestRelease returns the newest release of a language version, or of all for
// "latest", that a list has for all platforms; pre-releases count only if there is no
// other. It is "" if there is none.
func newestRelease(list []string, query string, platforms []string) string {
	var releases, pre []string
	for _, v := range list {
		rest, ok := strings.CutPrefix(v, toolchainPrefix)
		release, isFirst := strings.CutSuffix(rest, "."+platforms[0])
		if !ok || !isFirst || !version.IsValid(release) || query != "latest" && version.Lang(release) != query {
			continue
		}
		elsewhere := func(p string) bool { return slices.Contains(list, toolchainPrefix+release+"."+p) }
		if slices.ContainsFunc(platforms, func(p string) bool { return !elsewhere(p) }) {
			continue
		}
		if strings.Trim(strings.TrimPrefix(release, "go"), "0123456789.") == "" {
			releases = append(releases, release)
		} else {
			pre = append(pre, release)
		}
	}
	for _, l := range [][]string{releases, pre} {
		if len(l) > 0 {
			return slices.MaxFunc(l, version.Compare)
		}
	}
	return ""
}

// addToolchainOf adds the toolchain that a project's go.mod demands. Other
// mistakes in that file are not what is being looked for.
func (c *collector) addToolchainOf(name string) {
	if !c.toolchains {
		return
	}
	data, err := readFile(name)
	if err != nil {
		return // whether there has to be one is checked with the sums
	}
	f, err := modfile.Parse(name, data, nil) // ParseLax leaves out toolchain lines
	if err != nil {
		c.problems = append(c.problems, err)
		return
	}
	c.addDemanded(name, f.Go, f.Toolchain)
}
