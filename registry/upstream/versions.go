package upstream

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/artifact/goproxy"
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
