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
