package collect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/collect/closure"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/safetext"
	"github.com/modferry/modferry/registry/upstream"
)

// seed is a module that somebody named.
type seed struct {
	path, query string
	alone       bool // without what it takes to use it
	modOnly     bool
	locked      module.Version // what the query led to, if that is known
	listed      bool           // among those that are not retracted
	isParent    bool           // of another one: perhaps nobody wished for it
}

// addSeed adds a module that somebody named.
func (c *collector) addSeed(s seed, e entry) {
	if _, err := goproxy.ParseQuery(s.path, s.query); err != nil {
		c.add(e, failed(fmt.Errorf("%s@%s: %w", s.path, s.query, err)))
		return
	}
	e.find = func(ctx context.Context) findings { return c.findSeed(ctx, s, e) }
	c.entries = append(c.entries, e)
}

// addQuery adds module@query, or a toolchain. One that is perhaps only the parent of another one need not exist.
func (c *collector) addQuery(text string, e entry, isParent bool) {
	modPath, query, ok := strings.Cut(text, "@")
	switch {
	case isRelease(text):
		c.addToolchain(text, c.platforms, e)
	case !ok:
		c.add(e, failed(fmt.Errorf("%q is not module@version", text)))
	case modPath == toolchainName:
		c.addToolchain(query, c.platforms, e)
	default:
		c.addSeed(seed{path: modPath, query: query, isParent: isParent}, e)
	}
}

// findSeed resolves a seed, and finds out what it needs.
func (c *collector) findSeed(ctx context.Context, s seed, e entry) findings {
	m, err := s.locked, error(nil)
	if m.Version == "" {
		m, err = c.up.Resolve(ctx, s.path, s.query)
	}
	if upstream.MayBeAbsent(err) || err == nil && c.lacks(ctx, s, m) {
		above, ok := c.above(ctx, s)
		switch {
		case ok:
			m, err = above, nil
		case s.isParent:
			err := fmt.Errorf("%s@%s does not exist upstream, and was perhaps only tried on the way to what is below it", s.path, s.query)
			return findings{warnings: []error{err}, part: true}
		}
	}
	if errors.Is(err, upstream.ErrRetracted) {
		err = fmt.Errorf("%w; one of them that is named is taken with --allow-retracted", err)
	}
	if err != nil && goproxy.CheckVersion("v"+s.query) == nil {
		err = fmt.Errorf("%w; did you mean %s@v%s?", err, s.path, s.query)
	}
	if err != nil {
		return failed(err)
	}
	f := c.findNeeds(ctx, m, s, e)
	if m.Path != s.path {
		f.warnings = append(f.warnings, fmt.Errorf("%s is no module: taken for a package of %s", s.path, m)) // which is no lack
	}
	return f
}

// lacks reports whether upstream does not have a version that somebody named, which Resolve takes as it is.
func (c *collector) lacks(ctx context.Context, s seed, m module.Version) bool {
	if s.alone || s.locked.Version != "" || m.Version != s.query || c.permits(m) != nil {
		return false
	}
	_, err := c.up.GoMod(ctx, m)
	return upstream.MayBeAbsent(err)
}

// above finds the module that a package is in, if that is what somebody named: like the go command, from
// the longest path to the shortest. Of what is private, only what is as private is asked for. Another major version of a
// module is none of its packages.
func (c *collector) above(ctx context.Context, s seed) (module.Version, bool) {
	base, major, _ := module.SplitPathVersion(s.path)
	for above := path.Dir(s.path); module.CheckPath(above) == nil; above = path.Dir(above) {
		if c.up.IsPrivate(s.path) && !c.up.IsPrivate(above) {
			break
		}
		if major != "" && above == base {
			continue
		}
		m, err := c.up.Resolve(ctx, above, s.query)
		has := false
		if err == nil {
			has, err = c.hasPackage(ctx, m, s.path)
		}
		if has {
			return m, true
		}
		if err != nil && !upstream.MayBeAbsent(err) {
			break
		}
	}
	return module.Version{}, false
}

// hasPackage reports whether a module version has a package. If it may not be mirrored, it is not fetched, and whoever
// asks for it learns why.
func (c *collector) hasPackage(ctx context.Context, m module.Version, pkg string) (bool, error) {
	if c.permits(m) != nil {
		return true, nil
	}
	zip, err := os.CreateTemp("", "modferry-zip-*")
	if err != nil {
		return false, err
	}
	defer os.Remove(zip.Name())
	defer zip.Close()
	if err := c.up.Zip(ctx, m, zip); err != nil {
		return false, err
	}
	return closure.HasPackage(m, zip.Name(), pkg)
}

// findNeeds finds out what a version needs, if it may be mirrored at all.
func (c *collector) findNeeds(ctx context.Context, m module.Version, s seed, e entry) findings {
	err := c.permits(m)
	if err == nil {
		err = c.retracted(ctx, m, s)
	}
	if err != nil {
		return failed(err)
	}
	it := requirement.Requirement{Module: m, ModOnly: s.modOnly, Revisions: c.revisionsOf(ctx, s, m)}
	f := findings{items: []requirement.Requirement{it}, chosen: []module.Version{m}}
	if s.alone || goproxy.IsToolchain(m) {
		return f
	}
	if _, err := c.up.GoMod(ctx, m); err != nil {
		// Mirroring it will fail for the same reason, unless the store has it.
		f.warn(fmt.Errorf("finding out what it needs: %w", safetext.Naming(m.String(), err)))
		if upstream.MayBeAbsent(err) {
			f.chosen = nil // it is not locked, so that it is looked for again
		}
		return f
	}
	ran, err := c.runGo(ctx, func(r *closure.Runner) error {
		result, err := r.Seed(ctx, m, e.who(m.String()))
		if err == nil {
			f.add(needs(result))
		}
		return err
	})
	if err != nil {
		f.fail(err)
	}
	if !ran {
		f.alone, f.part = true, true
	}
	return f
}

// retracted is an error for a version that was named although its author retracted
// it. Queries do not lead to such versions; revisions may.
func (c *collector) retracted(ctx context.Context, m module.Version, s seed) error {
	q, err := goproxy.ParseQuery(s.path, s.query)
	if c.Retracted || s.listed || goproxy.IsToolchain(m) || err == nil && !q.Revision && m.Version != s.query {
		return nil
	}
	if err := c.up.Retracted(ctx, m); errors.Is(err, upstream.ErrRetracted) {
		return fmt.Errorf("%w: name another version, or allow retracted ones", err)
	}
	return nil // whatever else is wrong, mirroring will tell
}

// revisionsOf returns the names to record for what a query led to.
func (c *collector) revisionsOf(ctx context.Context, s seed, m module.Version) []string {
	q, err := goproxy.ParseQuery(s.path, s.query)
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
