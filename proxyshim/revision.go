package proxyshim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry"
)

// revisionExt is the extension of a stored revision; the rest of its file name is
// that of a version with the revision's name.
const revisionExt = ".revision"

// recorded is what a recorded revision means, verified. It never changes.
type recorded struct {
	Format   int               `json:"format"`
	Revision artifact.Revision `json:"revision"`
	Store    string            `json:"store"`
	Verifier string            `json:"verifier"` // fingerprint of what accepted it
	Checked  time.Time         `json:"checked"`
	Withheld bool              `json:"withheld,omitempty"` // when last asked, the store did not confirm it
}

// newRevisions returns the keeper of recorded revisions, each under its name in the
// place of a version.
func (h *Handler) newRevisions() *keeper[recorded] {
	return &keeper[recorded]{
		kind: "revision", fetch: h.fetchRevision, load: h.cache.loadRevision, drop: h.cache.dropRevision,
		withhold: func(r recorded) error { r.Withheld = true; return h.cache.putRevision(&r) },
		checked:  func(r *recorded) time.Time { return r.Checked },
		trusted:  func(r *recorded) bool { return !r.Withheld && r.Verifier == h.verifier.Fingerprint() },
	}
}

func (h *Handler) fetchRevision(ctx context.Context, store *registry.Store, m module.Version) (*recorded, error) {
	fingerprint := h.verifier.Fingerprint()
	found, err := store.Revision(ctx, m.Path, m.Version, h.verifier)
	if err != nil {
		return nil, err
	}
	r := &recorded{Format: verdictFormat, Revision: *found, Store: store.String(), Verifier: fingerprint, Checked: h.now()}
	if err := h.cache.putRevision(r); err != nil {
		h.log.Warn("keeping a revision in the cache", "module", m.Path, "revision", m.Version, "error", err)
	}
	return r, nil
}

func (c *cache) loadRevision(m module.Version, store string) *recorded {
	name, err := goproxy.Base(m)
	if err != nil {
		return nil
	}
	var r recorded
	if _, err := readJSON(c.path(name)+revisionExt, &r); err != nil {
		return nil
	}
	if r.Format != verdictFormat || r.Revision.Query() != m || r.Store != store {
		return nil
	}
	return &r
}

func (c *cache) putRevision(r *recorded) error {
	name, err := goproxy.Base(r.Revision.Query())
	if err != nil {
		return err
	}
	return c.writeVerdict(c.path(name)+revisionExt, r)
}

func (c *cache) dropRevision(m module.Version) error {
	name, err := goproxy.Base(m)
	if err != nil {
		return err
	}
	return remove(c.path(name) + revisionExt)
}

// serveRevision answers <module>/@v/<revision>.info with the .info of the version that
// the revision means. That one is verified like any other, whatever led to it.
func (h *Handler) serveRevision(w http.ResponseWriter, r *http.Request, q request) error {
	var err error
	for _, anew := range [...]bool{false, true} {
		var m module.Version
		if m, err = h.meaning(r.Context(), q, anew); err == nil {
			err = h.serveFile(w, r, m, infoExt)
		}
		if !errors.Is(err, registry.ErrNotFound) {
			return err
		}
	}
	return err
}

// meaning returns the version a revision means: for v2.0.0 that may be
// v2.0.0+incompatible; then what is recorded of that name; then what is recorded of the
// one commit that begins so; then the pseudo-version of that commit. A record that is not
// trusted is an error, and ends the search.
func (h *Handler) meaning(ctx context.Context, q request, anew bool) (module.Version, error) {
	l, err := ask(ctx, h, h.listings, q.module, anew)
	if err != nil {
		return module.Version{}, err
	}
	m := module.Version{Path: l.Path, Version: q.name + "+incompatible"}
	if slices.Contains(l.Versions, m.Version) {
		return m, nil
	}
	if l.mayRecord(q.name) {
		if m, err := h.recorded(ctx, l.Path, q.name, anew); !errors.Is(err, registry.ErrNotFound) {
			return m, err
		}
	}
	found := l.matchCommit(q.name)
	if found.hash != "" {
		return h.recorded(ctx, l.Path, found.hash, anew)
	}
	if m.Version = found.version; m.Version != "" {
		if is, err := h.isCommit(ctx, m, q.name); is || err != nil {
			return m, err
		}
	}
	asked := module.Version{Path: l.Path, Version: q.name}
	if found.ambiguous {
		return m, &absence{text: plain(fmt.Sprintf("not found: revision %s of %s is ambiguous: more than one commit in %s begins so; give more of its digits",
			q.name, l.Path, l.Store))}
	}
	return m, &absence{text: plain(fmt.Sprintf("not found: revision %s of %s is not known in %s; to add it: %s",
		q.name, l.Path, l.Store, h.remedy(asked)))}
}

// recorded returns the version that is recorded under a name.
func (h *Handler) recorded(ctx context.Context, path, name string, anew bool) (module.Version, error) {
	r, err := ask(ctx, h, h.revisions, module.Version{Path: path, Version: name}, anew)
	if err != nil {
		return module.Version{}, err
	}
	return r.Revision.Module(), nil
}

// mayRecord reports whether something may be recorded under a name: a listing does not
// show names that do not fit into a tag.
func (l *listing) mayRecord(name string) bool {
	tag, err := artifact.RevisionTag(name)
	if err != nil {
		return false
	}
	_, readable := artifact.ParseRevisionTag(tag)
	return !readable || slices.Contains(l.Revisions, name)
}

// A commitMatch is what a listing tells of the commit that begins with some digits.
type commitMatch struct {
	hash      string // if what it means is recorded
	version   string // else its highest pseudo-version, of which only the first 12 digits of the hash are known
	ambiguous bool   // there is more than one commit
}

// matchCommit returns the one commit that begins with revision. The match is zero if there is none.
func (l *listing) matchCommit(revision string) commitMatch {
	if !goproxy.IsAbbreviatedHash(revision) {
		return commitMatch{}
	}
	var found commitMatch
	for _, name := range l.Revisions {
		if goproxy.IsHash(name) && strings.HasPrefix(name, revision) {
			if found.hash != "" {
				return commitMatch{ambiguous: true}
			}
			found.hash = name
		}
	}
	known := found.hash
	for _, v := range l.Versions {
		if !module.IsPseudoVersion(v) {
			continue
		}
		commit, err := module.PseudoVersionRev(v)
		if err != nil || !strings.HasPrefix(revision, commit) && !strings.HasPrefix(commit, revision) {
			continue
		}
		switch {
		case known == "":
			known, found.version = commit, v
		case !strings.HasPrefix(known, commit):
			return commitMatch{ambiguous: true}
		case found.hash == "" && semver.Compare(v, found.version) > 0:
			found.version = v // of the same commit, after another version
		}
	}
	return found
}

// isCommit reports whether m is of a commit that begins with prefix. Where its .info does not say, that is so as far as
// its version does.
func (h *Handler) isCommit(ctx context.Context, m module.Version, prefix string) (bool, error) {
	f, _, err := h.open(ctx, m, infoExt)
	if err != nil {
		return false, err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return false, err
	}
	hash := artifact.OriginHash(data)
	if hash == "" {
		hash, err = module.PseudoVersionRev(m.Version)
	}
	return strings.HasPrefix(hash, prefix), err
}
