// Package pruning is the command prune.
package pruning

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"
	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/userfile"
	"github.com/modferry/modferry/cmd/modferry/internal/audit"
	"github.com/modferry/modferry/registry/collect/mirrorfile"
	"github.com/modferry/modferry/registry/prune"
)

// addNeeded adds to rules what arguments need: a directory is a project, of which that is what go.sum and go.work.sum
// name, and the toolchains of go.mod and go.work; a file is what audit.ReadNames reads, and "-" standard input.
func addNeeded(r *prune.Rules, args []string, stdin io.Reader) error {
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case arg != "-" && err != nil:
			return err
		case arg != "-" && info.IsDir():
			err = addProject(r, arg)
		default:
			err = addFile(r, arg, stdin)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func addFile(r *prune.Rules, name string, stdin io.Reader) error {
	named, err := audit.ReadNames(name, stdin)
	r.Needed = append(r.Needed, named...)
	return err
}

func addProject(r *prune.Rules, dir string) error {
	found := false
	for _, name := range []string{"go.sum", "go.work.sum", "go.mod", "go.work"} {
		file := filepath.Join(dir, name)
		add := addFile
		if filepath.Ext(name) != ".sum" {
			add = addToolchains
		}
		switch err := add(r, file, nil); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		default:
			found = true
		}
	}
	if !found {
		return fmt.Errorf("%s is no project: it has no go.mod, go.sum, go.work or go.work.sum", dir)
	}
	return nil
}

// addToolchains adds the releases of Go that a go.mod or go.work names.
func addToolchains(r *prune.Rules, name string, _ io.Reader) error {
	data, err := userfile.ReadAny(name, modzip.MaxGoMod)
	if err != nil {
		return err
	}
	var language *modfile.Go
	var toolchain *modfile.Toolchain
	if filepath.Ext(name) == ".work" {
		f, err := modfile.ParseWork(name, data, nil)
		if err != nil {
			return err
		}
		language, toolchain = f.Go, f.Toolchain
	} else {
		f, err := modfile.ParseLax(name, data, nil)
		if err != nil {
			return err
		}
		language, toolchain = f.Go, f.Toolchain
	}
	if language != nil {
		r.Toolchains = append(r.Toolchains, "go"+language.Version)
	}
	if toolchain != nil {
		r.Toolchains = append(r.Toolchains, toolchain.Name)
	}
	return nil
}

// addDrops adds to rules the versions that patterns name, which go.
func addDrops(r *prune.Rules, patterns []string) error {
	for _, text := range patterns {
		p, err := goproxy.ParsePattern(text)
		if err != nil {
			return err
		}
		r.Drop = append(r.Drop, prune.Drop{Pattern: p})
	}
	return nil
}

// addDenied adds to rules the versions that the deny list of a mirror file names, which go.
func addDenied(r *prune.Rules, name string) error {
	data, err := userfile.ReadAny(name, mirrorfile.MaxSize)
	if err != nil {
		return err
	}
	f, err := mirrorfile.Parse(name, data)
	if err != nil {
		return err
	}
	for _, rule := range f.Deny {
		for _, p := range rule.Patterns {
			r.Drop = append(r.Drop, prune.Drop{Pattern: p, Reason: cmp.Or(rule.Reason, filepath.Base(name))})
		}
	}
	return nil
}
