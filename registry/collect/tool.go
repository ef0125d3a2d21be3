package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/version"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/collect/closure"
	"github.com/modferry/modferry/registry/requirement"
)

// addTool adds a package as go install takes it.
func (c *collector) addTool(text string, platforms []string, e entry) {
	pkg, query, ok := strings.Cut(text, "@")
	err := cmp.Or(goproxy.CheckNoURL(pkg), module.CheckImportPath(pkg))
	if !ok || query == "" {
		err = errors.New("it is named as package@version or package@latest")
	}
	if err != nil {
		c.add(e, failed(fmt.Errorf("tool %s: %w", text, err)))
		return
	}
	for _, m := range c.chosenFor(e) {
		query = m.Version
	}
	e.find = func(ctx context.Context) findings { return c.findTool(ctx, pkg, query, platforms, e) }
	c.entries = append(c.entries, e)
}

func (c *collector) findTool(ctx context.Context, pkg, query string, platforms []string, e entry) findings {
	var f findings
	text := pkg + "@" + query
	ran, err := c.runGo(ctx, func(r *closure.Runner) error {
		m, result, err := r.Tool(ctx, pkg, goproxy.QueryForGo(query), platforms, e.who(text))
		if err != nil {
			return err
		}
		if err := errors.Join(c.permits(m), c.retracted(ctx, m, seed{path: m.Path, query: query})); err != nil {
			return err
		}
		f = needs(result)
		f.chosen = []module.Version{m}
		if result.Demands != "" {
			f.add(c.demandedToolchain(text, result.Demands, platforms))
		}
		return nil
	})
	switch {
	case !ran:
		return failed(fmt.Errorf("tool %s: the go command is needed to find out what it needs", text))
	case err != nil:
		return failed(err)
	case !slices.ContainsFunc(f.items, func(it requirement.Requirement) bool { return !it.ModOnly }):
		return failed(fmt.Errorf("nothing was fetched for the tool %s", text))
	}
	return f
}

// toolchainName is what people say for the module of Go toolchains.
const toolchainName = "toolchain"

// isRelease reports whether an argument is the name of a Go release, as in go1.26.8.
func isRelease(arg string) bool { return strings.HasPrefix(arg, "go1") && version.IsValid(arg) }

// addToolchain adds a toolchain by release or query: go1.26.8, or go1.26 for its newest patch, or latest.
func (c *collector) addToolchain(query string, platforms []string, e entry) {
	if query != "latest" && !isRelease(query) {
		c.add(e, failed(fmt.Errorf("%q is not a Go release: name one like go1.26.8, go1.26 for its newest patch, or latest", query)))
		return
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

// demandedToolchain finds the toolchain that a tool's go line demands. The go command, when it has to switch, does not take
// the oldest that will do either; and it chooses from the list without a look at the platform, so that one release should
// serve all. That there is none is a warning: inside, a newer Go may be installed.
func (c *collector) demandedToolchain(tool, demanded string, platforms []string) (f findings) {
	list, err := c.releases()
	if err != nil {
		f.warn(fmt.Errorf("%s: looking for the toolchain %s that it demands: %w", tool, demanded, err))
		return f
	}
	release, at := goproxy.NewestToolchain(list, demanded, platforms)
	for _, p := range platforms {
		if slices.Contains(at, p) {
			f.items = append(f.items, requirement.Requirement{Module: goproxy.Toolchain(release, p)})
		} else {
			f.warn(fmt.Errorf("%s: upstream lists no Go toolchain %s, nor a patch of it, for %s", tool, cmp.Or(release, demanded), p))
		}
	}
	return f
}

// isExactRelease reports whether a name is that of one release: since Go 1.21
// that has a patch number, or is a pre-release.
func isExactRelease(name string) bool {
	return name != "latest" && (version.Lang(name) != name || version.Compare(name, "go1.21") < 0)
}
