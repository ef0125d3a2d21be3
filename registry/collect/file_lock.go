package collect

import (
	"cmp"
	"maps"
	"slices"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/collect/mirrorfile"
	"github.com/modferry/modferry/registry/requirement"
)

// pin gives the items the sums that are locked. Those of what an entry came to stay locked,
// even if it is not among the items now, because it is denied, say. As long as something
// is not found out, nobody can tell which of the sums nothing needs any more.
func (p *Plan) pin(lock *mirrorfile.Lock) {
	if p.partial {
		maps.Copy(p.sums, lock.Sums)
	}
	keep := func(m module.Version) {
		if s, ok := lock.Sums[m]; ok {
			p.sums[m] = s
		}
	}
	for _, l := range p.locked {
		for _, m := range l.Means {
			keep(m)
		}
		for _, n := range l.Needs {
			keep(n.Module)
		}
	}
	for i := range p.Items {
		it := &p.Items[i]
		s := lock.Sums[it.Module]
		it.Locked = requirement.Sums{Zip: s.Zip, GoMod: s.GoMod}
		keep(it.Module)
	}
}

// Stored records the sums of a version that is in the store now; "" = not known.
func (p *Plan) Stored(m module.Version, zip, goMod string) {
	have := p.sums[m]
	p.sums[m] = mirrorfile.Sums{Zip: cmp.Or(zip, have.Zip), GoMod: cmp.Or(goMod, have.GoMod)}
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
		it := requirement.Requirement{Module: n.Module, ModOnly: n.ModOnly, From: a.from}
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
	switch isPart := f.part || len(f.problems)+len(f.warnings) > 0; {
	case isPart && len(f.means) > 0:
		c.partial = true
		// What it meant and is denied now, say, is not forgotten.
		means := slices.Concat(c.meant(a), f.means)
		slices.SortFunc(means, goproxy.Compare)
		means = slices.Compact(means)
		c.relocks = append(c.relocks, mirrorfile.Locked{ID: a.id, Fingerprint: a.fingerprint, Means: means})
		return
	case isPart:
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
	slices.SortFunc(l.Needs, func(a, b mirrorfile.Need) int { return goproxy.Compare(a.Module, b.Module) })
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
