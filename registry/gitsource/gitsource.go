// Package gitsource makes module files, as a GOPROXY has them, from private source
// code: a directory, or a commit of the git repository it is in.
//
// A commit is given to the go command, which makes the module version as it does with GOPROXY=direct:
// the sums are the same, and what it refuses is refused. The difference is where one starts from: the go
// command knows a module path and looks for the code, here the code is known and says its path.
//
// Nothing is fetched of the module and its repository. Tags, branches and history are those of the repository on
// disk, so it must have them: see [ErrShallow] and [ErrPartial]. Only if go.mod asks for a newer Go than is
// installed may the go command fetch that, as the user has it set up.
package gitsource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modferry/modferry/artifact"
)

// What can be wrong with a source, for errors.Is.
var (
	// ErrDirty: there are changes that no commit has, or files that git does not know.
	ErrDirty = errors.New("there are uncommitted changes")
	// ErrShallow: the repository has a part of its history only, and usually no tags. A pseudo-version cannot be computed from
	// that, nor the commit of a version be known.
	ErrShallow = errors.New("the repository is a shallow clone")
	// ErrNoTags: the repository was cloned without tags, so that there may be a version that it does not know of.
	ErrNoTags = errors.New("the repository is a clone without tags")
	// ErrPartial: the repository is a partial clone, and something failed that may be for lack of files of the commit.
	ErrPartial = errors.New("the repository is a partial clone and may lack files; check the commit out, or clone without --filter")
	// ErrNoModule: the directory, at that commit, is not that of a module.
	ErrNoModule = errors.New("no such module there")
	// ErrVersion: the version cannot be that of this module, or of this commit.
	ErrVersion = errors.New("not a version of this module")
	// ErrRevision: the repository has no such commit, tag or branch.
	ErrRevision = errors.New("unknown revision")
	// ErrRefused: the go command does not make a module version of it.
	ErrRefused = errors.New("the go command refuses it")
)

// Options say what to make a module version from.
type Options struct {
	// Dir is the directory of the module, or one above it if Module names it.
	Dir string

	// Module is the module path. It is needed if there is no go.mod file, which is allowed in the root of a repository (and
	// outside of git); in the place of the go.mod file in Dir it selects a module below Dir. A go.mod file that declares
	// Module in Dir itself is accepted even if the path does not end in the directory: a go-import meta tag can lead there.
	Module string

	// Version is a canonical version. In git its tag selects the commit; if there is no such tag, it is the version that the
	// commit gets. Empty for the version that the go command finds for the commit: its tag, else a pseudo-version. It is
	// needed outside of git.
	Version string

	// Revision is a commit, a tag or a branch, whatever the state of the work tree. Empty for the commit checked out.
	Revision string

	// AllowDirty goes on when there are uncommitted changes. They get in only where Version is set and no tag has it.
	AllowDirty bool

	TempDir string // where the zip is made; "" = the system's directory for temporary files
}

// A Package is a module version, ready for [artifact.Build].
type Package struct {
	Files artifact.Files

	// Revision is what others can call Options.Revision: the name of a tag or a branch, or the whole hash of a commit. It is
	// empty if that means something in this repository only, as HEAD~1 does, or was not given.
	Revision string

	Notes []string // sentences about what somebody may not expect of it
	dir   string   // where the zip is
}

// Close removes the zip.
func (p *Package) Close() error { return os.RemoveAll(p.dir) }

// Pack makes a module version. Close the package when it is not needed any more.
//
// The limits are the go command's: 500 MiB for all files, 16 MiB each for go.mod and LICENSE.
// An error matches one of those of this package if it is about which module, version or commit is meant, about what
// the repository lacks, or what the go command says. What a module path, or a file of a directory, cannot be
// golang.org/x/mod says; a go.mod file that is too large is [artifact.ErrLimit].
func Pack(ctx context.Context, o Options) (*Package, error) {
	p, err := pack(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("packaging %s in %s: %w", strings.TrimSuffix(cmp.Or(o.Module, "module")+"@"+o.Version, "@"), o.Dir, err)
	}
	return p, nil
}

