package gitsource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
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
		if err == nil {
			found = append(found, one)
			continue
		}
		if foreign, e := c.isForeign(ctx, name); e != nil || foreign {
			err = e
		}
		if err != nil && refused == nil {
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

// isForeign says whether a tag, which is not one of the module as it says, is that of a module in another directory than
// the one named is in now.
func (c *chooser) isForeign(ctx context.Context, name string) (bool, error) {
	if c.Module == "" {
		return false, nil
	}
	r, err := c.repo.resolve(ctx, cmp.Or(c.Revision, "HEAD"))
	if err != nil {
		return false, err
	}
	s, err := locate(ctx, c.repo.reader(r.commit), c.repo.at, c.Module)
	if err != nil {
		return false, nil // what is wrong with the tag says more
	}
	return s.tag(c.Version) != name && parent(name) != s.dir, nil
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
		return nil, fmt.Errorf("commit %s: %w", commit.short(), c.unknownToGit(ctx, read, err))
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
	default:
		if err := c.knowsTag(ctx, s.tag(c.Version)); err != nil {
			return nil, err
		}
		found.version, err = s.check(ctx, read, c.Version, c.Version)
		found.note("there is no tag %s: this is commit %s; with the tag, others could check that", s.tag(c.Version), commit.short())
	}
	return found, err
}

// unknownToGit says of a failure to find the module at a commit that it is in the directory only.
func (c *chooser) unknownToGit(ctx context.Context, read reader, err error) error {
	name := path.Join(c.repo.at, "go.mod")
	_, errCommit := read(ctx, name)
	_, errDisk := diskReader(c.repo.top)(ctx, name)
	if errors.Is(err, ErrNoModule) && errors.Is(errCommit, fs.ErrNotExist) && errDisk == nil {
		return fmt.Errorf("%w: there is no %s in it, only in the directory: git ignores that, or it is not committed", ErrNoModule, name)
	}
	return err
}

// knowsTag is an error if a tag that the repository does not have may be on another commit than this one, unless
// somebody who named the revision says that it is not.
func (c *chooser) knowsTag(ctx context.Context, name string) error {
	unknown := fmt.Sprintf("whether there is a tag %s, on another commit, is not known", name)
	switch {
	case c.Revision != "":
		return nil
	case c.repo.shallow:
		return fmt.Errorf("%w: %s; fetch the tags (git fetch --tags), or name the revision as well", ErrShallow, unknown)
	}
	return c.repo.hasTags(ctx, unknown)
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
	if found.files, err = c.repo.known(ctx, s.dir); err != nil {
		return nil, err
	}
	if s.goMod != nil && !slices.Contains(found.files, "go.mod") {
		return nil, fmt.Errorf("%w: git does not know %s: it ignores that, or it is in a submodule", ErrNoModule, s.file())
	}
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
