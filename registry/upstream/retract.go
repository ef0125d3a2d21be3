package upstream

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/safetext"
)

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
