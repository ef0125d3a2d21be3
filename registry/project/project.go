// Package project reads Go projects on disk, modules and workspaces, and copies those of their files that go commands
// change to where they may. It runs nothing and asks nobody. What the directives of a project's go.mod and go.work say
// about the modules that it needs, and where go commands work, is read here.
package project

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"golang.org/x/mod/modfile"

	"github.com/modferry/modferry/artifact/userfile"
)

// ErrNoProject: a directory has neither a go.mod nor a go.work.
var ErrNoProject = errors.New("no Go project: there is no go.mod or go.work")

// Project is a module or a workspace on disk.
type Project struct {
	// Root is the project's absolute directory.
	Root string

	// Work is Root's go.work file; nil = there is none, or none that can be read, which is one of Problems.
	Work *modfile.WorkFile

	// Modules are the main modules: that of Root first if there is one, even if
	// go.work does not use it, then those of go.work in its order.
	Modules []Module

	// Problems are what cannot be mirrored or read, each a [*Problem]. The rest is good.
	Problems []error

	root   place
	locals []string // directories with a go.mod that modules are replaced by
}

// Module is a main module.
type Module struct {
	// Dir is the absolute directory of its go.mod, Source that of its packages; the same, but in a [Project.Skeleton].
	Dir, Source string

	// File is its go.mod; nil if it could not be read or names no module, which is one of the project's Problems. The
	// name in File.Syntax is the file's as a person would have it, seen from where the project's directory was named.
	File *modfile.File

	// Alone are, in a skeleton of a workspace, replacements by directories that the module lacks to work by itself: of
	// other main modules, and what go.work or they replace by directories, unless it replaces them or its go.sum knows
	// them, which says that they are published. See [Module.StandAlone].
	Alone []modfile.Replace
}

// Problem is one of a project's Problems.
type Problem struct {
	File    string // seen from where the project's directory was named
	Line    int    // 0 = the file as a whole
	Module  string // the path of the module it is about; may be empty
	Err     error
	Warning bool // the project works all the same
}

// Error returns "file:line: module: what is wrong".
func (p *Problem) Error() string {
	text := p.Err.Error()
	if p.Module != "" {
		text = p.Module + ": " + text
	}
	if p.Line > 0 {
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, text)
	}
	return p.File + ": " + text
}

// Unwrap returns what is wrong.
func (p *Problem) Unwrap() error { return p.Err }

// readable yields the main modules whose go.mod could be read.
func (p *Project) readable(yield func(Module) bool) {
	for _, m := range p.Modules {
		if m.File != nil && !yield(m) {
			return
		}
	}
}

// Fingerprint is a hash of the files that say which modules the project needs. It is "sha256:…", and the same on
// every machine that has these files with the same content in the same relative places.
func (p *Project) Fingerprint() (string, error) {
	hashed := make(map[string]string)
	for _, name := range p.files() {
		data, err := userfile.Read(name, maxSumFile) // the largest of them
		switch {
		case err == nil:
			hashed[slashed(p.Root, name)] = fmt.Sprintf("%x", sha256.Sum256(data))
		case !missing(err):
			return "", fmt.Errorf("fingerprint of the project %s: %s: %w", p.Root, filepath.Base(name), withoutName(err))
		}
	}
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(hashed)) {
		fmt.Fprintf(h, "%q %s\n", name, hashed[name])
	}
	return fmt.Sprintf("sha256:%x", h.Sum(nil)), nil
}

// Patterns are the package patterns that name all packages of the main modules, for a go command in Root: "./...", or
// in a workspace those of the modules that go.work uses: "./a/...", "../lib/...".
func (p *Project) Patterns() []string {
	var patterns []string
	for _, m := range p.Modules {
		if p.Work == nil || p.uses(m.Dir) {
			patterns = append(patterns, dotted(slashed(p.Root, m.Dir))+"/...")
		}
	}
	return patterns
}

// uses reports whether go.work uses a directory.
func (p *Project) uses(dir string) bool {
	return slices.ContainsFunc(p.Work.Use, func(u *modfile.Use) bool { return p.root.at(u.Path).abs == dir })
}

// dirs returns the directories of all modules that belong to the project on disk, each once: of the main modules, and those
// that go.work and their go.mod files replace modules by.
func (p *Project) dirs() []string {
	var dirs []string
	for _, m := range p.Modules {
		dirs = append(dirs, m.Dir)
	}
	for _, dir := range p.locals {
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}
