package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
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

// lockSums gives the items the sums that are locked. Those of what an entry came to stay locked,
// even if it is not among the items now, because it is denied, say. As long as something
// is not found out, nobody can tell which of the sums nothing needs any more.
func (p *Plan) lockSums(lock *mirrorfile.Lock) {
	if p.partial {
		maps.Copy(p.sums, lock.Sums)
	}
	take := func(m module.Version) {
		if s, ok := lock.Sums[m]; ok {
			p.sums[m] = s
		}
	}
	for _, l := range p.locked {
		for _, m := range l.Means {
			take(m)
		}
		for _, n := range l.Needs {
			take(n.Module)
		}
	}
	for i := range p.Items {
		it := &p.Items[i]
		it.Locked = lock.Sums[it.Module]
		take(it.Module)
	}
}

// Stored records the sums of a version that is in the store now; "" = not known.
func (p *Plan) Stored(m module.Version, zip, goMod string) {
	have := p.sums[m]
	p.sums[m] = requirement.Sums{Zip: cmp.Or(zip, have.Zip), GoMod: cmp.Or(goMod, have.GoMod)}
}

// Lock returns the lock for the next run: what the entries of the mirror file came to, and
// the sums of what is mirrored by now.
func (p *Plan) Lock() *mirrorfile.Lock {
	return &mirrorfile.Lock{Sources: p.locked, Sums: maps.Clone(p.sums)}
}

// source returns what is locked of an entry; nil = nothing, or it does not count.
func (c *collector) source(e entry) *mirrorfile.Locked {
	if c.lock == nil || c.update || e.id == "" {
		return nil
	}
	return c.lock.Source(e.id)
}

// locked returns what the lock says about an entry; ok is false if that is nothing, or out of date.
func (c *collector) locked(e entry) (f findings, ok bool) {
	l := c.source(e)
	if l == nil || l.Fingerprint != e.fingerprint || len(l.Means) > 0 {
		return findings{}, false
	}
	f.items = slices.Clone(l.Needs)
	if e.sums != nil {
		f.add(e.sums()) // a version that could not be mirrored yet has no sum in the lock
	}
	return f, true
}

// chosenFor returns the versions that the query of an entry led to in an earlier run, if
// it is only what those need that has to be found out.
func (c *collector) chosenFor(e entry) []module.Version {
	if l := c.source(e); l != nil {
		return l.Means
	}
	return nil
}

// relock adds to the next lock what an entry came to. If that is not all, it is to be found out again in
// the next run, but not what its query led to; what was locked for it stays if nothing is known.
func (c *collector) relock(e entry, f findings) {
	if e.id == "" {
		return
	}
	l := mirrorfile.Locked{ID: e.id, Fingerprint: e.fingerprint}
	switch isPart := f.part || len(f.problems) > 0; {
	case isPart && len(f.chosen) > 0:
		c.partial = true
		l.Means = slices.Concat(c.chosenFor(e), f.chosen) // what was chosen and is denied now, say, is not forgotten
		slices.SortFunc(l.Means, goproxy.Compare)
		l.Means = slices.Compact(l.Means)
	case isPart:
		c.relockAsIs(e.id)
		return
	default:
		set := make(requirement.Set)
		for _, it := range f.items {
			set.Add(requirement.Requirement{Module: it.Module, ModOnly: it.ModOnly, Revisions: it.Revisions})
		}
		l.Needs = set.Sorted()
	}
	c.relocks = append(c.relocks, l)
}

// relockAsIs leaves what is locked for an entry as it is.
func (c *collector) relockAsIs(id string) {
	c.partial = true
	if c.lock == nil {
		return
	}
	if l := c.lock.Source(id); l != nil {
		c.relocks = append(c.relocks, *l)
	}
}
