package source

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// A chooser finds out which module, version and commit the options mean.
type chooser struct {
	Options
	repo  *repo
	all   []tag
	dirty bool
}

func (c *chooser) choose(ctx context.Context) (*choice, error) {
	if err := c.lookForChanges(ctx); err != nil {
		return nil, err
	}
	var err error
	if c.all, err = c.repo.tags(ctx); err != nil {
		return nil, err
	}
	var found *choice
	if c.Version != "" && !module.IsPseudoVersion(c.Version) {
		found, err = c.tagged(ctx)
		if err == nil && found == nil && c.Revision == "" && c.dirty {
			return c.asItIs(ctx)
		}
	}
	if err == nil && found == nil {
		found, err = c.untagged(ctx)
	}
	if err != nil {
		return nil, err
	}
	c.complete(found)
	return found, nil
}

// lookForChanges does so unless it does not matter: somebody who names a revision means that.
func (c *chooser) lookForChanges(ctx context.Context) error {
	if c.Revision != "" {
		return nil
	}
	changes, err := c.repo.changes(ctx)
	if err != nil {
		return err
	}
	c.dirty = len(changes) > 0
	if c.dirty && !c.AllowDirty {
		return fmt.Errorf("%w: %s; commit them, or name the revision to publish", ErrDirty, few(changes))
	}
	return nil
}

// tagged looks for the commit that the version's tag is on. It is nil if there is no such tag.
func (c *chooser) tagged(ctx context.Context) (*choice, error) {
	var found []*choice
	var refused error
	for _, name := range c.tagNames() {
		t := c.tag(name)
		if t == nil {
			continue
		}
		one, err := c.at(ctx, *t)
		switch {
		case err == nil:
			found = append(found, one)
		case refused == nil:
			refused = fmt.Errorf("tag %s: %w", name, err)
		}
	}
	switch {
	case len(found) > 1:
		return nil, fmt.Errorf("%w: it could be that of tag %s or of tag %s", ErrVersion, found[0].tag(c.Version), found[1].tag(c.Version))
	case len(found) == 0:
		return nil, refused
	}
	return found[0], c.matchesRevision(ctx, found[0])
}

// tagNames are the names that the version's tag may have, which depends on the
// module path and so on what the tag is on.
func (c *chooser) tagNames() []string {
	base := withoutIncompatible(c.Version)
	var names []string
	for _, dir := range candidates(c.repo.at, c.Module) {
		if path.Base(dir) == semver.Major(base) {
			names = append(names, path.Join(parent(dir), base))
		}
		names = append(names, path.Join(dir, base))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (c *chooser) tag(name string) *tag {
	i, ok := slices.BinarySearchFunc(c.all, name, func(t tag, name string) int { return strings.Compare(t.name, name) })
	if !ok {
		return nil
	}
	return &c.all[i]
}

// at is the version as its tag has it.
func (c *chooser) at(ctx context.Context, t tag) (*choice, error) {
	commit, err := c.repo.commit(ctx, t.hash)
	if err != nil {
		return nil, err
	}
	read := c.repo.reader(commit)
	s, err := locate(ctx, read, c.repo.at, c.Module)
	if err != nil {
		return nil, err
	}
	if s.tag(c.Version) != t.name {
		return nil, fmt.Errorf("%w: the tags of %s in %s begin with %q", ErrVersion, s.path, s.file(), s.tagPrefix())
	}
	version, err := s.check(ctx, read, withoutIncompatible(c.Version), c.Version)
	if err != nil {
		return nil, err
	}
	return &choice{spot: *s, version: version, repo: c.repo, commit: commit}, nil
}

// matchesRevision refuses a version whose tag is elsewhere than the revision that was asked for.
func (c *chooser) matchesRevision(ctx context.Context, found *choice) error {
	if c.Revision == "" {
		return nil
	}
	r, err := c.repo.resolve(ctx, c.Revision)
	if err != nil {
		return err
	}
	if r.commit.hash != found.commit.hash {
		return fmt.Errorf("%w: tag %s is on commit %s, and %s is commit %s",
			ErrVersion, found.tag(c.Version), found.commit.short(), c.Revision, r.commit.short())
	}
	found.revision = r.public
	return nil
}

// untagged takes the commit that the revision, or the pseudo-version, names, else the one checked out, and gives it
// the version, or finds one for it.
func (c *chooser) untagged(ctx context.Context) (*choice, error) {
	rev := c.Revision
	switch pseudo := module.IsPseudoVersion(c.Version); {
	case rev == "" && pseudo:
		rev, _ = module.PseudoVersionRev(c.Version)
	case rev == "":
		rev = "HEAD"
	}
	r, err := c.repo.resolve(ctx, rev)
	if err != nil {
		return nil, err
	}
	commit := r.commit
	read := c.repo.reader(commit)
	s, err := locate(ctx, read, c.repo.at, c.Module)
	if err != nil {
		return nil, fmt.Errorf("commit %s: %w", commit.short(), err)
	}
	n := namer{spot: s, repo: c.repo, read: read, commit: commit, all: c.all}
	found := &choice{spot: *s, repo: c.repo, commit: commit}
	if c.Revision != "" {
		found.revision = r.public
	}
	switch {
	case c.Version == "":
		asked, ok := strings.CutPrefix(r.tag, s.tagPrefix())
		if !ok || !semver.IsValid(asked) {
			asked = ""
		}
		found.version, err = n.name(ctx, asked)
	case module.IsPseudoVersion(c.Version):
		found.version, err = n.pseudo(ctx, c.Version)
	case c.repo.shallow && c.Revision == "":
		return nil, fmt.Errorf("%w: whether there is a tag %s, on another commit, is not known; fetch the tags (git fetch --tags), or name the revision as well",
			ErrShallow, s.tag(c.Version))
	default:
		found.version, err = s.check(ctx, read, c.Version, c.Version)
		found.note("there is no tag %s: this is commit %s; with the tag, others could check that", s.tag(c.Version), commit.short())
	}
	return found, err
}

// asItIs takes what is in the directory, as the version.
func (c *chooser) asItIs(ctx context.Context) (*choice, error) {
	read := diskReader(c.repo.top)
	s, err := locate(ctx, read, c.repo.at, c.Module)
	if err != nil {
		return nil, err
	}
	version, err := s.check(ctx, read, c.Version, c.Version)
	if err != nil {
		return nil, err
	}
	found := &choice{spot: *s, version: version, repo: c.repo, root: c.repo.top}
	found.note("no commit has this: it is the directory with uncommitted changes, without what git ignores")
	return found, nil
}

// complete adds the tag that stands for the version, if it does.
func (c *chooser) complete(found *choice) {
	if module.IsPseudoVersion(found.version) {
		found.note("%s stands for commit %s, which has no tag for this module", found.version, found.commit.short())
	} else if t := c.tag(found.tag(found.version)); t != nil && t.hash == found.commit.hash {
		found.ref = "refs/tags/" + t.name
	}
	if c.dirty {
		found.note("the uncommitted changes are not in it: it is commit %s", found.commit.short())
	}
}
