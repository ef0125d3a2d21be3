package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// CopyOptions say what to copy. The zero value copies everything.
type CopyOptions struct {
	// GoOnly copies Go files, go.mod, go.sum, go.work and go.work.sum only, which is
	// enough to load packages, but not to build those that embed files. Lines of go.sum and
	// go.work.sum that are none are left out: because of one of them, go commands read nothing at all.
	GoOnly bool

	// Skip are directories to leave out, such as a store or a module cache that
	// happens to be within the project. They need not exist.
	Skip []string

	// Unreadable is told of each file and directory that there is no permission to
	// read, and that the copy then lacks, except for go.mod, go.sum and Go files, without
	// which it would be another project. Nil makes errors of them all.
	Unreadable func(error)
}

// Copy copies the project into dst, an existing empty directory, so that go
// commands may change it: every main module and every local replacement, wherever they
// are on disk, in the same places relative to one another. dst may be within the
// project. The result is the copy; its Root is not dst if modules are beside or above Root.
//
// Left out are version control directories; vendor directories of main modules;
// nested modules that are not part of the project; symbolic links to directories, broken
// ones, and what is neither file nor directory; with GoOnly also directories that begin
// with ".", in which no importable package can be. Symbolic links to files are followed.
// No file in the copy is read-only.
//
// What has to change in go.work and the go.mod files for the copy to work by itself is
// changed, and nothing else: paths that would lead out of the copy; replacements by directories
// without a go.mod, and uses of them or of modules that cannot be read, are dropped.
// So that "go mod tidy" can run in each module of a workspace alone, other main modules,
// and what go.work or they replace by directories, are replaced by their directories there, unless they
// are replaced already or the module's go.sum knows them, which says that they are published.
//
// What cannot be read is an error that names it, unless the options say otherwise.
func (p *Project) Copy(dst string, o CopyOptions) (*Project, error) {
	c, err := newCopier(p, dst, o)
	if err != nil {
		return nil, fmt.Errorf("copying the project %s: %w", p.root.shown, err)
	}
	if c.all(); len(c.errs) > 0 {
		return nil, fmt.Errorf("copying the project %s: %w", p.root.shown, errors.Join(c.errs...))
	}
	copied, err := Load(c.to(p.Root))
	if err != nil {
		return nil, err
	}
	for dir, alone := range c.alone {
		i := slices.IndexFunc(copied.Modules, func(m Module) bool { return m.Dir == c.to(dir) })
		if i < 0 {
			continue // whatever is wrong with it there, its Problems say
		}
		m := &copied.Modules[i]
		m.Bound, m.Added = alone.bound, make(map[string]bool)
		for _, r := range alone.unpublished {
			m.Added[r.Old.Path] = true
		}
	}
	return copied, nil
}

// copier copies a project.
type copier struct {
	p          *Project
	goOnly     bool
	unreadable func(error) // may be nil
	dst        string
	base       string          // directory that all that is copied is in; "" = there is none
	locals     map[string]bool // local replacements
	alone      map[string]alone
	skip       []fs.FileInfo // dst and what the options say
	errs       []error
}

// maxErrors is after how many errors copying ends.
const maxErrors = 10

func newCopier(p *Project, dst string, o CopyOptions) (*copier, error) {
	dst, err := filepath.Abs(dst)
	if err != nil {
		return nil, err
	}
	switch entries, err := os.ReadDir(dst); {
	case err != nil:
		return nil, err
	case len(entries) > 0:
		return nil, fmt.Errorf("%s is not empty", dst)
	}
	c := &copier{p: p, goOnly: o.GoOnly, unreadable: o.Unreadable, dst: dst, base: common(p.Root, p.dirs()), locals: make(map[string]bool), alone: p.alone()}
	for _, dir := range p.LocalReplacements() {
		c.locals[dir] = true
	}
	for _, dir := range append([]string{dst}, o.Skip...) {
		if info, err := os.Stat(dir); err == nil {
			c.skip = append(c.skip, info)
		}
	}
	return c, nil
}

// common returns the nearest directory that has all of these in it or is one of them.
// It is "" if there is none, as for those on two drives.
func common(base string, dirs []string) string {
	for _, dir := range dirs {
		for !within(base, dir) {
			parent := filepath.Dir(base)
			if parent == base {
				return ""
			}
			base = parent
		}
	}
	return base
}

func within(base, dir string) bool {
	rel, err := filepath.Rel(base, dir)
	return err == nil && filepath.IsLocal(rel)
}

// to returns the place of a directory in the copy.
func (c *copier) to(dir string) string {
	if rel, err := filepath.Rel(c.base, dir); err == nil && c.base != "" {
		return filepath.Join(c.dst, rel)
	}
	volume := filepath.VolumeName(dir)
	return filepath.Join(c.dst, filepath.Base(volume[:max(0, len(volume)-1)]), dir[len(volume):]) // C:\x is dst\C\x
}

func (c *copier) all() {
	if err := os.MkdirAll(c.to(c.p.Root), 0o755); err != nil {
		c.fail(err)
		return
	}
	for _, dir := range c.p.dirs() {
		isMain := slices.ContainsFunc(c.p.Modules, func(m Module) bool { return m.Dir == dir })
		c.tree(dir, c.to(dir), treeOptions{top: true, isMain: isMain})
	}
	for _, m := range c.p.Modules {
		if m.data != nil {
			c.write(filepath.Join(c.to(m.Dir), "go.mod"), c.goMod(m))
		}
	}
	if c.p.Work != nil {
		c.write(filepath.Join(c.to(c.p.Root), "go.work"), c.goWork())
		if sums := filepath.Join(c.p.Root, "go.work.sum"); isFile(sums) {
			c.sums(sums, filepath.Join(c.to(c.p.Root), "go.work.sum"))
		}
	}
}

func (c *copier) fail(err error) {
	if err != nil {
		c.errs = append(c.errs, err)
	}
}

// skips reports whether the copy can do without what could not be opened, and says so then.
func (c *copier) skips(name string, err error) bool {
	base := filepath.Base(name)
	if c.unreadable == nil || !errors.Is(err, fs.ErrPermission) || filepath.Ext(base) == ".go" || base == "go.mod" || base == "go.sum" || base == "go.work.sum" {
		return false
	}
	c.unreadable(err)
	return true
}

func (c *copier) write(name string, data []byte) {
	if len(c.errs) >= maxErrors {
		return
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		c.fail(err)
		return
	}
	c.fail(os.WriteFile(name, data, 0o644))
}
