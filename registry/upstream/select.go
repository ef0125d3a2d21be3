package upstream

import (
	"context"
	"fmt"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modferry/modferry/artifact/goproxy"
)

// Select returns the releases of a module that a range contains, ascending. Pre-releases are among them if a bound of
// the range is one, or if there is no release. What the module's author retracted is left out, and so are
// +incompatible versions after one with a go.mod, as in queries. If nothing is left, the error is ErrNoMatch.
func (u *Upstream) Select(ctx context.Context, path string, r goproxy.Range) ([]string, error) {
	return u.selection(ctx, path, r.String(), func(e entry) ([]string, error) {
		c, retracted, err := u.listed(ctx, e, path)
		if err != nil {
			return nil, err
		}
		allows := func(v string) bool { return r.Contains(v) && retraction(retracted, v) == nil }
		releases, prereleases, err := u.tagged(ctx, e, path, c, allows, false)
		if len(releases) == 0 || r.HasPrerelease() {
			releases = append(releases, prereleases...)
			semver.Sort(releases)
		}
		return releases, err
	})
}

// Newest returns the newest n releases of a module, or as many as there are, ascending. A module without releases is
// represented by its pre-releases, one without tags by its newest commit. Retracted and +incompatible versions count
// as for Select. If nothing is left, the error is ErrNoMatch.
func (u *Upstream) Newest(ctx context.Context, path string, n int) ([]string, error) {
	if n < 1 {
		return nil, fmt.Errorf("the newest %d versions of %s: at least one must be asked for", n, path)
	}
	return u.selection(ctx, path, fmt.Sprintf("latest %d", n), func(e entry) ([]string, error) {
		c, retracted, err := u.listed(ctx, e, path)
		if err != nil {
			return nil, err
		}
		allows := func(v string) bool { return retraction(retracted, v) == nil }
		releases, prereleases, err := u.tagged(ctx, e, path, c, allows, false)
		switch {
		case err != nil:
			return nil, err
		case len(releases) == 0 && len(prereleases) == 0:
			v, err := u.newestCommit(ctx, e, path, c)
			if err != nil || !allows(v) {
				return nil, err
			}
			return []string{v}, nil
		case len(releases) == 0:
			releases = prereleases
		}
		return releases[max(0, len(releases)-n):], nil
	})
}

// selection asks one upstream after the other for versions. The text says in errors which.
func (u *Upstream) selection(ctx context.Context, path, text string, find func(entry) ([]string, error)) ([]string, error) {
	if err := module.CheckPath(path); err != nil {
		return nil, err
	}
	var found []string
	err := u.walk(ctx, goproxy.File{Version: module.Version{Path: path, Version: text}, Kind: goproxy.List}, func(e entry) (err error) {
		found, err = find(e)
		if err == nil && len(found) == 0 {
			return ErrNoMatch
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}
