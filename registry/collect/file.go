package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/collect/mirrorfile"
	"github.com/modferry/modferry/registry/project"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream"
)

// FileOptions configures [MirrorFile].
type FileOptions struct {
	Options // but Stdin, Tools, Platforms and DownloadAll: the file says

	// Lock is what an earlier run wrote: what queries led to and the sums of everything. nil = nothing.
	Lock *mirrorfile.Lock

	// Update resolves queries anew. Sums that are locked stay so.
	Update bool
}

// Plan is what a mirror file asks for.
type Plan struct {
	Items []requirement.Requirement

	locked  []mirrorfile.Locked
	sums    map[module.Version]requirement.Sums
	partial bool // more may be found out another time
}

// MirrorFile finds out which module versions a mirror file asks for. What its lock says about an entry is taken from
// there, with neither requests nor go commands, unless the project that the entry names has changed since. As with
// [Sources], everything that cannot be used has its own error, with file and line.
func MirrorFile(ctx context.Context, up *upstream.Upstream, f *mirrorfile.File, o FileOptions) (*Plan, []error) {
	o.Platforms = f.Platforms
	c := newCollector(up, o.Options)
	c.permits, c.lock, c.update = f.Permits, o.Lock, o.Update
	for _, p := range f.Projects {
		c.addLockedProject(p, lineOf(f.Name, p.Line))
	}
	for _, m := range f.Modules {
		c.addModule(m, lineOf(f.Name, m.Line))
	}
	for _, t := range f.Tools {
		e := lineOf(f.Name, t.Line)
		e.id = t.ID()
		platforms := c.platformsOf(t.Platforms, &e)
		c.addTool(t.Package+"@"+t.Query, platforms, e)
	}
	for _, t := range f.Toolchains {
		e := lineOf(f.Name, t.Line)
		e.id = t.ID()
		platforms := c.platformsOf(t.Platforms, &e)
		release := t.Release
		for _, v := range c.chosenFor(e) {
			release = goproxy.ReleaseOf(v.Version)
		}
		c.addToolchain(release, platforms, e)
	}
	items, problems := c.collect(ctx)
	p := &Plan{Items: items, sums: make(map[module.Version]requirement.Sums), locked: c.relocks, partial: c.partial}
	if o.Lock != nil {
		p.lockSums(o.Lock)
	}
	return p, problems
}

// platformsOf returns the platforms of an entry. If they are not in the file, they are this
// machine's, and what is locked depends on them.
func (c *collector) platformsOf(own []string, e *entry) []string {
	if len(own) > 0 {
		return own
	}
	e.fingerprint = strings.Join(c.platforms, ",")
	return c.platforms
}

// addLockedProject adds a project of a mirror file.
func (c *collector) addLockedProject(p mirrorfile.Project, e entry) {
	e.id = p.ID()
	loaded, err := project.Load(p.Dir)
	if err == nil {
		e.fingerprint, err = loaded.Fingerprint()
	}
	if err != nil {
		c.add(e, failed(err))
		c.relockAsIs(e.id)
		return
	}
	e.sums = func() findings { return sumsOf(loaded) }
	c.addProject(loaded, p.Dir, p.DownloadAll, e)
}

// addModule adds a module of a mirror file.
func (c *collector) addModule(m mirrorfile.Module, e entry) {
	e.id = m.ID()
	chosen := c.chosenFor(e)
	if m.Query == "" {
		e.find = func(ctx context.Context) findings { return c.findSeveral(ctx, m, chosen, e) }
		c.entries = append(c.entries, e)
		return
	}
	s := seed{path: m.Path, query: m.Query, alone: m.Alone}
	for _, v := range chosen {
		s.locked = v
	}
	c.addSeed(s, e)
}

// findSeveral finds the versions in a range, or the newest ones: those that were chosen in an earlier run, if there was one.
func (c *collector) findSeveral(ctx context.Context, m mirrorfile.Module, chosen []module.Version, e entry) (f findings) {
	var versions []string
	for _, v := range chosen {
		versions = append(versions, v.Version)
	}
	if len(versions) == 0 {
		var err error
		if versions, err = c.several(ctx, m); err != nil {
			return failed(err)
		}
	}
	for _, one := range parallel(versions, func(v string) findings {
		return c.findNeeds(ctx, module.Version{Path: m.Path, Version: v}, seed{path: m.Path, query: v, alone: m.Alone, listed: true}, e)
	}) {
		f.add(one)
	}
	return f
}

// several returns the versions in a range, or the newest ones. Those that are denied do not count.
func (c *collector) several(ctx context.Context, m mirrorfile.Module) ([]string, error) {
	versions, err := c.up.Select(ctx, m.Path, m.Range)
	if err != nil && (m.Latest == 0 || !errors.Is(err, upstream.ErrNoMatch)) {
		return nil, err
	}
	var denied error
	versions = slices.DeleteFunc(versions, func(v string) bool {
		err := c.permits(module.Version{Path: m.Path, Version: v})
		if err != nil {
			denied = err
		}
		return err != nil
	})
	switch {
	case len(versions) == 0 && denied == nil && m.Latest > 0: // nothing is tagged
		newest, err := c.up.Resolve(ctx, m.Path, "latest")
		return []string{newest.Version}, err
	case len(versions) == 0 && denied != nil:
		return nil, fmt.Errorf("%s: %w but those that are denied: %w", m.ID(), upstream.ErrNoMatch, denied)
	case len(versions) == 0:
		return nil, fmt.Errorf("%s: %w", m.ID(), upstream.ErrNoMatch)
	}
	if m.Latest > 0 {
		versions = versions[max(0, len(versions)-m.Latest):]
	}
	return versions, nil
}
