// Package gitsource makes module files, as a GOPROXY has them, from private source
// code: a directory, or a commit of the git repository it is in.
//
// What comes out is what the go command computes for the same version with
// GOPROXY=direct, sum for sum and .info byte for byte, and what the go command
// would refuse is refused here. The difference is where one starts from: the go
// command knows a module path and looks for the code, here the code is known and
// says its path.
//
// Nothing is fetched. Tags, branches and history are those of the repository on
// disk, so it must have them: see [ErrShallow] and [ErrPartial].
package gitsource

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
)

// What can be wrong with a source, for errors.Is.
var (
	// ErrDirty: there are changes that no commit has, or files that git does not know.
	ErrDirty = errors.New("there are uncommitted changes")
	// ErrShallow: the repository has a part of its history only, and usually no tags. A
	// pseudo-version cannot be computed from that, nor the commit of a version be known.
	ErrShallow = errors.New("the repository is a shallow clone")
	// ErrNoTags: the repository was cloned without tags, so that there may be a version that it does not know of.
	ErrNoTags = errors.New("the repository is a clone without tags")
	// ErrPartial: the repository is a partial clone that lacks files of the commit.
	ErrPartial = errors.New("the repository is a partial clone and lacks files; check the commit out once, or clone without --filter")
	// ErrNoModule: the directory, at that commit, is not that of a module.
	ErrNoModule = errors.New("no such module there")
	// ErrAttributes: attributes of the repository make git write another go.mod file than was committed. The go
	// command has one beside the zip and the other within, and an artifact has but one.
	ErrAttributes = errors.New("git changes the go.mod file")
	// ErrVersion: the version cannot be that of this module.
	ErrVersion = errors.New("not a version of this module")
	// ErrRevision: the repository has no such commit, tag or branch.
	ErrRevision = errors.New("unknown revision")
)

// Options say what to make a module version from.
type Options struct {
	// Dir is the directory of the module, or one above it if Module names it.
	Dir string

	// Module is the module path. It is needed if there is no go.mod file, which
	// is allowed in the root of a repository (and outside of git); in the place of the
	// go.mod file in Dir it selects a module below Dir. A go.mod file that declares
	// Module in Dir itself is accepted even if the path does not end in the
	// directory: a go-import meta tag can lead there.
	Module string

	// Version is a canonical version. In git its tag selects the commit; if there is no such tag,
	// it is the version that the commit gets. Empty for the version that the go
	// command finds for the commit: its tag, else a pseudo-version. It is needed outside of git.
	Version string

	// Revision is a commit, a tag or a branch, whatever the state of
	// the work tree. Empty for the commit checked out.
	Revision string

	// AllowDirty goes on when there are uncommitted changes. They get in only where Version
	// is set and no commit has it; it has no Origin then.
	AllowDirty bool

	TempDir string // where the zip is made; "" = the system's directory for temporary files
	Git     string // the git command; "" = the one in PATH
}

// A Package is a module version, ready for [artifact.Build].
type Package struct {
	Files artifact.Files

	// Revision is what others can call Options.Revision: the name of a tag or a branch, or the whole
	// hash of a commit. It is empty if that means something in this repository only, as HEAD~1 does, or was not given.
	Revision string

	// Notes are sentences about what somebody may not expect of it.
	Notes []string

	dir string // where the zip is
}

// Close removes the zip.
func (p *Package) Close() error { return os.RemoveAll(p.dir) }

// Pack makes a module version. Close the package when it is not needed any more.
//
// The limits are the go command's: 500 MiB for all files, 16 MiB each for go.mod and LICENSE.
// An error matches one of those of this package if it is about which module, version or commit is meant, or about what
// the repository lacks. What a module path, or a file in a zip, cannot be golang.org/x/mod says; what is too large is
// [artifact.ErrLimit].
func Pack(ctx context.Context, o Options) (*Package, error) {
	p, err := pack(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("packaging %s: %w", subject(o), err)
	}
	return p, nil
}

// subject names what is being packaged, as it was asked for.
func subject(o Options) string {
	switch {
	case o.Module != "" && o.Version != "":
		return o.Module + "@" + o.Version + " from " + o.Dir
	case o.Module != "":
		return o.Module + " from " + o.Dir
	case o.Version != "":
		return o.Dir + " as " + o.Version
	}
	return o.Dir
}

