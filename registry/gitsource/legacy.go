package gitsource

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
)

// legacy is a module without a go.mod file.
func legacy(at, want string) (*spot, error) {
	s := newSpot(want, at, nil)
	switch {
	case want == "" && at == "":
		return nil, fmt.Errorf("%w: there is no go.mod file; a module without one needs its path given", ErrNoModule)
	case at != "":
		return nil, fmt.Errorf("%w: there is no %s, and only in the root of a repository a module does without", ErrNoModule, path.Join(at, "go.mod"))
	case strings.HasPrefix(s.major, "/"):
		return nil, fmt.Errorf("%w: there is no go.mod file, and a path that ends in %s needs one", ErrNoModule, s.major)
	}
	return s, nil
}

// legacyGoMod is the go.mod file that the go command makes up.
func legacyGoMod(path string) []byte {
	return fmt.Appendf(nil, "module %s\n", modfile.AutoQuote(path))
}

// checkLegacy refuses a path that nothing but the user says is the root's, where it looks like a module in a directory,
// misspelt: everything would be published under it.
func (c *choice) checkLegacy(ctx context.Context) error {
	if c.repo != nil {
		remote, err := c.repo.remote(ctx)
		if err != nil {
			return err
		}
		switch root := rootPath(remote); {
		case root == "":
		case c.path == root || c.path == root+".git":
			return nil
		case strings.HasPrefix(c.path, root+"/") || strings.HasPrefix(c.path, root+".git/"):
			return fmt.Errorf("%w: %s is below the repository (%s), and there a module needs a go.mod file", ErrNoModule, c.path, remote)
		}
	}
	files, err := c.goMods(ctx)
	if err != nil {
		return err
	}
	var others []string
	for _, file := range files {
		data, err := c.reader()(ctx, file)
		if errors.Is(err, fs.ErrNotExist) { // a link, or removed and not committed
			continue
		}
		if err != nil {
			return err
		}
		if in := newSpot(modfile.ModulePath(data), parent(file), data); in.prefix == path.Join(c.path, in.codeDir) {
			return nil // it is in the directory that its path says, if the root's is this
		}
		others = append(others, file)
	}
	if len(others) > 0 {
		return fmt.Errorf("%w: the root has no go.mod file, and none of %s says that its path is %s; give the path of one of those modules, or write a go.mod file for the root",
			ErrNoModule, few(others), c.path)
	}
	return nil
}

// rootPath returns the module path of a repository's root, without .git, as far as its address says.
func rootPath(remote string) string {
	u, err := url.Parse(remote)
	if err != nil || u.Host == "" {
		return ""
	}
	return strings.TrimSuffix(path.Join(u.Hostname(), u.Path), ".git")
}

// goMods returns the go.mod files, wherever they are.
func (c *choice) goMods(ctx context.Context) (files []string, err error) {
	var all []string
	switch {
	case c.commit != nil:
		all, err = c.repo.files(ctx, c.commit)
	case c.repo != nil:
		all, err = c.repo.known(ctx, "")
	default:
		err = filepath.WalkDir(c.root, func(file string, d fs.DirEntry, err error) error {
			if err == nil && d.Name() == "go.mod" {
				file, err = filepath.Rel(c.root, file)
				all = append(all, filepath.ToSlash(file))
			}
			return err
		})
	}
	for _, file := range all {
		if path.Base(file) == "go.mod" {
			files = append(files, file)
		}
	}
	return files, err
}
