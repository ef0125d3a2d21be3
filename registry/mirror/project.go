package mirror

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// addGoSum adds what a go.sum file lists.
//
//	file = { path SP version [ "/go.mod" ] SP sum NL }
//
// As for the go command, sums of other kinds than h1 do not count.
func (c *collector) addGoSum(name string, data []byte) {
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		from := fmt.Sprintf("%s:%d", name, n)
		if len(f) != 3 {
			c.fail("%s: not a line of a go.sum: %q", from, firstLines([]byte(line)))
			continue
		}
		version, isMod := strings.CutSuffix(f[1], "/go.mod")
		m := module.Version{Path: f[0], Version: version}
		if err := checkVersion(m); err != nil {
			c.fail("%s: %w", from, err)
			continue
		}
		if !strings.HasPrefix(f[2], "h1:") {
			continue
		}
		it := Item{Module: m, ModOnly: isMod, From: from}
		if isMod {
			it.GoModSum = f[2]
		} else {
			it.Sum = f[2]
		}
		c.items = append(c.items, it)
	}
}

func checkVersion(m module.Version) error {
	if err := module.Check(m.Path, m.Version); err != nil {
		return err
	}
	if module.CanonicalVersion(m.Version) != m.Version {
		return fmt.Errorf("%s: the version is not canonical", m)
	}
	return nil
}

// addGoMod adds what a go.mod file requires.
func (c *collector) addGoMod(name string, data []byte) {
	f, err := modfile.Parse(name, data, nil)
	if err != nil {
		c.fail("%w; \"go mod tidy\" may mend it", err)
		return
	}
	c.addDemanded(name, f.Go, f.Toolchain)
	for _, r := range f.Require {
		m, line := replaced(f.Replace, r)
		from := fmt.Sprintf("%s:%d", name, line)
		if m.Version == "" {
			c.log.Warn("not mirrored: replaced by a directory", "module", r.Mod, "directory", m.Path, "by", from)
			continue
		}
		if err := checkVersion(m); err != nil {
			c.fail("%s: %w", from, err)
			continue
		}
		c.items = append(c.items, Item{Module: m, From: from})
	}
}

// replaced returns what is used instead of a requirement, and the line that says
// so. It has no version if it is a directory.
func replaced(replace []*modfile.Replace, r *modfile.Require) (module.Version, int) {
	m, line := r.Mod, r.Syntax.Start.Line
	for _, to := range replace {
		if to.Old.Path != r.Mod.Path {
			continue
		}
		if to.Old.Version == r.Mod.Version {
			return to.New, to.Syntax.Start.Line
		}
		if to.Old.Version == "" {
			m, line = to.New, to.Syntax.Start.Line
		}
	}
	return m, line
}

// addProject adds what the go.sum files of a project list: its own, its
// workspace's, and those of its workspace's modules.
func (c *collector) addProject(dir string) {
	dirs, isProject := []string{dir}, exists(filepath.Join(dir, "go.mod"))
	if data, err := readFile(filepath.Join(dir, "go.work")); err == nil {
		isProject = true
		dirs = append(dirs, c.workspace(dir, data)...)
	} else if !errors.Is(err, fs.ErrNotExist) {
		c.problems = append(c.problems, err)
	}
	found := c.addSums(filepath.Join(dir, "go.work.sum"))
	for _, d := range dirs {
		c.addToolchainOf(filepath.Join(d, "go.mod"))
		here := c.addSums(filepath.Join(d, "go.sum"))
		if !here && !found {
			c.checkNeedsNothing(d)
		}
		found = found || here
	}
	if !found && !isProject {
		c.fail("%s: no Go project: there is no go.mod, go.work or go.sum", dir)
	}
}

// workspace returns the directories of the other modules that a go.work in dir uses.
func (c *collector) workspace(dir string, data []byte) []string {
	name := filepath.Join(dir, "go.work")
	f, err := modfile.ParseWork(name, data, nil)
	if err != nil {
		c.problems = append(c.problems, err)
		return nil
	}
	c.addDemanded(name, f.Go, f.Toolchain)
	var dirs []string
	for _, use := range f.Use {
		d := filepath.FromSlash(use.Path)
		if !filepath.IsAbs(d) {
			d = filepath.Join(dir, d)
		}
		if filepath.Clean(d) != filepath.Clean(dir) {
			dirs = append(dirs, d)
		}
	}
	return dirs
}

// addSums adds a go.sum file if there is one, and reports that.
func (c *collector) addSums(name string) bool {
	data, err := readFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		c.problems = append(c.problems, err)
		return true
	}
	c.addGoSum(name, data)
	return true
}

// checkNeedsNothing complains about a module that requires others but has no go.sum.
func (c *collector) checkNeedsNothing(dir string) {
	name := filepath.Join(dir, "go.mod")
	data, err := readFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		c.problems = append(c.problems, err)
		return
	}
	f, err := modfile.ParseLax(name, data, nil)
	switch {
	case err != nil:
		c.problems = append(c.problems, err)
	case len(f.Require) > 0:
		c.fail("%s has requirements, but there is no go.sum beside it: run \"go mod tidy\" there", name)
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