func pack(ctx context.Context, o Options) (*Package, error) {
	if err := checkOptions(o); err != nil {
		return nil, err
	}
	dir, err := physical(o.Dir)
	if err != nil {
		return nil, err
	}
	repo, err := openRepo(ctx, o.Git, dir)
	if err != nil {
		return nil, err
	}
	var c *choice
	if repo == nil {
		c, err = chooseDir(ctx, o, dir)
	} else {
		c, err = (&chooser{Options: o, repo: repo}).choose(ctx)
	}
	if err != nil {
		return nil, err
	}
	return c.pack(ctx, o.TempDir)
}

// checkOptions checks what is wrong whatever the source.
func checkOptions(o Options) error {
	if o.Module != "" {
		if err := module.CheckPath(o.Module); err != nil {
			return err
		}
	}
	if o.Version != "" && module.CanonicalVersion(o.Version) != o.Version {
		return fmt.Errorf("%w: %q is not canonical, like v1.2.3 or v1.2.3-rc.1", ErrVersion, o.Version)
	}
	return nil
}

// physical returns the directory's own path, because git sees that one.
func physical(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return "", err
	}
	st, err := os.Stat(abs)
	if err == nil && !st.IsDir() {
		err = fmt.Errorf("%s is not a directory", dir)
	}
	return abs, err
}

// chooseDir is for a directory that is in no repository.
func chooseDir(ctx context.Context, o Options, dir string) (*choice, error) {
	if o.Revision != "" {
		return nil, fmt.Errorf("%w %s: the directory is not in a git repository", ErrRevision, o.Revision)
	}
	if o.Version == "" {
		return nil, fmt.Errorf("%w: the directory is not in a git repository, so the version must be given", ErrVersion)
	}
	read := diskReader(dir)
	s, err := locate(ctx, read, "", o.Module)
	if err != nil {
		return nil, err
	}
	version, err := s.check(ctx, read, o.Version, o.Version)
	if err != nil {
		return nil, err
	}
	return &choice{spot: *s, version: version, root: dir}, nil
}

// A choice is what to package.
type choice struct {
	spot
	version string

	revision string // see [Package.Revision]

	repo   *repo    // nil outside of git
	commit *commit  // nil = what is in the directory
	ref    string   // the tag that the version is from, with refs/tags/; may be empty
	root   string   // the directory that paths begin in, if commit is nil
	files  []string // what git knows of it, from dir, if it is in a repository

	notes []string
}

func (c *choice) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// reader reads from what is packaged.
func (c *choice) reader() reader {
	if c.commit == nil {
		return diskReader(c.root)
	}
	return c.repo.reader(c.commit)
}

func (c *choice) pack(ctx context.Context, temp string) (_ *Package, err error) {
	m := module.Version{Path: c.path, Version: c.version}
	if err := module.Check(m.Path, m.Version); err != nil {
		return nil, err
	}
	if c.goMod == nil {
		if err := c.checkLegacy(ctx); err != nil {
			return nil, err
		}
	}
	info, err := c.info(ctx)
	if err != nil {
		return nil, err
	}
	p := &Package{Files: artifact.Files{Module: m, Info: info, GoMod: c.goMod}, Revision: c.revision}
	if p.dir, err = os.MkdirTemp(temp, "modferry-source-*"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if c.goMod == nil {
		p.Files.GoMod = legacyGoMod(c.path)
		c.note("there is no go.mod file: everything is taken for one module %s without requirements", c.path)
	}
	p.Files.ZipFile = filepath.Join(p.dir, "module.zip")
	if err := c.writeZip(ctx, m, p.Files.ZipFile); err != nil {
		return nil, err
	}
	p.Notes = append(c.notes, replaceNotes(p.Files.GoMod)...)
	return p, nil
}

// replaceNotes warns of replacements: those who use the module do not get them.
func replaceNotes(goMod []byte) []string {
	f, err := modfile.Parse("go.mod", goMod, nil) // ParseLax passes over them
	if err != nil || len(f.Replace) == 0 {
		return nil // perhaps it was written for a newer go command
	}
	return []string{fmt.Sprintf("go.mod replaces %s (and %d in all): replacements have no effect in the builds of those who use the module",
		f.Replace[0].Old.Path, len(f.Replace))}
}
