package proxyshim

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/module"

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
	Versions []string  `json:"versions"` // full versions, in semver order

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

// listings are the listings in memory.
type listings struct {
	mu     sync.RWMutex
	byPath map[string]*listing
}

func (l *listings) get(path string) *listing {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.byPath[path]
}

func (l *listings) set(path string, v *listing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if v == nil {
		delete(l.byPath, path)
		return
	}
	l.byPath[path] = v
}

// serveList answers <module>/@v/list.
func (h *Handler) serveList(w http.ResponseWriter, r *http.Request, q request) error {
	l, err := h.listing(r.Context(), q)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", typeText)
	header.Set("Content-Length", strconv.Itoa(len(l.body)))
	_, _ = w.Write(l.body)
	return nil
}

// listing returns the listing of q's module, from the store if need be.
func (h *Handler) listing(ctx context.Context, q request) (*listing, error) {
	if l := h.listings.get(q.module.Path); l != nil && !h.due(l.Checked) {
		return l, nil
	}
	key := module.Version{Path: q.module.Path}
	if err := h.knownAbsent(key); err != nil {
		return nil, err
	}
	return share(ctx, h, "list "+q.module.Path, func(ctx context.Context) (*listing, error) {
		return h.refreshListing(ctx, key)
	})
}

// refreshListing brings the listing of a module up to date.
func (h *Handler) refreshListing(ctx context.Context, m module.Version) (*listing, error) {
	store, err := h.stores.For(m.Path)
	if err != nil {
		return nil, err
	}
	old := h.listings.get(m.Path)
	if old == nil {
		old = h.cache.loadListing(m.Path, store.String())
	}
	if old != nil && (!h.due(old.Checked) || h.outages.holds(store.String())) {
		h.listings.set(m.Path, old)
		return old, nil
	}
	if old != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	l, err := h.fetchListing(ctx, store, m.Path)
	switch h.judge(store, err) {
	case settled:
		h.listings.set(m.Path, l)
		return l, nil
	case unreachable:
		if old != nil {
			h.listings.set(m.Path, old)
			return old, nil
		}
	case withdrawn:
		h.listings.set(m.Path, nil)
		if err := h.cache.dropListing(m.Path); err != nil {
			h.log.Error("removing a withdrawn listing from the cache", "module", m.Path, "error", err)
		}
	}
	return nil, h.explain(m, store, err)
}

func (h *Handler) fetchListing(ctx context.Context, store *registry.Store, path string) (*listing, error) {
	listed, err := store.Versions(ctx, path)
	if err != nil {
		return nil, err
	}
	l := &listing{Format: verdictFormat, Path: path, Store: store.String(), Checked: h.now()}
	for _, v := range listed {
		if !v.ModOnly {
			l.Versions = append(l.Versions, v.Version)
		}
	}
	l.derive()
	if err := h.cache.putListing(l); err != nil {
		h.log.Warn("keeping a listing in the cache", "module", path, "error", err)
	}
	return l, nil
}

// extendListing makes a listing that lacks a version just read from the store due.
func (h *Handler) extendListing(e *entry) {
	l := h.listings.get(e.Module.Path)
	if l == nil || e.ZipLayer == nil || slices.Contains(l.Versions, e.Module.Version) {
		return
	}
	h.outdate(l)
}

// outdate makes l due.
func (h *Handler) outdate(l *listing) {
	outdated := *l
	outdated.Checked = time.Time{}
	h.listings.set(l.Path, &outdated)
}

// listName returns the file of a module's listing, without the directory.
func listName(path string) (string, error) {
	escaped, err := module.EscapePath(path)
	return escaped + "/@v/list", err
}

func (c *cache) loadListing(path, store string) *listing {
	name, err := listName(path)
	if err != nil {
		return nil
	}
	var l listing
	if _, err := readJSON(c.path(name)+listingExt, &l); err != nil {
		return nil
	}
	if l.Format != verdictFormat || l.Path != path || l.Store != store {
		return nil
	}
	return l.derive()
}

func (c *cache) putListing(l *listing) error {
	name, err := listName(l.Path)
	if err != nil {
		return err
	}
	if _, err := c.writeFile(c.path(name), l.body); err != nil {
		return err
	}
	return c.writeVerdict(c.path(name)+listingExt, l)
}

func (c *cache) dropListing(path string) error {
	name, err := listName(path)
	if err != nil {
		return err
	}
	if err := remove(c.path(name) + listingExt); err != nil {
		return err
	}
	return remove(c.path(name))
}

// noLatest says that a known module has nothing to choose from.
func noLatest(path, store string) error {
	return &absence{text: plain(fmt.Sprintf("not found: no full version of %s is in %s", path, strings.TrimSpace(store)))}
}
