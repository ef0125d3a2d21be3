package proxyshim

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/module"
)

// Miss is something that was asked for and that the store does not have.
type Miss struct {
	Module      module.Version // without Version for a query
	Query       string         // "list", "latest" or a revision; empty when Module has a Version
	Named       bool           // it was the .info of Module that was asked for first, as when somebody names a version to "go get"
	Count       int            // how often it was asked for
	First, Last time.Time      // when
}

// maxMisses bounds what is remembered of misses and of absence, in entries.
const maxMisses = 10_000

type missKey struct {
	module module.Version
	query  string
}

func keyOf(q request) missKey {
	key := missKey{module: q.module}
	switch q.kind {
	case kindList:
		key.query = "list"
	case kindLatest:
		key.query = "latest"
	case kindRevision:
		key.query = q.name
	}
	return key
}

// misses is what a handler remembers of what it did not have: everything, and of that
// what somebody wishes for. It is safe for concurrent use.
type misses struct {
	all    *lru[missKey, Miss]
	wishes *lru[missKey, Miss]
	tried  tried

	mu     sync.Mutex
	doubts []doubt // not resolved yet
}

func newMisses() *misses {
	return &misses{
		all: newLRU[missKey, Miss](maxMisses), wishes: newLRU[missKey, Miss](maxMisses),
		tried: tried{below: newLRU[askedBelow, answers](maxMisses), there: newLRU[askedBelow, time.Time](maxMisses)},
	}
}

// add records that q could not be answered.
func (m *misses) add(q request, now time.Time) {
	key := keyOf(q)
	named := q.kind == kindInfo
	m.all.update(key, func(miss *Miss) {
		miss.ask(key, named, now)
		named = miss.Named
	})
	if !asksWhat(q.kind) {
		m.wish(occasion{key, named, now})
		return
	}
	m.note(q, true, now)
	if early, ok := m.tried.hold(occasion{key, named, now}); ok {
		m.wish(early)
	}
}

// note records that q was answered, and whether with its absence.
func (m *misses) note(q request, missed bool, now time.Time) {
	if asksWhat(q.kind) {
		m.settle(now.Add(-burst))
		m.tried.note(q, missed, now)
	}
}

// found records that q was answered with what it asked for.
func (m *misses) found(q request, now time.Time) {
	if asksWhat(q.kind) {
		m.tried.there.update(askedBelow{q.module.Path, what(keyOf(q))}, func(at *time.Time) { *at = now })
	}
	m.note(q, false, now)
}

// settle decides of the occasions before a time which of them were wishes. Of too many doubts, the latest are taken
// for wishes.
func (m *misses) settle(before time.Time) {
	wishes, doubts := m.tried.settle(before)
	for _, o := range wishes {
		m.wish(o)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range doubts {
		if len(m.doubts) < maxMisses {
			m.doubts = append(m.doubts, d)
		} else {
			m.wish(d.occasion)
		}
	}
}

// takeDoubts returns the doubts to resolve, each once.
func (m *misses) takeDoubts() []doubt {
	m.mu.Lock()
	defer m.mu.Unlock()
	doubts := m.doubts
	m.doubts = nil
	return doubts
}

func (m *misses) wish(o occasion) {
	m.wishes.update(o.key, func(miss *Miss) { miss.ask(o.key, o.named, o.at) })
}

// ask counts a miss once more.
func (m *Miss) ask(key missKey, named bool, now time.Time) {
	if m.Count == 0 {
		*m = Miss{Module: key.module, Query: key.query, Named: named, First: now}
	}
	m.Count++
	m.Last = now
}

// Misses returns what was asked for and not found since the start, each thing
// once, sorted by module, version and query. Of very many the latest are kept. What
// the go command merely tried is among them.
func (h *Handler) Misses() []Miss { return sorted(h.misses.all.values()) }

// Wishes returns of the misses those that somebody may want to have, with how often and
// when they were wished for, in the same order. Left out is what the go command merely
// tried. For a package of which it does not know the module it asks in parallel for
// every path that could be: for example.com/a/b@v1.0.0 about example.com/a/b,
// example.com/a and example.com. Who watches the requests cannot tell that from
// somebody who named several of them, so this is the rule:
//
//   - A file of a version that something names, .mod or .zip, was never merely tried.
//   - What was asked of a path was merely tried if within two seconds the same was asked
//     of a path below it: about the same version, the same revision, or both times what
//     there is. Whether that was found does not matter.
//   - But the root of a repository, at a host that says which paths are some (see
//     [Repository]), was not, if what was asked below it was not found either: there is
//     such a module, and mirror finds it, although perhaps not in that version.
//
// So the longest path is a wish, unless it is a package of a module above that was asked the
// same and found: whether it is, the zip of that module tells, which is fetched for that
// if need be. If it is a package of a module that is not there, mirror goes up from it. A wish too
// much is an error that mirror names; one too few, nobody knows of.
//
// A miss is judged once, and each time it is asked for by itself. What was asked for
// within the last two seconds is judged, and returned, later, unless last says that
// there will be no later.
func (h *Handler) Wishes(last bool) []Miss {
	before := h.now().Add(-burst)
	if last {
		before = before.Add(2 * burst)
	}
	h.misses.settle(before)
	for _, d := range h.misses.takeDoubts() {
		if !h.isProvided(d) {
			h.misses.wish(d.occasion)
		}
	}
	return sorted(h.misses.wishes.values())
}

func sorted(misses []Miss) []Miss {
	slices.SortFunc(misses, func(a, b Miss) int {
		return cmp.Or(
			cmp.Compare(a.Module.Path, b.Module.Path),
			cmp.Compare(a.Module.Version, b.Module.Version),
			cmp.Compare(a.Query, b.Query),
		)
	})
	return misses
}
