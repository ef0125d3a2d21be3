package closure

import (
	"context"
	"errors"
	"fmt"
	"go/version"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/registry/project"
)

// Seed finds out what those need who import packages of a module, which packages ever, or install its
// programs: what a module that imports all of them needs, for any choice of them; and what the
// module itself needs as a project. The version itself is always full. It is an error if that cannot be
// had; what only its dependencies lack is a warning.
func (r *Runner) Seed(ctx context.Context, m module.Version) (_ *Result, err error) {
	if err := module.Check(m.Path, m.Version); err != nil {
		return nil, fmt.Errorf("finding out what %s needs: %w", m, err)
	}
	v, err := r.view(ctx, m.String())
	if err != nil {
		return nil, fmt.Errorf("finding out what %s needs: %w", m, err)
	}
	defer v.end(&err)
	v.foreign = true
	got, err := v.fetch(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("finding out what %s needs: %w", m, err)
	}
	v.needs.add(Need{Module: m, From: v.from})
	dir, err := v.mkdir("producer")
	if err != nil {
		return nil, err
	}
	if err := unpack(dir, m, got.Zip); err != nil {
		return nil, fmt.Errorf("finding out what %s needs: %w", m, err)
	}
	v.standsFor(dir, m.String())
	if got.tooOld != nil {
		v.warn("running the go command; only what its go.sum lists is known", got.tooOld)
		v.addListed(ctx, m, dir)
		return v.result(ctx)
	}
	packages, err := findPackages(m.Path, dir)
	if err != nil {
		v.warn("looking for packages", err)
	}
	if err := v.consumer(ctx, m, got, packages); err != nil {
		v.warn("as a dependency", err)
	}
	if err := v.producer(ctx, m, dir); err != nil {
		v.warn("as a project", err)
	}
	return v.result(ctx)
}

// unpack extracts a module's zip so that go commands may change its go.mod: as it comes out of a zip,
// every file is read-only.
func unpack(dir string, m module.Version, zip string) error {
	if err := modzip.Unzip(dir, m, zip); err != nil {
		return err
	}
	err := os.Chmod(filepath.Join(dir, "go.mod"), 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// producer adds what a module in dir needs as the main module. That of a module without a
// go.mod is not known: it depends on what is newest on the day it is built.
func (v *view) producer(ctx context.Context, m module.Version, dir string) error {
	name := filepath.Join(dir, "go.mod")
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f, err := modfile.ParseLax(m.String()+"/go.mod", data, nil)
	if err != nil {
		return err
	}
	if data, err = withoutLocal(f, data); err != nil {
		return err
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		return err
	}
	// What the author's workspace has is not in the zip, and go.mod says what its vendor directory has. A go.sum
	// may be wrong, and nobody notices but the author: the checksum database knows.
	for _, name := range []string{"go.work", "go.work.sum", "go.sum", "vendor"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	p, err := project.Load(dir)
	if err != nil {
		return err
	}
	for _, problem := range p.Problems {
		v.warn("as a project", problem)
	}
	v.project(ctx, p, ProjectOptions{})
	return nil
}

// withoutLocal returns a go.mod without replacements by directories, which are not in a zip.
func withoutLocal(f *modfile.File, data []byte) ([]byte, error) {
	full, err := modfile.Parse(f.Syntax.Name, data, nil)
	if err != nil {
		return nil, err
	}
	changed := false
	for _, r := range full.Replace {
		if r.New.Version == "" {
			changed = true
			if err := full.DropReplace(r.Old.Path, r.Old.Version); err != nil {
				return nil, err
			}
		}
	}
	if !changed {
		return data, nil
	}
	full.Cleanup()
	return full.Format()
}

// consumerPath is the module path of modules that are made up here. Nobody can have it.
const consumerPath = "consumer.invalid/consumer"

// consumer adds what a fresh module needs that imports packages of m: all of them, or any of them.
func (v *view) consumer(ctx context.Context, m module.Version, got downloaded, packages []string) error {
	demanded, err := goLine(got.GoMod)
	if err != nil {
		return err
	}
	have, err := v.goVersion(ctx, v.goCmd, v.dir)
	if err != nil {
		return err
	}
	own := version.Lang(have)
	if version.Compare(demanded, own) > 0 {
		own = demanded
	}
	pl, err := v.newConsumer("consumer", own, m, packages)
	if err != nil {
		return err
	}
	if err := v.checkGo(ctx, pl); err != nil {
		return err
	}
	if _, err := v.run(ctx, pl.goCmd, pl.dir, "mod", "tidy"); err != nil {
		v.warn("as a dependency", err)
		if _, err := v.run(ctx, pl.goCmd, pl.dir, "mod", "tidy", "-e"); err != nil {
			v.warn("as a dependency", err)
		}
	}
	v.graph(ctx, []place{pl}, ProjectOptions{DownloadAll: true})
	if err := v.choices(ctx, pl); err != nil {
		return err
	}
	return v.oldConsumer(ctx, m, demanded, packages)
}

// newConsumer makes a module that requires m and imports packages of it, in a scratch directory. If its release is "",
// it lacks a go line: the go command adds its own.
func (v *view) newConsumer(name, release string, m module.Version, packages []string) (place, error) {
	dir, err := v.mkdir(name)
	if err != nil {
		return place{}, err
	}
	var f modfile.File
	errs := []error{f.AddModuleStmt(consumerPath), f.AddRequire(m.Path, m.Version)}
	if release != "" {
		errs = append(errs, f.AddGoStmt(strings.TrimPrefix(release, "go")))
	}
	data, err := f.Format()
	if err := errors.Join(append(errs, err)...); err != nil {
		return place{}, err
	}
	for file, text := range map[string][]byte{"go.mod": data, "imports.go": importAll(packages)} {
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
			return place{}, err
		}
	}
	p, err := project.Load(dir)
	if err != nil {
		return place{}, err
	}
	return v.places(p)[0], nil
}
