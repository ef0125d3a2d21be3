package proxyshim

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/proxyshim/cache"
	"github.com/modferry/modferry/registry"
)

// listingExt is the extension of a stored listing; the file "list" beside it is
// for those who use the directory as a proxy.
const listingExt = ".json"

// listing is what a store has of a module. It never changes.
type listing struct {
	Format   int       `json:"format"`
	Path     string    `json:"path"`
	Store    string    `json:"store"`
	Checked  time.Time `json:"checked"`
	Withheld bool      `json:"withheld,omitempty"` // when last asked, the store did not give one
	Versions []string  `json:"versions"`           // full versions, in semver order
	// Revisions are the names of the recorded revisions that a tag can show, sorted. None
	// is not nil.
	Revisions []string `json:"revisions"`

	body   []byte // the answer to @v/list
	latest string // the answer to @latest, or ""
}

// derive fills in what follows from the versions.
func (l *listing) derive() *listing {
	var body []byte
	for _, v := range l.Versions {
		if !module.IsPseudoVersion(v) {
			body = append(append(body, v...), '\n')
		}
	}
	l.body, l.latest = body, latest(l.Versions)
	return l
}

// newListings returns the keeper of listings, each under its module's path.
func (h *Handler) newListings() *keeper[listing] {
	return &keeper[listing]{
		kind: "list", fetch: h.fetchListing, load: h.loadListing, drop: h.dropListing,
		withhold: func(l listing) error { l.Withheld = true; return h.putListing(&l) },
		checked:  func(l *listing) time.Time { return l.Checked },
		trusted:  func(l *listing) bool { return !l.Withheld }, // for what it leads to is verified
	}
}

// serveList answers <module>/@v/list.
func (h *Handler) serveList(w http.ResponseWriter, r *http.Request, q request) error {
	l, err := ask(r.Context(), h, h.listings, q.module, false)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", typeText)
	header.Set("Content-Length", strconv.Itoa(len(l.body)))
	_, _ = w.Write(l.body)
	return nil
}

func (h *Handler) fetchListing(ctx context.Context, store *registry.Store, m module.Version) (*listing, error) {
	listed, revisions, err := store.Listing(ctx, m.Path)
	if err != nil {
		return nil, err
	}
	l := &listing{Format: cache.VerdictFormat, Path: m.Path, Store: store.String(), Checked: h.now()}
	l.Revisions = append([]string{}, revisions...)
	for _, v := range listed {
		if !v.ModOnly {
			l.Versions = append(l.Versions, v.Version)
		}
	}
	l.derive()
	if err := h.putListing(l); err != nil {
		h.log.Warn("keeping a listing in the cache", "module", m.Path, "error", err)
	}
	return l, nil
}

// extendListing makes a listing that lacks a version just read from the store due.
func (h *Handler) extendListing(e *cache.Entry) {
	l := h.listings.get(module.Version{Path: e.Module.Path})
	if l == nil || e.ZipLayer == nil || slices.Contains(l.Versions, e.Module.Version) {
		return
	}
	h.outdate(l)
}

// outdate makes l due.
func (h *Handler) outdate(l *listing) {
	outdated := *l
	outdated.Checked = time.Time{}
	h.listings.set(module.Version{Path: l.Path}, &outdated)
}

// listName returns the file of a module's listing, without the directory.
func listName(path string) (string, error) {
	return goproxy.File{Version: module.Version{Path: path}, Kind: goproxy.List}.Name()
}

func (h *Handler) loadListing(m module.Version, store string) *listing {
	name, err := listName(m.Path)
	if err != nil {
		return nil
	}
	var l listing
	if _, err := cache.ReadJSON(h.cache.Path(name)+listingExt, &l); err != nil {
		return nil
	}
	if l.Format != cache.VerdictFormat || l.Path != m.Path || l.Store != store {
		return nil
	}
	if l.Revisions == nil {
		l.Checked = time.Time{} // written when there were no revisions, or by who knows none
	}
	return l.derive()
}

func (h *Handler) putListing(l *listing) error {
	name, err := listName(l.Path)
	if err != nil {
		return err
	}
	if _, err := h.cache.WriteFile(h.cache.Path(name), l.body); err != nil {
		return err
	}
	return h.cache.WriteVerdict(h.cache.Path(name)+listingExt, l)
}

func (h *Handler) dropListing(m module.Version) error {
	name, err := listName(m.Path)
	if err != nil {
		return err
	}
	if err := h.cache.Remove(h.cache.Path(name) + listingExt); err != nil {
		return err
	}
	return h.cache.Remove(h.cache.Path(name))
}

// noLatest says that a known module has nothing to choose from.
func noLatest(path, store string) error {
	return &absence{text: plain(fmt.Sprintf("not found: no full version of %s is in %s", path, strings.TrimSpace(store)))}
}
