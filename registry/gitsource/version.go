package gitsource

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// A namer finds the version that the go command gives to a commit.
type namer struct {
	*spot
	repo   *repo
	read   reader // of the commit
	commit *commit
	all    []tag
}

// name returns the version of the commit: the highest of its tags that is
// canonical, fits the module path and is not retracted, else a pseudo-version after the highest
// tag behind it. Asked is the version-like tag that was asked for, if any.
func (n *namer) name(ctx context.Context, asked string) (string, error) {
	retracted := n.retractions(ctx)
	allowed := func(v string) (bool, error) {
		if retracted(v) {
			return false, nil
		}
		if module.MatchPathMajor(v, n.major) {
			return true, nil
		}
		return n.mayBeIncompatible(ctx, n.read, v, asked)
	}
	highest, base := "", ""
	for _, t := range n.all {
		if t.hash != n.commit.hash {
			continue
		}
		v, canonical := versionOf(t.name, n.tagPrefix())
		if asked != "" && semver.Compare(v, asked) == 0 {
			if canonical {
				return n.check(ctx, n.read, v, asked)
			}
			base = v // of several such tags none is the version, so it comes after them
		}
		if !canonical || semver.Compare(v, highest) <= 0 {
			continue
		}
		ok, err := allowed(v)
		if err != nil {
			return "", err
		}
		if ok {
			highest = v
		}
	}
	if module.IsPseudoVersion(highest) {
		return "", fmt.Errorf("%w: tag %s looks like a pseudo-version", ErrVersion, n.tag(highest))
	}
	if highest != "" {
		return n.check(ctx, n.read, highest, asked)
	}
	return n.after(ctx, base, asked, allowed)
}

// after returns the pseudo-version after base, or if that is empty after the highest allowed version behind the commit.
func (n *namer) after(ctx context.Context, base, asked string, allowed func(v string) (bool, error)) (string, error) {
	if n.repo.shallow {
		return "", fmt.Errorf("%w: without the history nobody can say which version comes before commit %s; fetch it all (git fetch --unshallow --tags), or give version and revision",
			ErrShallow, n.commit.short())
	}
	if err := n.repo.hasTags(ctx, "which version comes before commit "+n.commit.short()+" is not known"); err != nil {
		return "", err
	}
	if base == "" {
		names, err := n.repo.merged(ctx, n.commit)
		if err != nil {
			return "", err
		}
		for _, name := range names {
			v, _ := versionOf(name, n.tagPrefix())
			if v == "" || semver.Compare(v, base) <= 0 {
				continue
			}
			ok, err := allowed(v)
			if err != nil {
				return "", err
			}
			if ok {
				base = v
			}
		}
	}
	v := module.PseudoVersion(module.PathMajorPrefix(n.major), base, n.commit.time, n.commit.short())
	return n.check(ctx, n.read, v, asked)
}

// retractions returns what the highest release says of the others. A release that cannot be read retracts nothing.
func (n *namer) retractions(ctx context.Context) func(v string) bool {
	var highest, release *tag
	for i, t := range n.all {
		v, canonical := versionOf(t.name, n.tagPrefix())
		if !canonical || module.IsPseudoVersion(v) || module.CheckPathMajor(v, n.major) != nil {
			continue
		}
		if highest == nil || semver.Compare(v, n.version(highest)) > 0 {
			highest = &n.all[i]
		}
		if semver.Prerelease(v) == "" && (release == nil || semver.Compare(v, n.version(release)) > 0) {
			release = &n.all[i]
		}
	}
	if release == nil {
		release = highest
	}
	var intervals []modfile.VersionInterval
	if release != nil {
		intervals = n.retractedBy(ctx, release.hash)
	}
	return func(v string) bool {
		return slices.ContainsFunc(intervals, func(i modfile.VersionInterval) bool {
			return semver.Compare(i.Low, v) <= 0 && semver.Compare(v, i.High) <= 0
		})
	}
}

func (n *namer) version(t *tag) string {
	v, _ := versionOf(t.name, n.tagPrefix())
	return v
}

// retractedBy returns what the go.mod file that the go command takes at a commit retracts.
func (n *namer) retractedBy(ctx context.Context, hash string) []modfile.VersionInterval {
	goMod, err := n.repo.file(ctx, hash, path.Join(n.codeDir, "go.mod"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if strings.HasPrefix(n.major, "/") {
		below, err := n.repo.file(ctx, hash, path.Join(n.codeDir, n.major[1:], "go.mod"))
		if err == nil && n.sameMajor(modfile.ModulePath(goMod)) || err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			goMod = below
		}
	}
	declared := modfile.ModulePath(goMod)
	// That any gopkg.in path does for v0 and v1 was a mistake (golang.org/issue/34254), and stays.
	if !n.sameMajor(declared) && !(n.major == "" && strings.HasPrefix(declared, "gopkg.in/")) {
		return nil
	}
	f, err := modfile.ParseLax("go.mod", goMod, nil)
	if err != nil {
		return nil
	}
	var intervals []modfile.VersionInterval
	for _, r := range f.Retract {
		intervals = append(intervals, r.VersionInterval)
	}
	return intervals
}

// pseudo checks that a pseudo-version is one of the commit: that the hash and the time are
// the commit's, and that the version it comes after is behind the commit and not on it.
func (n *namer) pseudo(ctx context.Context, v string) (string, error) {
	refuse := func(format string, args ...any) (string, error) {
		return "", fmt.Errorf("%w: %s: %s", ErrVersion, v, fmt.Sprintf(format, args...))
	}
	rev, err := module.PseudoVersionRev(v)
	if err != nil {
		return "", err
	}
	if rev != n.commit.short() {
		return refuse("it must end in %s for this commit", n.commit.short())
	}
	t, err := module.PseudoVersionTime(v)
	if err != nil {
		return refuse("%v", err)
	}
	if !t.Equal(n.commit.time) {
		return refuse("the time of commit %s is %s", rev, n.commit.time.Format(module.PseudoVersionTimestampFormat))
	}
	base, err := module.PseudoVersionBase(withoutIncompatible(v))
	if err != nil {
		return refuse("%v", err)
	}
	if base == "" && n.major == "" && semver.Major(v) == "v1" {
		return refuse("without a version before it the major version must be v0")
	}
	if base != "" {
		if err := n.comesAfter(ctx, v, base); err != nil {
			return "", err
		}
	}
	return n.check(ctx, n.read, v, v)
}

// comesAfter checks that a tag of version base is behind the commit.
func (n *namer) comesAfter(ctx context.Context, v, base string) error {
	there := false
	for _, t := range n.all {
		trimmed, ok := strings.CutPrefix(t.name, n.tagPrefix())
		if !ok || semver.Compare(trimmed, base) != 0 {
			continue
		}
		if t.hash == n.commit.hash && trimmed == base {
			return fmt.Errorf("%w: %s: commit %s has the tag %s itself", ErrVersion, v, n.commit.short(), t.name)
		}
		there = true
		if ok, err := n.repo.descends(ctx, n.commit, t.hash); ok || err != nil {
			return err
		}
	}
	switch {
	case !there:
		return fmt.Errorf("%w: %s: there is no tag %s that it comes after", ErrVersion, v, n.tag(base))
	case n.repo.shallow:
		return fmt.Errorf("%s: whether tag %s is behind commit %s is not known: %w; fetch it all (git fetch --unshallow --tags)", v, n.tag(base), n.commit.short(), ErrShallow)
	}
	return fmt.Errorf("%w: %s: tag %s is not behind commit %s", ErrVersion, v, n.tag(base), n.commit.short())
}
