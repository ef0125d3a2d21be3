package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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
