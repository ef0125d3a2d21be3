package proxyshim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

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
		if l, err = h.listing(r.Context(), q); err != nil {
			return err
		}
		if l.latest == "" {
			return noLatest(l.Path, l.Store)
		}
		err = h.serveFile(w, r, module.Version{Path: l.Path, Version: l.latest}, infoExt)
		if !errors.Is(err, registry.ErrNotFound) {
			return err
		}
		h.outdate(l) // the version went after the listing was made
	}
	return err
}

// serveRevision answers <module>/@v/<revision>.info as far as a tag listing can:
// v2.0.0 for v2.0.0+incompatible, and a commit for its pseudo-version.
func (h *Handler) serveRevision(w http.ResponseWriter, r *http.Request, q request) error {
	l, err := h.listing(r.Context(), q)
	if err != nil {
		return err
	}
	m := module.Version{Path: l.Path, Version: matchRevision(l.Versions, q.name)}
	unknown := &absence{text: plain(fmt.Sprintf("not found: revision %s of %s is not known in %s", q.name, l.Path, l.Store))}
	if m.Version == "" {
		return unknown
	}
	if module.IsPseudoVersion(m.Version) {
		if ok, err := h.isCommit(r.Context(), m, q.name); err != nil {
			return err
		} else if !ok {
			return unknown
		}
	}
	return h.serveFile(w, r, m, infoExt)
}

// minCommit is the shortest abbreviation of a commit that is looked up.
const minCommit = 7

// matchRevision returns the one version that revision can mean, or "". Of a commit
// a pseudo-version only has the first 12 digits.
func matchRevision(versions []string, revision string) string {
	match := ""
	for _, v := range versions {
		if v == revision+"+incompatible" {
			return v
		}
		if len(revision) < minCommit || !module.IsPseudoVersion(v) {
			continue
		}
		commit, err := module.PseudoVersionRev(v)
		if err != nil || !strings.HasPrefix(revision, commit) && !strings.HasPrefix(commit, revision) {
			continue
		}
		if match != "" {
			return ""
		}
		match = v
	}
	return match
}

// isCommit reports whether m is of a commit that begins with prefix, as far as
// its .info says.
func (h *Handler) isCommit(ctx context.Context, m module.Version, prefix string) (bool, error) {
	f, _, err := h.open(ctx, m, infoExt)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var info struct{ Origin struct{ Hash string } }
	data, err := io.ReadAll(f)
	if err == nil {
		err = json.Unmarshal(data, &info)
	}
	return info.Origin.Hash == "" || strings.HasPrefix(info.Origin.Hash, prefix), err
}
