package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/collect/closure"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream"
)

// seed is a module that somebody named.
type seed struct {
	path, query string
	alone       bool // without what it takes to use it
	modOnly     bool
	meant       module.Version // what the query led to, if that is locked
	chosen      bool           // among those that are not retracted
	tried       bool           // perhaps nobody wished for it
}

// ask adds a seed to what is asked for.
func (c *collector) ask(s seed, a ask) {
	a.find = func(ctx context.Context) findings { return c.findSeed(ctx, s, a.from) }
	c.asks = append(c.asks, a)
}

// addQuery adds module@query, or a toolchain. If it was perhaps only tried, it need not exist.
func (c *collector) addQuery(text, from string, tried bool) {
	modPath, query, ok := strings.Cut(text, "@")
	switch {
	case isRelease(text):
		c.addToolchain(text, c.platforms, ask{from: from})
		return
	case ok && modPath == toolchainName:
		c.addToolchain(query, c.platforms, ask{from: from})
		return
	case !ok:
		c.fail("%s: %q is not module@version", from, text)
		return
	}
	if _, err := upstream.ParseQuery(modPath, query); err != nil {
		c.problems = append(c.problems, fromError(from, "", fmt.Errorf("%s: %w", text, err)))
		return
	}
	c.ask(seed{path: modPath, query: query, tried: tried}, ask{from: from})
}

// findSeed resolves a seed, and finds out what it needs.
func (c *collector) findSeed(ctx context.Context, s seed, from string) findings {
	m, err := s.meant, error(nil)
	if m.Version == "" {
		m, err = c.up.Resolve(ctx, s.path, s.query)
	}
	if upstream.MayBeAbsent(err) || err == nil && c.lacks(ctx, s, m) {
		above, ok := c.above(ctx, s)
		switch {
		case ok:
			m, err = above, nil
		case s.tried:
			return findings{warnings: []error{fromError(from, "", fmt.Errorf("%s@%s does not exist upstream, and was perhaps only tried on the way to what is below it", s.path, s.query))}}
		}
	}
	if err != nil {
		return findings{problems: []error{fromError(from, s.path+"@"+s.query, err)}}
	}
	it := requirement.Requirement{Module: m, ModOnly: s.modOnly, From: from, Revisions: c.revisionsOf(ctx, s, m)}
	f := c.plant(ctx, it, s)
	if m.Path != s.path {
		f.notes = append(f.notes, fromError(from, "", fmt.Errorf("%s is no module: taken for a package of %s", s.path, m)))
	}
	return f
}

// lacks reports whether upstream does not have a version that somebody named, which Resolve takes as it is.
func (c *collector) lacks(ctx context.Context, s seed, m module.Version) bool {
	if s.alone || s.meant.Version != "" || m.Version != s.query || c.permits(m) != nil {
		return false
	}
	_, err := c.up.GoMod(ctx, m)
	return upstream.MayBeAbsent(err)
}

// above finds the module that a package is in, if that is what somebody named: like the go command, from
// the longest path to the shortest. Of what is private, only what is as private is asked for.
func (c *collector) above(ctx context.Context, s seed) (module.Version, bool) {
	for above := path.Dir(s.path); module.CheckPath(above) == nil; above = path.Dir(above) {
		if c.up.IsPrivate(s.path) && !c.up.IsPrivate(above) {
			break
		}
		m, err := c.up.Resolve(ctx, above, s.query)
		if err == nil && m.Version == s.query && c.permits(m) == nil {
			_, err = c.up.GoMod(ctx, m)
		}
		if err == nil {
			return m, true
		}
		if !upstream.MayBeAbsent(err) {
			break
		}
	}
	return module.Version{}, false
}