func pack(ctx context.Context, o Options) (_ *Package, err error) {
	if err := module.CheckPath(o.Module); err != nil && o.Module != "" {
		return nil, err
	}
	if o.Version != "" && module.CanonicalVersion(o.Version) != o.Version {
		return nil, fmt.Errorf("%w: %q is not canonical, like v1.2.3 or v1.2.3-rc.1", ErrVersion, o.Version)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // git sees what the directory is itself
		return nil, err
	}
	r, err := openRepo(ctx, dir)
	if err != nil {
		return nil, err
	}
	p := &Package{}
	if p.dir, err = os.MkdirTemp(o.TempDir, "modferry-source-*"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if r == nil {
		return p, p.packDirectory(ctx, dir, o)
	}
	return p, p.packRepo(ctx, r, o)
}

func (p *Package) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

// noteGoMod warns of a go.mod file that is not there, and of replacements: those who use the module do not get them.
func (p *Package) noteGoMod(l *location) {
	f, err := modfile.Parse("go.mod", l.goMod, nil) // ParseLax passes over replacements
	switch {
	case l.goMod == nil:
		p.note("there is no go.mod file: everything is taken for one module %s without requirements", l.path)
	case err == nil && len(f.Replace) > 0: // if it does not parse, perhaps it was written for a newer go command
		p.note("go.mod replaces %s (and %d in all): replacements have no effect in the builds of those who use the module",
			f.Replace[0].Old.Path, len(f.Replace))
	}
}

// A selection is the module and the commit that the options mean.
type selection struct {
	*location
	revision
	query    string // what to ask the go command for: a version, or the commit
	untagged bool   // the version has no tag
}

// packRepo makes a version of a commit; or of what is in the work tree, if that is changed and no tag has the version.
func (p *Package) packRepo(ctx context.Context, r *repo, o Options) error {
	dirty, err := r.dirty(ctx, o)
	if err != nil {
		return err
	}
	if dirty && o.Version != "" && !module.IsPseudoVersion(o.Version) {
		d, err := r.workTree(ctx)
		if err != nil {
			return err
		}
		l, err := locate(ctx, d, r.at, o.Module)
		if err != nil {
			return err
		}
		if r.refs[tagRefs+l.tag(o.Version)] == "" {
			p.note("no commit has this: it is the directory with uncommitted changes, without what git ignores")
			return p.packFiles(d, l, o.Version, &origin{VCS: "git", URL: r.address(), Subdir: l.codeDir})
		}
	}
	s, err := r.choose(ctx, o)
	if err != nil {
		return err
	}
	if dirty {
		p.note("the uncommitted changes are not in it: it is commit %s", s.short())
	}
	if o.Revision != "" {
		p.Revision = s.public
	}
	return p.packCommit(ctx, r, s)
}

// choose finds out what the options mean.
func (r *repo) choose(ctx context.Context, o Options) (*selection, error) {
	pseudo, _ := module.PseudoVersionRev(o.Version) // empty for other versions
	name := cmp.Or(o.Revision, pseudo, "HEAD")
	rev, err := r.resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	s := &selection{revision: *rev, query: o.Version}
	if err := r.locate(ctx, s, o.Module); err != nil {
		return nil, err
	}
	switch v := path.Base(rev.tagName); {
	case !strings.HasPrefix(rev.hash, pseudo):
		return nil, fmt.Errorf("%w: %s must end in %s, for that is %s", ErrVersion, o.Version, rev.short(), name)
	case o.Version != "" && pseudo == "":
		return s, r.chooseTag(ctx, o, s)
	case o.Version == "" && s.tag(v) == rev.tagName && semver.IsValid(v) && strings.HasPrefix(v, semver.Canonical(v)):
		s.query = v // but not v1.2, which would be any of v1.2.x
	case o.Version == "":
		s.query = rev.hash
	}
	return s, nil
}

// chooseTag goes on to the commit that the version's tag is on. If there is no such tag, the commit gets it.
func (r *repo) chooseTag(ctx context.Context, o Options, s *selection) error {
	name := s.tag(o.Version)
	if r.refs[tagRefs+name] == "" {
		if wrong := path.Join(s.dir, path.Base(name)); r.refs[tagRefs+wrong] != "" {
			return fmt.Errorf("%w: there is a tag %s, but that of %s in %s is %s", ErrVersion, wrong, s.path, s.file(), name)
		}
		if err := r.incomplete(); err != nil && o.Revision == "" { // who names the revision knows
			return fmt.Errorf("whether there is a tag %s, on another commit, is not known: %w", name, err)
		}
		s.untagged = true
		return nil
	}
	rev, err := r.resolve(ctx, name)
	switch {
	case err != nil:
		return err
	case rev.hash == s.hash:
		return nil
	case o.Revision != "":
		return fmt.Errorf("%w: tag %s is on commit %s, and %s is commit %s", ErrVersion, name, rev.short(), o.Revision, s.short())
	}
	s.hash = rev.hash
	return r.locate(ctx, s, o.Module)
}

// locate finds the module in the commit of the selection.
func (r *repo) locate(ctx context.Context, s *selection, modPath string) error {
	c, err := r.readCommit(ctx, s.hash)
	if err == nil {
		s.location, err = locate(ctx, c, r.at, modPath)
	}
	if _, ok := c.files["LICENSE"]; err == nil && ok && s.dir != "." {
		_, err = c.read(ctx, "LICENSE") // the go command takes a file that a partial clone lacks for one that there is not
	}
	if err != nil {
		err = fmt.Errorf("commit %s: %w", s.short(), err)
	}
	return err
}
