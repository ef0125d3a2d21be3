package proxyshim

import (
	"errors"
	"net/http"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modferry/modferry/proxyshim/cache"
	"github.com/modferry/modferry/registry"
)

// latest returns what @latest means among versions: the highest release, else
// the highest pre-release, else the newest pseudo-version; "" among none.
func latest(versions []string) string {
	best := ""
	for _, v := range versions {
		if best == "" || prefer(v, best) {
			best = v
		}
	}
	return best
}

// prefer reports whether @latest is a rather than b.
func prefer(a, b string) bool {
	if ra, rb := rank(a), rank(b); ra != rb {
		return ra > rb
	}
	if rank(a) == pseudo {
		ta, _ := module.PseudoVersionTime(a)
		tb, _ := module.PseudoVersionTime(b)
		if !ta.Equal(tb) {
			return ta.After(tb)
		}
	}
	return semver.Compare(a, b) > 0
}

const (
	pseudo = iota
	preRelease
	release
)

func rank(v string) int {
	switch {
	case module.IsPseudoVersion(v):
		return pseudo
	case semver.Prerelease(v) != "":
		return preRelease
	default:
		return release
	}
}

// serveLatest answers <module>/@latest with the .info of that version.
func (h *Handler) serveLatest(w http.ResponseWriter, r *http.Request, q request) error {
	var err error
	for range 2 {
		var l *listing
		if l, err = ask(r.Context(), h, h.listings, q.module, false); err != nil {
			return err
		}
		if l.latest == "" {
			return noLatest(l.Path, l.Store)
		}
		err = h.serveFile(w, r, module.Version{Path: l.Path, Version: l.latest}, cache.InfoExt)
		if !errors.Is(err, registry.ErrNotFound) {
			return err
		}
		h.outdate(l) // the version went after the listing was made
	}
	return err
}
