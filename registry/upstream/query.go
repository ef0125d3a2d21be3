package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/pattern"
)

// ErrNoMatch: upstream knows the module, but no version of it that a query allows.
var ErrNoMatch = errors.New("no version matches")

// query is what stands after the @ of module@query
// (https://go.dev/ref/mod#version-queries):
//
//	latest                      the highest release, else pre-release, else the newest commit
//	v1, v1.2                    the highest version with that prefix, from v1.0.0 or v1.2.0 on
//	<v1.2.3, <=v1.2.3, <v1.2    the highest version below
//	>v1.2.3, >=v1.2.3, >=v1.2   the lowest version above
//	v1.2.3                      that version
//	commit, branch, other tag   what upstream makes of it
//
// Except for the last two, releases are preferred to pre-releases, and versions
// that the module's author retracted do not count. What is below and above, package
// [pattern] says: to the go command, but not here, v1.2.0-rc.1 is below v1.2.
type query struct {
	path         string
	filter       func(version string) bool
	Revision     bool // upstream resolves it
	lowest       bool // of the matching versions the lowest one is meant
	latest       bool // without tagged versions, the newest commit is meant
	incompatible bool // +incompatible versions count even if there are others
}

// parseQuery parses a query. It makes no request.
func ParseQuery(path, text string) (*query, error) {
	if err := goproxy.CheckNoURL(path); err != nil {
		return nil, err
	}
	if err := module.CheckPath(path); err != nil {
		return nil, err
	}
	q := &query{path: path}
	switch text {
	case "latest":
		q.latest = true
		return q, nil
	case "":
		return nil, fmt.Errorf("%s@: the version is missing; @latest is the newest one", path)
	case "upgrade", "patch", "none":
		return nil, fmt.Errorf("%s@%s only makes sense in a project: name a version, or latest", path, text)
	}
	bound := strings.TrimLeft(text, "<>=")
	switch {
	case isComparison(text) && strings.ContainsAny(text, " ,"):
		return nil, fmt.Errorf("%s@%s has several bounds: a query is one, and for a range there is the mirror file", path, text)
	case isComparison(text):
		q.lowest = text[0] == '>'
	case semver.IsValid(text) && pattern.IsPrefix(text):
		text += " >=" + semver.Canonical(text) // for v1.2 the go command does not choose v1.2.0-rc.1
	default:
		q.Revision = true
		return q, nil
	}
	versions, err := pattern.ParseRange(text)
	if err != nil {
		return nil, fmt.Errorf("%s@%s: %w", path, text, err)
	}
	q.filter, q.incompatible = versions.Contains, !q.matchesMajor(bound)
	return q, nil
}

func isComparison(text string) bool { return text[0] == '<' || text[0] == '>' }

// ForGo returns a query as the go command has to be asked, to which v1.2 is v1.2.0 in a bound.
func ForGo(text string) string {
	if r, err := pattern.ParseRange(text); err == nil && isComparison(text) {
		return r.Explicit()
	}
	return text
}

func (q *query) matchesMajor(v string) bool {
	_, major, ok := module.SplitPathVersion(q.path)
	return ok && module.CheckPathMajor(v, major) == nil
}

func (q *query) allows(v string) bool { return q.filter == nil || q.filter(v) }

// Resolve finds the version that a query means; see the go command's
// reference for the queries, and package [pattern] for v1.2 as a bound. A version that has
// its canonical form and fits its path resolves to itself without a request, so it may not exist.
func (u *Upstream) Resolve(ctx context.Context, path, text string) (module.Version, error) {
	q, err := ParseQuery(path, text)
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
			version, err = e.direct.resolve(ctx, module.Version{Path: path, Version: ForGo(text)})
		case q.Revision:
			version, err = u.revision(ctx, e, m)
		default:
			version, err = u.choose(ctx, e, q)
		}
		return err
	})
	if err != nil {
		return module.Version{}, resolveError(err, text)
	}
	return module.Version{Path: path, Version: version}, nil
}

// resolveError adds a hint to the error for a version without its "v".
func resolveError(err error, text string) error {
	if v := "v" + text; errors.Is(err, ErrNotFound) && semver.Canonical(v) == v {
		return fmt.Errorf("%w; did you mean %s?", err, v)
	}
	return err
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
func (u *Upstream) choose(ctx context.Context, e entry, q *query) (string, error) {
	c, retracted, err := u.listed(ctx, e, q.path)
	if err != nil {
		return "", err
	}
	if v, err := u.best(ctx, e, q, c, retracted); v != "" || err != nil {
		return v, err
	}
	if q.latest {
		v, err := u.newestCommit(ctx, e, q.path, c)
		if err != nil || q.allows(v) && retraction(retracted, v) == nil {
			return v, err
		}
	}
	return "", ErrNoMatch
}

// best returns the tagged version that a query means, or "".
func (u *Upstream) best(ctx context.Context, e entry, q *query, c versions, retracted []*modfile.Retract) (string, error) {
	allows := func(v string) bool { return q.allows(v) && retraction(retracted, v) == nil }
	releases, prereleases, err := u.tagged(ctx, e, q.path, c, allows, q.incompatible)
	return q.pick(releases, prereleases), err
}

func (q *query) pick(lists ...[]string) string {
	for _, list := range lists {
		switch {
		case len(list) == 0:
		case q.lowest:
			return list[0]
		default:
			return list[len(list)-1]
		}
	}
	return ""
}
