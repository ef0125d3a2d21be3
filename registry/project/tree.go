package project

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// tree copies what belongs to the module in a directory, except the go.mod of a main module, which is written.
func (c *copier) tree(root string, isMain bool) {
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case len(c.errs) >= maxErrors:
			return fs.SkipAll
		case errors.Is(err, fs.ErrNotExist): // it was there just now
		case err != nil && name != root && c.skips(name, err):
		case err != nil:
			c.fail(err)
		case !d.IsDir():
			c.entry(root, name, d, isMain)
		case name != root && !c.enters(root, name, d, isMain):
			return fs.SkipDir
		}
		return nil
	})
	c.fail(err)
}

// isVCS reports whether a name is that of a version control system's directory, or of
// the file that git has instead of it in a work tree.
func isVCS(name string) bool {
	return slices.Contains([]string{".git", ".hg", ".svn", ".bzr"}, name)
}

// enters reports whether a directory below a module's is copied with it. Another module has its own turn, if it belongs to
// the project.
func (c *copier) enters(root, name string, d fs.DirEntry, isMain bool) bool {
	if isVCS(d.Name()) || isMain && name == filepath.Join(root, "vendor") || c.goOnly && strings.HasPrefix(d.Name(), ".") ||
		isFile(filepath.Join(name, "go.mod")) {
		return false
	}
	info, err := d.Info()
	return err != nil || !slices.ContainsFunc(c.skip, func(s fs.FileInfo) bool { return os.SameFile(s, info) })
}

// entry copies a file in a module's directory, if it is one and belongs to the module. Only the project's own go.work counts.
func (c *copier) entry(root, name string, d fs.DirEntry, isMain bool) {
	isTop := filepath.Dir(name) == root
	switch base := d.Name(); {
	case isVCS(base), base == "go.work", base == "go.work.sum", isTop && base == "go.mod" && isMain && !c.p.unread(root):
	case !c.goOnly, strings.HasSuffix(base, ".go"), isTop && (base == "go.mod" || base == "go.sum"):
		c.file(name)
	}
}

// unread reports whether the go.mod of a main module could not be read.
func (p *Project) unread(dir string) bool {
	return slices.ContainsFunc(p.Modules, func(m Module) bool { return m.Dir == dir && m.data == nil })
}

// file copies a file, or what a symbolic link to one leads to. One that has gone meanwhile is left out: editors have such files.
func (c *copier) file(name string) {
	if info, err := os.Stat(name); err != nil && !errors.Is(err, fs.ErrPermission) || err == nil && !info.Mode().IsRegular() {
		return
	}
	r, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) || err != nil && c.skips(name, err) {
		return
	}
	if err != nil {
		c.fail(err)
		return
	}
	defer r.Close()
	c.fail(c.copyFile(r, c.to(name)))
}

func (c *copier) copyFile(r *os.File, to string) error {
	info, err := r.Stat()
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err != nil {
		return err
	}
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm()|0o600)
	if err != nil {
		return err
	}
	if _, err = io.Copy(w, r); err != nil {
		err = &fs.PathError{Op: "copy", Path: r.Name(), Err: withoutName(err)}
	}
	return errors.Join(err, w.Close())
}
