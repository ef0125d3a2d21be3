package upstream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

// ErrNoMatch: upstream knows the module, but no version of it that a query allows.
var ErrNoMatch = errors.New("no version matches")

// Resolve finds the version that a query means; see the go command's
// reference for the queries, and [goproxy.Range] for v1.2 as a bound. A version that has
// its canonical form and fits its path resolves to itself without a request, so it may not exist.
func (u *Upstream) Resolve(ctx context.Context, path, text string) (module.Version, error) {
	q, err := goproxy.ParseQuery(path, text)
	if err != nil {
		return module.Version{}, err
	}
	m := module.Version{Path: path, Version: text}
	if goproxy.IsVersion(m) {
		return m, nil
	}
	var version string
	err = u.walk(ctx, goproxy.File{Version: m, Kind: goproxy.Info}, func(e entry) (err error) {
		switch {
		case e.direct != nil:
			version, _, err = e.direct.resolve(ctx, module.Version{Path: path, Version: goproxy.QueryForGo(text)})
		case q.Revision:
			version, err = u.revision(ctx, e, m)
		default:
			version, err = u.choose(ctx, e, q)
		}
		return err
	})
	if err != nil {
		return module.Version{}, err
	}
	return module.Version{Path: path, Version: version}, nil
}

// revision asks one upstream which version a revision is.
func (u *Upstream) revision(ctx context.Context, e entry, m module.Version) (string, error) {
	v, err := u.versionIn(ctx, e, goproxy.File{Version: m, Kind: goproxy.Info})
	canonical := module.CanonicalVersion(m.Version)
	if errors.Is(err, ErrNotFound) && canonical != "" && canonical != m.Version { // v1.2.3+metadata
		m.Version = canonical
		return u.versionIn(ctx, e, goproxy.File{Version: m, Kind: goproxy.Info})
	}
	return v, err
}

// versionIn reads the version named by an .info file.
func (u *Upstream) versionIn(ctx context.Context, e entry, w goproxy.File) (string, error) {
	data, err := u.read(ctx, e, w, MaxInfo)
	if err != nil {
		return "", err
	}
	var info struct{ Version string }
	if err := json.Unmarshal(data, &info); err != nil {
		return "", fmt.Errorf("%w: not a version description: %w", ErrUpstream, err)
	}
	if err := goproxy.Check(module.Version{Path: w.Path, Version: info.Version}); err != nil {
		return "", fmt.Errorf("%w: it says version %q: %w", ErrUpstream, info.Version, err)
	}
	return info.Version, nil
}

// choose picks a version from those one upstream lists.
func (u *Upstream) choose(ctx context.Context, e entry, q *goproxy.Query) (string, error) {
	c, retracted, err := u.listed(ctx, e, q.Path)
	if err != nil {
		return "", err
	}
	if v, err := u.best(ctx, e, q, c, retracted); v != "" || err != nil {
		return v, err
	}
	if q.Latest {
		v, err := u.newestCommit(ctx, e, q.Path, c)
		switch {
		case err == nil && q.Allows(v) && retraction(retracted, v) == nil:
			return v, nil
		case err != nil && (c.highest() == "" || !errors.Is(err, ErrNotFound)):
			return "", err
		}
	}
	v, err := u.best(ctx, e, q, c, nil)
	if v == "" || err != nil {
		return "", cmp.Or(err, ErrNoMatch)
	}
	why := retractedError(module.Version{Path: q.Path, Version: v}, retraction(retracted, v))
	return "", fmt.Errorf("%w: every version of %s that would is retracted: %w", ErrNoMatch, q.Path, why)
}

// best returns the tagged version that a query means, or "".
func (u *Upstream) best(ctx context.Context, e entry, q *goproxy.Query, c versions, retracted []*modfile.Retract) (string, error) {
	allows := func(v string) bool { return q.Allows(v) && retraction(retracted, v) == nil }
	releases, prereleases, err := u.tagged(ctx, e, q.Path, c, allows, q.Incompatible)
	return q.Pick(releases, prereleases), err
}
