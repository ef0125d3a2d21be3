package mirror

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry/mirror/mirrorfile"
	"github.com/modferry/modferry/registry/mirror/project"
)

// FileOptions configures [CollectFile].
type FileOptions struct {
	CollectOptions // but Stdin, Tools, Platforms and DownloadAll: the file says

	// Lock is what an earlier run wrote: what queries led to and the sums of everything. nil = nothing.
	Lock *mirrorfile.Lock

	// Update resolves queries anew. Sums that are locked stay so.
	Update bool
}

// Plan is what a mirror file asks for.
type Plan struct {
	Items []Item

	locked  []mirrorfile.Locked
	sums    map[module.Version]mirrorfile.Sums
	partial bool // more may be found out another time
}

// CollectFile finds out which module versions a mirror file asks for. What its lock
// says about an entry is taken from there, with neither requests nor go commands, unless the
// project that the entry names has changed since. As with [Collect], everything that
// cannot be used has its own error, with file and line.
func CollectFile(ctx context.Context, up *Upstream, f *mirrorfile.File, o FileOptions) (*Plan, []error) {
	o.Platforms = f.Platforms
	c := newCollector(up, o.CollectOptions)
	c.permits, c.lock, c.update = f.Permits, o.Lock, o.Update
	for _, p := range f.Projects {
		c.addLockedProject(p, place(f, p.Line))
	}
	for _, m := range f.Modules {
		c.addModule(m, place(f, m.Line))
	}
	for _, t := range f.Tools {
		platforms, fingerprint := c.platformsOf(t.Platforms)
		c.addTool(t.Package+"@"+t.Query, platforms, ask{from: place(f, t.Line), id: t.ID(), fingerprint: fingerprint})
	}
	for _, t := range f.Toolchains {
		platforms, fingerprint := c.platformsOf(t.Platforms)
		c.addToolchain(t.Release, platforms, ask{from: place(f, t.Line), id: t.ID(), fingerprint: fingerprint})
	}
	p := &Plan{sums: make(map[module.Version]mirrorfile.Sums)}
	var problems []error
	p.Items, problems = c.collect(ctx)
	p.locked, p.partial = c.relocks, c.partial
	if o.Lock != nil {
		p.pin(o.Lock)
	}
	return p, problems
}

func place(f *mirrorfile.File, line int) string { return fmt.Sprintf("%s:%d", f.Name, line) }

// platformsOf returns the platforms of an entry. If they are not in the file, they are this
// machine's, and what is locked depends on them.
func (c *collector) platformsOf(own []string) (platforms []string, fingerprint string) {
	if len(own) > 0 {
		return own, ""
	}
	return c.platforms, strings.Join(c.platforms, ",")
}

// pin gives the items the sums that are locked. As long as something is not found out, nobody
// can tell which of the sums nothing needs any more.
func (p *Plan) pin(lock *mirrorfile.Lock) {
	if p.partial {
		maps.Copy(p.sums, lock.Sums)
	}
	for i := range p.Items {
		it := &p.Items[i]
		s, ok := lock.Sums[it.Module]
		if !ok {
			continue
		}
		it.locked = sums{zip: s.Zip, mod: s.GoMod}
		p.sums[it.Module] = s
	}
}

// Done takes note of what became of an item: see [Options.Report].
func (p *Plan) Done(e Event) {
	if e.Status == Failed || e.Status == Planned {
		return
	}
	s := p.sums[e.Module]
	if e.got.zip != "" {
		s.Zip = e.got.zip
	}
	if e.got.mod != "" {
		s.GoMod = e.got.mod
	}
	p.sums[e.Module] = s
}

// Lock returns the lock for the next run: what the entries of the mirror file came to, and
// the sums of what is mirrored by now.
func (p *Plan) Lock() *mirrorfile.Lock {
	return &mirrorfile.Lock{Sources: p.locked, Sums: maps.Clone(p.sums)}
}

// locked returns what the lock says about an ask; ok is false if that is nothing, or
// out of date.
func (c *collector) locked(a ask) (f findings, ok bool) {
	if c.lock == nil || c.update || a.id == "" {
		return findings{}, false
	}
	l := c.lock.Source(a.id)
	if l == nil || l.Fingerprint != a.fingerprint || len(l.Means) > 0 {
		return findings{}, false
	}
	for _, n := range l.Needs {
		it := Item{Module: n.Module, ModOnly: n.ModOnly, From: a.from}
		for _, r := range l.Revisions {
			if r.Path == n.Module.Path && r.Version == n.Module.Version {
				it.Revisions = append(it.Revisions, r.Name)
			}
		}
		f.items = append(f.items, it)
	}
	if a.sums != nil {
		f.add(a.sums()) // a version that could not be mirrored yet has no sum in the lock
	}
	return f, true
}

// meant returns the versions that the query of an ask led to in an earlier run, if
// it is only what those need that has to be found out.
func (c *collector) meant(a ask) []module.Version {
	if c.lock == nil || c.update || a.id == "" {
		return nil
	}
	if l := c.lock.Source(a.id); l != nil {
		return l.Means
	}
	return nil
}

