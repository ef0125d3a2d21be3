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

// triedWithin is how close together the go command asks about the modules that a package may be in:
// for example.com/a/b also about example.com/a and example.com. Of what is missing then, only the
// longest path is somebody's wish.
const triedWithin = 5 * time.Second

// askedBelow says that a module below a path was asked about at some time, in units of triedWithin.
type askedBelow struct {
	path string
	when int64
}

// noteAsked records for the paths above a module that it is asked about.
func (h *Handler) noteAsked(q request) {
	switch q.kind {
	case kindList, kindLatest, kindRevision, kindInfo:
	default:
		return
	}
	when := interval(h.now())
	for i := strings.LastIndexByte(q.module.Path, '/'); i > 0; i = strings.LastIndexByte(q.module.Path[:i], '/') {
		h.below.update(askedBelow{q.module.Path[:i], when}, func(*struct{}) {})
	}
}

func interval(t time.Time) int64 { return t.UnixNano() / int64(triedWithin) }

// isTried reports whether a miss was merely tried, on the way to a module below.
func (h *Handler) isTried(m Miss) bool {
	if !m.asksWhat() {
		return false
	}
	for _, near := range [...]int64{-1, 0, 1} {
		if _, ok := h.below.get(askedBelow{m.Module.Path, interval(m.Last) + near}); ok {
			return true
		}
	}
	return false
}

// asksWhat reports whether the go command wanted to know what there is, rather than to have what it
// knew of.
func (m Miss) asksWhat() bool { return m.Module.Version == "" || m.Named }

// Misses returns what was asked for and not found since the start, each thing
// once, sorted by module, version and query. Of very many the latest are kept. What
// the go command merely tried is left out.
func (h *Handler) Misses() []Miss {
	misses := h.misses.values()
	misses = slices.DeleteFunc(misses, h.isTried)
	slices.SortFunc(misses, func(a, b Miss) int {
		return cmp.Or(
			cmp.Compare(a.Module.Path, b.Module.Path),
			cmp.Compare(a.Module.Version, b.Module.Version),
			cmp.Compare(a.Query, b.Query),
		)
	})
	return misses
}
