package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// CopyOptions say what to copy. The zero value copies everything.
type CopyOptions struct {
	// GoOnly copies Go files, go.mod, go.sum, go.work and go.work.sum only, which is
	// enough to load packages, but not to build those that embed files.
	GoOnly bool

	// Skip are directories to leave out, such as a store or a module cache that
	// happens to be within the project. They need not exist.
	Skip []string

	// Unreadable is told of each file and directory that there is no permission to
	// read, and that the copy then lacks, except for go.mod, go.sum and Go files, without
	// which it would be another project. Nil makes errors of them all.
	Unreadable func(error)
}

// Copy copies the project into dst, an existing empty directory, so that go commands may change it: every main module
// and every local replacement, wherever they are on disk, in the same places relative to one another. dst may be
// within the project. The result is the copy; its Root is not dst if modules are beside or above Root.
//
// Left out are version control directories; vendor directories of main modules; nested modules that are not part of
// the project; symbolic links to directories, broken ones, and what is neither file nor directory; with GoOnly also
// directories that begin with ".", in which no importable package can be. Symbolic links to files are followed. No
// file in the copy is read-only.
//
// What would not be right in the copy is changed in go.work and the go.mod files, and nothing else: paths that would
// lead out of it; replacements by directories without a go.mod, and uses of them or of modules that cannot be read, are
// dropped.
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
	copied.addAlone()
	return copied, nil
}

// copier copies a project.
type copier struct {
	p          *Project
	goOnly     bool
	unreadable func(error) // may be nil
	dst        string
	base       string        // directory that all that is copied is in
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
	c := &copier{p: p, goOnly: o.GoOnly, unreadable: o.Unreadable, dst: dst, base: p.Root}
	for _, dir := range p.dirs() {
		for !within(c.base, dir) {
			parent := filepath.Dir(c.base)
			if parent == c.base {
				return nil, fmt.Errorf("%s and %s are on different drives", p.Root, dir)
			}
			c.base = parent
		}
	}
	for _, dir := range append([]string{dst}, o.Skip...) {
		if info, err := os.Stat(dir); err == nil {
			c.skip = append(c.skip, info)
		}
	}
	return c, nil
}

func within(base, dir string) bool {
	rel, err := filepath.Rel(base, dir)
	return err == nil && filepath.IsLocal(rel)
}

// to returns the place of a directory in the copy.
func (c *copier) to(dir string) string {
	return filepath.Join(c.dst, strings.TrimPrefix(dir, c.base))
}

func (c *copier) all() {
	if err := os.MkdirAll(c.to(c.p.Root), 0o755); err != nil {
		c.fail(err)
		return
	}
	for _, dir := range c.p.dirs() {
		isMain := slices.ContainsFunc(c.p.Modules, func(m Module) bool { return m.Dir == dir })
		c.tree(dir, isMain)
	}
	for _, m := range c.p.Modules {
		if m.data != nil {
			data, err := c.goMod(m)
			c.write(filepath.Join(c.to(m.Dir), "go.mod"), data, err)
		}
	}
	if c.p.Work == nil {
		return
	}
	data, err := c.goWork()
	c.write(filepath.Join(c.to(c.p.Root), "go.work"), data, err)
	if sums := filepath.Join(c.p.Root, "go.work.sum"); isFile(sums) {
		c.file(sums)
	}
}

func (c *copier) fail(err error) {
	if err != nil {
		c.errs = append(c.errs, err)
	}
}

// skips reports whether the copy can do without what could not be opened, and warns of it then.
func (c *copier) skips(name string, err error) bool {
	base := filepath.Base(name)
	isNeeded := filepath.Ext(base) == ".go" || slices.Contains([]string{"go.mod", "go.sum", "go.work.sum"}, base)
	if c.unreadable == nil || !errors.Is(err, fs.ErrPermission) || isNeeded {
		return false
	}
	c.unreadable(err)
	return true
}

// write writes what was made of a file, if that went well.
func (c *copier) write(name string, data []byte, err error) {
	if err == nil {
		err = os.MkdirAll(filepath.Dir(name), 0o755)
	}
	if err == nil {
		err = os.WriteFile(name, data, 0o644)
	}
	c.fail(err)
}
