package proxyshim

import (
	"cmp"
	"slices"
	"strings"
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

// miss records that q could not be answered.
func (h *Handler) miss(q request) {
	key := missKey{module: q.module}
	switch q.kind {
	case kindLookup:
		if h.sums.isPrivate(q.module.Path) {
			return
		}
	case kindList:
		key.query = "list"
	case kindLatest:
		key.query = "latest"
	case kindRevision:
		key.query = q.name
	}
	now := h.now()
	h.misses.update(key, func(m *Miss) {
		if m.Count == 0 {
			*m = Miss{Module: key.module, Query: key.query, Named: q.kind == kindInfo, First: now}
		}
		m.Count++
		m.Last = now
	})
}

// found records that a question about a module was answered: see triedWithin.
func (h *Handler) found(q request) {
	if q.module.Path == "" || q.kind == kindMod || q.kind == kindZip || q.kind == kindLookup {
		return
	}
	now := h.now()
	h.answered.update(q.module.Path, func(v *answered) { *v = answered{q.module.Path, now} })
}

// answered is a module, and when something about it was asked for last.
type answered struct {
	path string
	last time.Time
}

// triedWithin is how close together the go command asks about the modules that a package may be in:
// for example.com/a/b also about example.com/a and example.com. Of what is missing then, only the
// longest path is somebody's wish.
const triedWithin = 5 * time.Second

// isTried returns a function that reports whether a miss was merely tried.
func (h *Handler) isTried(misses []Miss) func(Miss) bool {
	times := make(map[string][]time.Time) // by the paths above those asked about
	note := func(path string, at time.Time) {
		for i := strings.LastIndexByte(path, '/'); i > 0; i = strings.LastIndexByte(path[:i], '/') {
			times[path[:i]] = append(times[path[:i]], at)
		}
	}
	for _, a := range h.answered.values() {
		note(a.path, a.last)
	}
	for _, m := range misses {
		if m.asksWhat() {
			note(m.Module.Path, m.Last)
		}
	}
	return func(m Miss) bool {
		return m.asksWhat() && slices.ContainsFunc(times[m.Module.Path], func(at time.Time) bool {
			return at.Sub(m.Last).Abs() <= triedWithin
		})
	}
}

// asksWhat reports whether the go command wanted to know what there is, rather than to have what it
// knew of.
func (m Miss) asksWhat() bool { return m.Module.Version == "" || m.Named }

// Misses returns what was asked for and not found since the start, each thing
// once, sorted by module, version and query. Of very many the latest are kept. What
// the go command merely tried is left out.
func (h *Handler) Misses() []Miss {
	misses := h.misses.values()
	misses = slices.DeleteFunc(misses, h.isTried(misses))
	slices.SortFunc(misses, func(a, b Miss) int {
		return cmp.Or(
			cmp.Compare(a.Module.Path, b.Module.Path),
			cmp.Compare(a.Module.Version, b.Module.Version),
			cmp.Compare(a.Query, b.Query),
		)
	})
	return misses
}