// relock takes note of what an ask came to. If that is not all, it is asked again in
// the next run, but not what its query led to; what was locked for it stays if nothing is known.
func (c *collector) relock(a ask, f findings) {
	if a.id == "" {
		return
	}
	switch {
	case len(f.problems) == 0 && len(f.warnings) > 0 && len(f.means) > 0:
		c.partial = true
		c.relocks = append(c.relocks, mirrorfile.Locked{ID: a.id, Fingerprint: a.fingerprint, Means: f.means})
		return
	case len(f.problems)+len(f.warnings) > 0:
		c.keep(a.id)
		return
	}
	l := mirrorfile.Locked{ID: a.id, Fingerprint: a.fingerprint}
	byModule := make(map[module.Version]int)
	for _, it := range f.items {
		for _, name := range it.Revisions {
			l.Revisions = append(l.Revisions, mirrorfile.Revision{Path: it.Module.Path, Name: name, Version: it.Module.Version})
		}
		if at, known := byModule[it.Module]; known {
			l.Needs[at].ModOnly = l.Needs[at].ModOnly && it.ModOnly
			continue
		}
		byModule[it.Module] = len(l.Needs)
		l.Needs = append(l.Needs, mirrorfile.Need{Module: it.Module, ModOnly: it.ModOnly})
	}
	slices.SortFunc(l.Needs, func(a, b mirrorfile.Need) int { return artifact.CompareModules(a.Module, b.Module) })
	c.relocks = append(c.relocks, l)
}

// keep leaves what is locked for an entry as it is.
func (c *collector) keep(id string) {
	c.partial = true
	if c.lock == nil {
		return
	}
	if l := c.lock.Source(id); l != nil {
		c.relocks = append(c.relocks, *l)
	}
}

// addLockedProject adds a project of a mirror file.
func (c *collector) addLockedProject(entry mirrorfile.Project, from string) {
	p, err := project.Load(entry.Dir)
	fingerprint := ""
	if err == nil {
		fingerprint, err = p.Fingerprint()
	}
	if err != nil {
		c.fail("%s: %w", from, err)
		c.keep(entry.ID())
		return
	}
	c.addProject(p, entry.Dir, entry.DownloadAll, ask{
		from: from, id: entry.ID(), fingerprint: fingerprint,
		sums: func() findings { return sumsOf(p, entry.Dir) },
	})
}

// addModule adds a module of a mirror file.
func (c *collector) addModule(m mirrorfile.Module, from string) {
	a := ask{from: from, id: m.ID()}
	if m.Query != "" {
		if _, err := parseQuery(m.Path, m.Query); err != nil {
			c.fail("%s: %w", from, err)
			return
		}
		s := seed{path: m.Path, query: m.Query, alone: m.Alone}
		for _, v := range c.meant(a) {
			s.meant = v
		}
		c.ask(s, a)
		return
	}
	meant := c.meant(a)
	a.find = func(ctx context.Context) findings { return c.findSeveral(ctx, m, meant, from) }
	c.asks = append(c.asks, a)
}

// findSeveral finds the versions in a range, or the newest ones: meant, if that is known
// already.
func (c *collector) findSeveral(ctx context.Context, m mirrorfile.Module, meant []module.Version, from string) findings {
	var versions []string
	for _, v := range meant {
		versions = append(versions, v.Version)
	}
	if len(versions) == 0 {
		var err error
		if versions, err = c.several(ctx, m); err != nil {
			return failed("%s: %w", from, err)
		}
	}
	found := make([]findings, len(versions))
	var group errgroup.Group
	group.SetLimit(parallelAsks)
	for i, v := range versions {
		group.Go(func() error {
			it := Item{Module: module.Version{Path: m.Path, Version: v}, From: from}
			found[i] = c.plant(ctx, it, seed{path: m.Path, query: v, alone: m.Alone, chosen: true})
			return nil
		})
	}
	_ = group.Wait() // problems are among the findings
	var f findings
	for _, one := range found {
		f.add(one)
	}
	return f
}

// several returns the versions in a range, or the newest ones. Those that are denied do not
// count.
func (c *collector) several(ctx context.Context, m mirrorfile.Module) ([]string, error) {
	versions, err := c.up.Select(ctx, m.Path, m.Range)
	if err != nil && (m.Latest == 0 || !errors.Is(err, ErrNoMatch)) {
		return nil, err
	}
	versions = slices.DeleteFunc(versions, func(v string) bool {
		return c.permits(module.Version{Path: m.Path, Version: v}) != nil
	})
	if len(versions) == 0 && m.Latest > 0 {
		if versions, err = c.up.Newest(ctx, m.Path, m.Latest); err != nil {
			return nil, err
		}
	}
	if len(versions) == 0 {
		return nil, fmt.Errorf("%s: %w", m.ID(), ErrNoMatch)
	}
	if m.Latest > 0 {
		versions = versions[max(0, len(versions)-m.Latest):]
	}
	return versions, nil
}
