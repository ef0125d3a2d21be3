package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/safetext"
)

// versions are the versions an upstream lists, each in semver order.
type versions struct {
	tagged []string
	pseudo []string
}

// candidates sorts out a version list. What is not canonical or does not fit the path is left out.
func candidates(list []string, path string) versions {
	var c versions
	for _, v := range list {
		switch {
		case !goproxy.IsVersion(module.Version{Path: path, Version: v}):
		case module.IsPseudoVersion(v):
			c.pseudo = append(c.pseudo, v)
		default:
			c.tagged = append(c.tagged, v)
		}
	}
	semver.Sort(c.tagged)
	semver.Sort(c.pseudo)
	return c
}

// highest returns the version whose go.mod says which versions are retracted: the
// highest release, else pre-release; "" if there is none.
func (c versions) highest() string {
	for _, v := range slices.Backward(c.tagged) {
		if semver.Prerelease(v) == "" && semver.Build(v) == "" {
			return v
		}
	}
	if len(c.tagged) > 0 {
		return c.tagged[len(c.tagged)-1]
	}
	return ""
}

// newest returns the pseudo-version of the youngest commit; "" if there is none.
func (c versions) newest() string {
	best, at := "", time.Time{}
	for _, v := range c.pseudo {
		if t, err := module.PseudoVersionTime(v); err == nil && t.After(at) {
			best, at = v, t
		}
	}
	return best
}

// newestCommit asks one upstream for the version of the newest commit.
func (u *Upstream) newestCommit(ctx context.Context, e entry, path string, c versions) (string, error) {
	v, err := u.versionIn(ctx, e, goproxy.File{Version: module.Version{Path: path}, Kind: goproxy.Latest})
	if errors.Is(err, ErrNotFound) && c.newest() != "" {
		return c.newest(), nil
	}
	return v, err
}

// listed asks one upstream which versions it has, and which of them are retracted.
func (u *Upstream) listed(ctx context.Context, e entry, path string) (versions, []*modfile.Retract, error) {
	data, err := u.read(ctx, e, goproxy.File{Version: module.Version{Path: path}, Kind: goproxy.List}, maxList)
	if err != nil {
		return versions{}, nil, err
	}
	c := candidates(goproxy.ParseList(data), path)
	retracted, err := u.retractions(ctx, e, path, c.highest())
	return c, retracted, err
}

// tagged returns the releases and the pre-releases that are allowed. Of +incompatible
// versions it leaves out those that, unless incompatible is set, come after an allowed one
// with a go.mod: whoever has that has left +incompatible behind.
func (u *Upstream) tagged(ctx context.Context, e entry, path string, c versions, allows func(string) bool, incompatible bool) (releases, prereleases []string, err error) {
	lastCompatible := ""
	for _, v := range c.tagged {
		if !allows(v) {
			continue
		}
		switch {
		case incompatible:
		case semver.Build(v) != "+incompatible":
			lastCompatible = v
		case lastCompatible != "":
			has, err := u.hasGoMod(ctx, e, module.Version{Path: path, Version: lastCompatible})
			if has || err != nil {
				return releases, prereleases, err
			}
			incompatible = true
		}
		if semver.Prerelease(v) == "" {
			releases = append(releases, v)
		} else {
			prereleases = append(prereleases, v)
		}
	}
	return releases, prereleases, nil
}

// hasGoMod reports whether a version has a go.mod file of its own, rather than the
// one that proxies make up for a module from before modules.
func (u *Upstream) hasGoMod(ctx context.Context, e entry, m module.Version) (bool, error) {
	data, err := u.read(ctx, e, goproxy.File{Version: m, Kind: goproxy.Mod}, modzip.MaxGoMod)
	return err == nil && !bytes.Equal(data, goproxy.GoMod(m.Path)), err
}

// Select returns the releases of a module that a range contains, ascending. Pre-releases are among them if a bound of
// the range is one, or if there is no release. What the module's author retracted is left out, and so are
// +incompatible versions after one with a go.mod, as in queries. If nothing is left, the error is ErrNoMatch.
func (u *Upstream) Select(ctx context.Context, path string, r goproxy.Range) ([]string, error) {
	if err := module.CheckPath(path); err != nil {
		return nil, err
	}
	var found []string
	list := goproxy.File{Version: module.Version{Path: path, Version: r.String()}, Kind: goproxy.List}
	err := u.walk(ctx, list, func(e entry) error {
		c, retracted, err := u.listed(ctx, e, path)
		if err != nil {
			return err
		}
		allows := func(v string) bool { return r.Contains(v) && retraction(retracted, v) == nil }
		releases, prereleases, err := u.tagged(ctx, e, path, c, allows, false)
		if found = releases; len(releases) == 0 || r.HasPrerelease() {
			found = append(found, prereleases...)
			semver.Sort(found)
		}
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

// ErrRetracted: the module's author took a version back.
var ErrRetracted = errors.New("was retracted by its author")

// Retracted returns why a module's author retracted a version: an error that is ErrRetracted and has the author's
// words. It is nil for a version that was not retracted, and for a module of which nobody knows any version; another
// error says that upstream did not tell. As for the go command, it is the highest release that says so, else the
// highest pre-release, else the newest commit.
func (u *Upstream) Retracted(ctx context.Context, m module.Version) error {
	var found *modfile.Retract
	err := u.walk(ctx, goproxy.File{Version: m, Kind: goproxy.List}, func(e entry) error {
		c, list, err := u.listed(ctx, e, m.Path)
		if err == nil && c.highest() == "" {
			var newest string
			if newest, err = u.newestCommit(ctx, e, m.Path, c); err == nil {
				list, err = u.retractions(ctx, e, m.Path, newest)
			}
		}
		found = retraction(list, m.Version)
		return err
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil || found == nil:
		return err
	}
	return retractedError(m, found)
}

// retractedError says that a version is retracted, and why.
func retractedError(m module.Version, r *modfile.Retract) error {
	if why := safetext.Lines([]byte(r.Rationale)); why != "" {
		return fmt.Errorf("%s %w: %s", m, ErrRetracted, why)
	}
	return fmt.Errorf("%s %w", m, ErrRetracted)
}

// retractions returns what the go.mod of the given version retracts; a go.mod
// that is absent or cannot be parsed retracts nothing.
func (u *Upstream) retractions(ctx context.Context, e entry, path, version string) ([]*modfile.Retract, error) {
	if version == "" {
		return nil, nil
	}
	data, err := u.read(ctx, e, goproxy.File{Version: module.Version{Path: path, Version: version}, Kind: goproxy.Mod}, modzip.MaxGoMod)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := modfile.ParseLax("go.mod", data, nil)
	if err != nil {
		return nil, nil
	}
	return f.Retract, nil
}

// retraction returns the entry of the list that retracts a version, or nil.
func retraction(list []*modfile.Retract, v string) *modfile.Retract {
	i := slices.IndexFunc(list, func(r *modfile.Retract) bool {
		return semver.Compare(r.Low, v) <= 0 && semver.Compare(v, r.High) <= 0
	})
	if i < 0 {
		return nil
	}
	return list[i]
}
