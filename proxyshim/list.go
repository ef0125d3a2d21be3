package proxyshim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/proxyshim/cache"
	"github.com/modferry/modferry/proxyshim/events"
	"github.com/modferry/modferry/registry"
)

// listingExt is the extension of a stored listing; the file "list" beside it is for those who use the directory as a
// proxy.
const listingExt = ".json"

// listing is what a store has of a module.
type listing struct {
	Versions  []string `json:"versions"`          // full versions, in semver order
	ModOnly   []string `json:"modOnly,omitempty"` // those of which there is go.mod only
	Revisions []string `json:"revisions"`         // the names of the recorded revisions that a tag can show, sorted

	body   []byte // the answer to @v/list
	latest string // the answer to @latest, or ""
}

// derive fills in what follows from the versions.
func (l *listing) derive() {
	l.body = nil
	for _, v := range l.Versions {
		if !module.IsPseudoVersion(v) {
			l.body = append(append(l.body, v...), '\n')
		}
	}
	l.latest = latest(l.Versions)
}

// newListings returns the source of listings, each under its module's path.
func (h *Handler) newListings() *source[*cache.Answer[listing]] {
	h.listed = cache.NewAnswers(h.cache, cache.AnswersOptions[listing]{
		Name: listName, Ext: listingExt, Derive: (*listing).derive, Text: func(l *listing) []byte { return l.body },
	})
	return &source[*cache.Answer[listing]]{kind: "list", anyone: true, fetch: h.fetchListing, cache: h.listed}
}

// listName returns the name of the file "list" of a module.
func listName(m module.Version) (string, error) {
	return goproxy.File{Version: m, Kind: goproxy.List}.Name()
}

func (h *Handler) fetchListing(
	ctx context.Context, _ sign.Verifier, store *registry.Store, m module.Version, _ *cache.Answer[listing],
) (*cache.Answer[listing], error) {
	versions, revisions, err := store.Listing(ctx, m.Path)
	if err != nil {
		return nil, err
	}
	l := &cache.Answer[listing]{Confirmation: h.confirmation(m, store, ""), Value: listing{Revisions: revisions}}
	for _, v := range versions { // full before mod-only
		if full := l.Value.Versions; !v.ModOnly {
			l.Value.Versions = append(full, v.Version)
		} else if len(full) == 0 || full[len(full)-1] != v.Version {
			l.Value.ModOnly = append(l.Value.ModOnly, v.Version)
		}
	}
	h.dropForeign(ctx, store, m.Path, &l.Value)
	h.listed.Put(l)
	return l, nil
}

const (
	// maxForeign is how many tags that are no module versions a listing is freed of, a request each.
	maxForeign = 20
	// foreignPatience is how long that may take. A version whose scan has not ended, say, is waited for by who wants it.
	foreignPatience = 2 * time.Second
)

// dropForeign drops what has the tag of the latest version and is no module version at all: whoever may push to the
// registry can put anything there, and the go command takes the highest that is listed. If that leaves nothing,
// nothing is dropped: it must not look as if the module did not exist.
func (h *Handler) dropForeign(ctx context.Context, store *registry.Store, path string, l *listing) {
	ctx, cancel := context.WithTimeout(ctx, foreignPatience)
	defer cancel()
	left := slices.Clone(l.Versions)
	for range maxForeign {
		m := module.Version{Path: path, Version: latest(left)}
		if m.Version == "" {
			return
		}
		if h.isCached(m, kindInfo) {
			break
		}
		_, err := store.FindKind(ctx, m, false)
		if !errors.Is(err, artifact.ErrNotModule) {
			break
		}
		h.log.Error("what has this tag is no module version, and is left out of the list; find out who pushed it, and delete it",
			"module", path, "tag", m.Version, "error", err)
		left = slices.DeleteFunc(left, func(v string) bool { return v == m.Version })
	}
	l.Versions = left
}

// listing returns the listing of a module. If anew is set, something was not in the one that is kept.
func (h *Handler) listing(ctx context.Context, path string, anew bool) (*cache.Answer[listing], error) {
	m, event := module.Version{Path: path}, events.Of(ctx)
	cached := event != nil && fresh(h, h.listings, h.policy(), m, h.maxAge(anew)) != nil
	l, err := ask(ctx, h, h.listings, m, h.maxAge(anew), anew)
	if event != nil {
		event.Cached = cached
	}
	return l, err
}

// extendListing makes a listing that lacks a version just read from the store due.
func (h *Handler) extendListing(e *cache.Entry) {
	m := module.Version{Path: e.Module.Path}
	if l := h.listed.Get(m); l != nil && e.ZipLayer != nil && !slices.Contains(l.Value.Versions, e.Module.Version) {
		h.listed.Outdate(m)
	}
}

// serveList answers <module>/@v/list.
func (h *Handler) serveList(w http.ResponseWriter, r *http.Request, q request) error {
	answer, err := h.listing(r.Context(), q.module.Path, false)
	if err != nil {
		return err
	}
	l, err := h.permitted(q.module.Path, &answer.Value)
	if err != nil {
		return err
	}
	send(w, typeText, l.body)
	return nil
}

// permitted returns l without the versions that the policy denies, so that nobody chooses one. If it denies all full
// versions, the error says why.
func (h *Handler) permitted(path string, l *listing) (*listing, error) {
	policy := h.policy()
	var refusal error
	denied := func(version string) bool {
		m := module.Version{Path: path, Version: version}
		err := policy.Deny(sign.Subject{Module: m})
		if err != nil {
			refusal = fmt.Errorf("%s: %w", m, err)
		}
		return err != nil
	}
	if !slices.ContainsFunc(l.Versions, denied) && !slices.ContainsFunc(l.ModOnly, denied) {
		return l, nil
	}
	left := slices.DeleteFunc(slices.Clone(l.Versions), denied)
	if len(left) == 0 && len(l.Versions) > 0 {
		return nil, refusal
	}
	l = &listing{Versions: left, ModOnly: slices.DeleteFunc(slices.Clone(l.ModOnly), denied), Revisions: l.Revisions}
	l.derive()
	return l, nil
}

// latest returns what @latest means among versions: the highest release, else the highest pre-release, else the
// newest pseudo-version; "" among none.
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
