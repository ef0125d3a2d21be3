package mirror

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	modzip "golang.org/x/mod/zip"
)

// versions are the versions an upstream lists, each in semver order.
type versions struct {
	tagged []string
	pseudo []string
}

// candidates sorts out a version list. What is not canonical or does not fit the
// path is left out.
func candidates(list []string, path string) versions {
	var c versions
	for _, v := range list {
		switch {
		case module.CanonicalVersion(v) != v || module.Check(path, v) != nil:
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
	v, err := u.versionIn(ctx, e, want{module.Version{Path: path}, latestFile})
	if errors.Is(err, ErrNotFound) && c.newest() != "" {
		return c.newest(), nil
	}
	return v, err
}

// retractions returns what the go.mod of the given version retracts; a go.mod
// that is absent or cannot be parsed retracts nothing.
func (u *Upstream) retractions(ctx context.Context, e entry, path, version string) ([]*modfile.Retract, error) {
	if version == "" {
		return nil, nil
	}
	data, err := u.read(ctx, e, want{module.Version{Path: path, Version: version}, modFile}, modzip.MaxGoMod)
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

func isRetracted(list []*modfile.Retract, v string) bool {
	return slices.ContainsFunc(list, func(r *modfile.Retract) bool {
		return semver.Compare(r.Low, v) <= 0 && semver.Compare(v, r.High) <= 0
	})
}
