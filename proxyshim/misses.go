package proxyshim

import (
	"cmp"
	"slices"
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

// Misses returns what was asked for and not found since the start, each thing
// once, sorted by module, version and query. Of very many the latest are kept.
func (h *Handler) Misses() []Miss {
	misses := h.misses.values()
	slices.SortFunc(misses, func(a, b Miss) int {
		return cmp.Or(
			cmp.Compare(a.Module.Path, b.Module.Path),
			cmp.Compare(a.Module.Version, b.Module.Version),
			cmp.Compare(a.Query, b.Query),
		)
	})
	return misses
}
