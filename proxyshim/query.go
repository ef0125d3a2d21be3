package proxyshim

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/proxyshim/cache"
	"github.com/modferry/modferry/registry"
)

// revisionExt is the extension of a stored revision; the rest of its file name is that of a version with the revision's
// name.
const revisionExt = ".revision"

// newRevisions returns the source of what recorded revisions mean, each under its name in the place of a version.
func (h *Handler) newRevisions() *source[*cache.Answer[module.Version]] {
	kept := cache.NewAnswers(h.cache, cache.AnswersOptions[module.Version]{Name: goproxy.Base, Ext: revisionExt})
	fetch := func(ctx context.Context, policy sign.Verifier, store *registry.Store, m module.Version, _ *cache.Answer[module.Version]) (*cache.Answer[module.Version], error) {
		fingerprint := policy.Rule(m.Path).Fingerprint
		found, d, err := store.RecordedRevision(ctx, m.Path, m.Version, policy)
		if err != nil {
			return nil, err
		}
		r := &cache.Answer[module.Version]{Confirmation: h.confirmation(m, store, fingerprint), Manifest: d.Digest, Value: found.Module()}
		kept.Put(r)
		return r, nil
	}
	return &source[*cache.Answer[module.Version]]{kind: "revision", fetch: fetch, cache: kept}
}

// serveQuery answers <module>/@latest and <module>/@v/<revision>.info with the .info of the version that is meant. That
// one is verified like any other, whatever led to it.
func (h *Handler) serveQuery(w http.ResponseWriter, r *http.Request, q request) error {
	var err error
	for _, anew := range [...]bool{false, true} {
		var m module.Version
		m, err = h.meaning(r.Context(), q, anew)
		if err == nil {
			err = h.serveFile(w, r, m, goproxy.Info)
		}
		if !errors.Is(err, registry.ErrNotFound) {
			return err
		}
	}
	return err
}

// maxAge is how old an answer of a store may be. Where something was not found by what is kept, an answer as old as
// absence is believed is too old.
func (h *Handler) maxAge(anew bool) time.Duration {
	if anew {
		return h.absent
	}
	return h.recheck
}

// meaning returns the version that a query means. For the revision v2.0.0 that may be v2.0.0+incompatible; then what is
// recorded of that name; then what is recorded of the one commit that begins so; then the pseudo-version of that commit.
// A record that is not trusted is an error, and ends the search.
func (h *Handler) meaning(ctx context.Context, q request, anew bool) (module.Version, error) {
	m := module.Version{Path: q.module.Path}
	answer, err := h.listing(ctx, m.Path, anew)
	if err != nil {
		return m, err
	}
	l, store := &answer.Value, answer.Store
	if q.kind == kindLatest {
		if l, err = h.permitted(m.Path, l); err != nil {
			return m, err
		}
		if m.Version = l.latest; m.Version == "" {
			return m, hint("no full version of %s is in %s", m.Path, store)
		}
		return m, nil
	}
	m.Version = q.name + "+incompatible"
	if slices.Contains(l.Versions, m.Version) {
		return m, nil
	}
	if l.mayRecord(q.name) {
		if m, err := h.recorded(ctx, m.Path, q.name, anew); !errors.Is(err, registry.ErrNotFound) {
			return m, err
		}
	}
	found := l.matchCommit(q.name)
	if found.hash != "" {
		return h.recorded(ctx, m.Path, found.hash, anew)
	}
	if m.Version = found.version; m.Version != "" {
		if is, err := h.isCommit(ctx, m, q.name); is || err != nil {
			return m, err
		}
	}
	if found.ambiguous {
		return m, hint("revision %s of %s is ambiguous: more than one commit in %s begins so; give more of its digits", q.name, m.Path, store)
	}
	return m, hint("revision %s of %s is not known in %s; to add it: %s", q.name, m.Path, store, h.remedy(module.Version{Path: m.Path, Version: q.name}))
}

// recorded returns the version that is recorded under a name.
func (h *Handler) recorded(ctx context.Context, path, name string, anew bool) (module.Version, error) {
	r, err := ask(ctx, h, h.revisions, module.Version{Path: path, Version: name}, h.maxAge(anew), anew)
	if err != nil {
		return module.Version{}, err
	}
	return r.Value, nil
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
	f, _, err := h.open(ctx, m, goproxy.Info)
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
