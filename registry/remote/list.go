package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"

	orasremote "oras.land/oras-go/v2/registry/remote"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

// Bounds of a listing, against a registry whose pages never end.
const (
	pageSize = 1000
	maxPages = 10_000
	maxNames = 2_000_000
)

// Tags reads all pages before it yields the first tag: a retry starts over, and nobody should see a tag twice.
func (r *remote) Tags(ctx context.Context, repo string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		const op = "listing tags of"
		var l listing
		err := r.do(ctx, op, repo, "", func(o *orasremote.Repository) error {
			l = listing{}
			return l.changed(o.Tags(ctx, "", l.add))
		})
		if err == nil && len(l.names) == 0 {
			// Some registries (olareg) say so of repositories that they do not know.
			err = r.fail(ctx, op, repo, "", &registry.Error{Err: fmt.Errorf("%w: it has no tags", registry.ErrNotFound)})
		}
		switch {
		case errors.Is(err, registry.ErrNotFound):
			err = cmp.Or(r.confirmAbsence(ctx, op, repo, "", 0), err)
		case err == nil:
			err = r.confirmAbsence(ctx, op, repo, "", listingAge)
		}
		l.yield(err, yield)
	}
}

// Repositories implements registry.Lister.
func (r *remote) Repositories(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var l listing
		err := r.c.retry(ctx, func() error {
			l = listing{}
			reg := &orasremote.Registry{RepositoryListPageSize: pageSize}
			reg.Client, reg.PlainHTTP, reg.Reference.Registry = r.http, r.at.plain, r.at.host
			return r.fail(ctx, "listing repositories of", "", "", reg.Repositories(ctx, "", l.add))
		})
		if prefix := r.name(""); prefix != "" {
			l.below(prefix + "/")
		}
		l.yield(noCatalog(err), yield)
	}
}

// noCatalog explains a refusal to list repositories, which registries keep for administrators or do not offer.
func noCatalog(err error) error {
	var e *registry.Error
	if !errors.As(err, &e) {
		return err
	}
	const others = "name the modules, or have mirror keep the index that it signs in this store"
	refused := *e
	switch {
	case errors.Is(e.Err, errTokenRefused): // whatever is asked for
		return err
	case e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden:
		refused.Err = fmt.Errorf("%w: %w", registry.ErrDenied, e.Err)
		refused.Hint = "the account may not read the registry's catalog, which takes a permission of its own (Harbor: a system robot with catalog: read): " + others
	case e.Status == http.StatusNotFound || errors.Is(e.Err, registry.ErrUnsupported):
		refused.Err, refused.Hint = registry.ErrUnsupported, "the registry has no catalog: "+others
	default:
		return err
	}
	return &refused
}

// listing collects the pages of a listing.
type listing struct {
	names []string
	pages int
}

func (l *listing) add(page []string) error {
	l.pages++
	for _, name := range page {
		if len(name) <= maxRepository { // no tag and no repository is longer
			l.names = append(l.names, name)
		}
	}
	if l.pages > maxPages || len(l.names) > maxNames {
		return fmt.Errorf("%w: the listing has more than %d pages or %d names", artifact.ErrLimit, maxPages, maxNames)
	}
	return nil
}

// changed explains an error of a page that is not the first: some registries (zot) do not know the tag that the page
// before ended with if it is gone meanwhile, and answer like for a repository that does not exist.
func (l *listing) changed(err error) error {
	var e *registry.Error
	if l.pages == 0 || !errors.As(err, &e) || e.Status != http.StatusNotFound {
		return err
	}
	again := *e
	again.Err = fmt.Errorf("%w: the list changed while it was read", registry.ErrUnavailable)
	again.Hint = ""
	return &again
}

// below keeps the names with a prefix, without it.
func (l *listing) below(prefix string) {
	kept := l.names[:0]
	for _, name := range l.names {
		if name, ok := strings.CutPrefix(name, prefix); ok {
			kept = append(kept, name)
		}
	}
	l.names = kept
}

func (l *listing) yield(err error, yield func(string, error) bool) {
	if err != nil {
		yield("", err)
		return
	}
	for _, name := range l.names {
		if !yield(name, nil) {
			return
		}
	}
}