// plant finds out what a version needs, if it may be mirrored at all.
func (c *collector) plant(ctx context.Context, it requirement.Requirement, s seed) findings {
	if err := c.permits(it.Module); err != nil {
		return findings{problems: []error{fromError(it.From, "", err)}}
	}
	if err := c.retracted(ctx, it.Module, s); err != nil {
		return findings{problems: []error{fromError(it.From, s.path+"@"+s.query, err)}}
	}
	f := findings{items: []requirement.Requirement{it}, means: []module.Version{it.Module}}
	if s.alone || goproxy.IsToolchain(it.Module) {
		return f
	}
	if _, err := c.up.GoMod(ctx, it.Module); err != nil {
		// Mirroring it will fail for the same reason, unless the store has it.
		f.warnings = append(f.warnings, fromError(it.From, "", fmt.Errorf("finding out what %s needs: %w", it.Module, err)))
		return f
	}
	ran, err := c.goCommand.use(ctx, func(r *closure.Runner) error {
		result, err := r.Seed(ctx, it.Module)
		if err == nil {
			f.add(needs(result, it.From, s.path+"@"+s.query))
		}
		return err
	})
	switch {
	case !ran:
		f.warnings = append(f.warnings, errors.New("named modules are mirrored alone, without the modules they need: finding those out takes the go command"))
	case err != nil:
		f.problems = append(f.problems, fromError(it.From, it.Module.String(), err))
	}
	return f
}

// retracted is an error for a version that was named although its author retracted
// it. Queries do not lead to such versions; revisions may.
func (c *collector) retracted(ctx context.Context, m module.Version, s seed) error {
	q, err := upstream.ParseQuery(s.path, s.query)
	if c.Retracted || s.chosen || goproxy.IsToolchain(m) || err == nil && !q.Revision && m.Version != s.query {
		return nil
	}
	if err := c.up.Retracted(ctx, m); errors.Is(err, upstream.ErrRetracted) {
		return fmt.Errorf("%w: name another version, or allow retracted ones", err)
	}
	return nil // whatever else is wrong, mirroring will tell
}

// revisionsOf returns the names to record for what a query led to.
func (c *collector) revisionsOf(ctx context.Context, s seed, m module.Version) []string {
	q, err := upstream.ParseQuery(s.path, s.query)
	if err != nil || !q.Revision {
		return nil
	}
	hash := "" // without one, the name is what was asked for
	if data, err := c.up.Info(ctx, m); err == nil {
		hash = artifact.OriginHash(data)
	}
	if name, ok := artifact.RevisionName(s.query, m.Version, hash); ok {
		return []string{name}
	}
	return nil
}

// addTool adds a package as go install takes it.
func (c *collector) addTool(text string, platforms []string, a ask) {
	pkg, query, ok := strings.Cut(text, "@")
	if !ok || query == "" {
		c.problems = append(c.problems, fromError(a.from, text, fmt.Errorf("tool %s: it is named as package@version or package@latest", text)))
		return
	}
	if err := cmp.Or(goproxy.CheckNoURL(pkg), module.CheckImportPath(pkg)); err != nil {
		c.problems = append(c.problems, fromError(a.from, text, fmt.Errorf("tool %s: %w", text, err)))
		return
	}
	for _, m := range c.meant(a) {
		query = m.Version
	}
	a.find = func(ctx context.Context) findings { return c.findTool(ctx, pkg, query, platforms, a.from) }
	c.asks = append(c.asks, a)
}

func (c *collector) findTool(ctx context.Context, pkg, query string, platforms []string, from string) findings {
	var f findings
	asked := pkg + "@" + query
	ran, err := c.goCommand.use(ctx, func(r *closure.Runner) error {
		m, result, err := r.Tool(ctx, pkg, upstream.ForGo(query), platforms)
		if err != nil {
			return err
		}
		if err := errors.Join(c.permits(m), c.retracted(ctx, m, seed{path: m.Path, query: query})); err != nil {
			return err
		}
		f = needs(result, from, asked)
		f.means = []module.Version{m}
		return nil
	})
	switch {
	case !ran:
		return failed("%s: the go command is needed to find out what a tool needs", from)
	case err != nil:
		return findings{problems: []error{fromError(from, asked, err)}}
	case !slices.ContainsFunc(f.items, func(it requirement.Requirement) bool { return !it.ModOnly }):
		return failed("%s: nothing was fetched for the tool %s", from, asked)
	}
	return f
}
