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

// treeOptions say what a directory is.
type treeOptions struct {
	top    bool // of a module
	isMain bool // a main module's top
}

// tree copies what belongs to a module, except its go.mod if that of the copy may differ.
func (c *copier) tree(from, to string, o treeOptions) {
	if len(c.errs) >= maxErrors {
		return
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) && (o.top || !c.skips(from, err)) { // it was there just now
			c.fail(err)
		}
		return
	}
	if !o.top && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return isGoMod(from, e) }) {
		return // a module, which has its own turn if it belongs to the project
	}
	made := false
	for _, e := range entries {
		name := filepath.Join(from, e.Name())
		switch {
		case e.IsDir():
			if c.enters(e, o) {
				c.tree(name, filepath.Join(to, e.Name()), treeOptions{})
			}
		case c.wants(name, e, o):
			if !made {
				if err := os.MkdirAll(to, 0o755); err != nil {
					c.fail(err)
					return
				}
				made = true
			}
			if to := filepath.Join(to, e.Name()); o.top && e.Name() == "go.sum" {
				c.sums(name, to)
			} else {
				c.file(name, to)
			}
		}
	}
}

func isGoMod(dir string, e fs.DirEntry) bool {
	return e.Name() == "go.mod" && isFile(filepath.Join(dir, "go.mod"))
}

// isVCS reports whether a name is that of a version control system's directory, or of
// the file that git has instead of it in a work tree.
func isVCS(name string) bool {
	return slices.Contains([]string{".git", ".hg", ".svn", ".bzr"}, name)
}

// enters reports whether a directory is copied.
func (c *copier) enters(e fs.DirEntry, o treeOptions) bool {
	name := e.Name()
	if isVCS(name) || o.isMain && name == "vendor" || c.goOnly && strings.HasPrefix(name, ".") {
		return false
	}
	info, err := e.Info()
	return err != nil || !slices.ContainsFunc(c.skip, func(s fs.FileInfo) bool { return os.SameFile(s, info) })
}

// wants reports whether a file is copied.
func (c *copier) wants(path string, e fs.DirEntry, o treeOptions) bool {
	name := e.Name()
	switch {
	case isVCS(name), name == "go.work", name == "go.work.sum": // only Root's count
		return false
	case o.top && name == "go.mod":
		if o.isMain && !c.p.unread(filepath.Dir(path)) {
			return false // it is written
		}
	case c.goOnly && !strings.HasSuffix(name, ".go") && !(o.top && name == "go.sum"):
		return false
	}
	if e.Type()&fs.ModeSymlink == 0 {
		return e.Type().IsRegular()
	}
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// unread reports whether the go.mod of a main module could not be read.
func (p *Project) unread(dir string) bool {
	return slices.ContainsFunc(p.Modules, func(m Module) bool { return m.Dir == dir && m.data == nil })
}

// file copies a file. One that has gone meanwhile is left out: editors have such files.
func (c *copier) file(from, to string) {
	if len(c.errs) >= maxErrors {
		return
	}
	r, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		if !c.skips(from, err) {
			c.fail(err)
		}
		return
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		c.fail(err)
		return
	}
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm()|0o600)
	if err != nil {
		c.fail(err)
		return
	}
	_, err = io.Copy(w, r)
	if err != nil {
		err = &fs.PathError{Op: "copy", Path: from, Err: withoutName(err)}
	}
	c.fail(errors.Join(err, w.Close()))
}

// sums copies a go.sum or go.work.sum, unless it has gone meanwhile.
func (c *copier) sums(from, to string) {
	data, err := ReadFile(from, MaxSumFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		c.fail(&fs.PathError{Op: "copy", Path: from, Err: withoutName(err)})
		return
	}
	if lines, problems := ParseSums(from, data); c.goOnly && len(problems) > 0 {
		data = formatSums(lines)
	}
	c.write(to, data)
}

// withoutName leaves out the name of a file, which is said otherwise.
func withoutName(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
