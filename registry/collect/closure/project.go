package closure

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/version"
	"path/filepath"
	"slices"

	"golang.org/x/mod/modfile"

	"github.com/modferry/modferry/registry/gocmd"
	"github.com/modferry/modferry/registry/project"
)

// ProjectOptions configures [Runner.Project].
type ProjectOptions struct {
	Name        string // what messages call the project; "" = its directory
	DownloadAll bool   // the zips of the whole module graph, so that "go mod download all" works
}

// Project finds out what a project needs: what its go.sum files list, with their
// sums; the .mod of every node of its module graph; and what "go mod tidy", "go list -m
// all" and "go mod download" fetch, in its workspace and in each of its modules alone.
// If it is not tidy, which is a warning, that is done for the tidied project too.
// What p.Problems says is not said again, nor what is wrong with its go.sum files: of two sums that
// contradict each other, the first counts.
//
// It works on a copy: the user's files are never touched.
func (r *Runner) Project(ctx context.Context, p *project.Project, o ProjectOptions) (_ *Result, err error) {
	name := cmp.Or(o.Name, p.Root)
	v, err := r.view(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("finding out what %s needs: %w", name, err)
	}
	defer v.end(&err)
	v.addSums(p, "")
	v.Hide(p.Own())
	dir, err := v.mkdir("project")
	if err != nil {
		return nil, err
	}
	scratch, err := p.Copy(dir, project.CopyOptions{GoOnly: true})
	if err != nil {
		v.warn("only what its go.sum lists is known", err)
		return v.result(ctx)
	}
	for _, m := range append([]project.Module{{Dir: scratch.Root}}, scratch.Modules...) {
		if rel, err := filepath.Rel(scratch.Root, m.Dir); err == nil {
			v.standsFor(m.Dir, filepath.Join(name, rel))
		}
	}
	v.project(ctx, scratch, o)
	return v.result(ctx)
}

// project runs go commands in a project, which it may change.
func (v *view) project(ctx context.Context, p *project.Project, o ProjectOptions) {
	places := slices.DeleteFunc(v.places(p), func(pl place) bool {
		err := v.checkGo(ctx, pl)
		if err != nil {
			v.warn("running the go command; only what its go.sum lists is known", err)
		}
		return err != nil
	})
	untidy := false
	for _, pl := range places {
		if pl.module {
			untidy = v.isUntidy(ctx, pl) || untidy
		}
	}
	v.graph(ctx, places, o)
	if !untidy {
		return
	}
	for _, pl := range places {
		if !pl.module {
			continue
		}
		// Without -e it would stop at the first package that cannot be had. What is then still
		// missing was told when it was found out that the module is not tidy.
		if _, err := v.run(ctx, pl.goCmd, pl.dir, "mod", "tidy", "-e"); err != nil {
			v.warn("tidying a copy", err)
		}
	}
	if !v.foreign {
		v.addSums(p, " after go mod tidy")
	}
	v.graph(ctx, places, o)
}

// place is where go commands run: a workspace or one module.
type place struct {
	goCmd  *gocmd.Cmd
	dir    string
	module bool
	bound  bool            // to its workspace
	added  map[string]bool // what is replaced by directories in this copy of the module only

	goLine *modfile.Go // of file; nil = there is none
	file   string
}

// places returns the workspace, if p is one, and its modules.
func (v *view) places(p *project.Project) []place {
	var all []place
	if p.Work != nil {
		c := v.goCmd.With("GOWORK=" + filepath.Join(p.Root, "go.work"))
		all = append(all, place{goCmd: c, dir: p.Root, goLine: p.Work.Go, file: filepath.Join(p.Root, "go.work")})
	}
	for _, m := range p.Modules {
		if m.File != nil {
			all = append(all, place{
				goCmd: v.goCmd.With("GOFLAGS=-mod=mod"), dir: m.Dir, module: true, bound: m.Bound, added: m.Added,
				goLine: m.File.Go, file: filepath.Join(m.Dir, "go.mod"),
			})
		}
	}
	return all
}

// graph reads the module graph and downloads what "go mod download" does.
func (v *view) graph(ctx context.Context, places []place, o ProjectOptions) {
	for _, pl := range places {
		v.list(ctx, pl.goCmd, pl.dir, "all")
		v.download(ctx, pl.goCmd, pl.dir)
		if o.DownloadAll {
			v.download(ctx, pl.goCmd, pl.dir, "all")
		}
	}
}

// errTooOld: the go command is older than a go line demands.
var errTooOld = errors.New("the go command is too old")

// checkGo fails if the go command that runs in a place is older than its go line demands.
func (v *view) checkGo(ctx context.Context, pl place) error {
	if pl.goLine == nil {
		return nil
	}
	demanded := "go" + pl.goLine.Version
	have, err := v.goVersion(ctx, pl.goCmd, pl.dir)
	if err != nil {
		return err
	}
	if isOlder(have, demanded) {
		return tooOldError(v.readable(pl.file), demanded, have)
	}
	return nil
}

// goVersion returns the release of the go command that runs in a directory, as go1.26.8: GOTOOLCHAIN may
// make the one that is installed switch. "" = it cannot be told.
func (v *view) goVersion(ctx context.Context, c *gocmd.Cmd, dir string) (string, error) {
	out, err := v.run(ctx, c, dir, "env", "GOVERSION")
	return gocmd.Release(string(bytes.TrimSpace(out))), err
}

// isOlder reports whether a release is older than what is demanded. One that cannot be told is for the go
// command to judge.
func isOlder(have, demanded string) bool {
	return have != "" && version.Compare(have, demanded) < 0
}

func tooOldError(who, demanded, have string) error {
	return fmt.Errorf("%s demands %s, but this is %s: %w: install a newer Go, or set GOTOOLCHAIN=auto so that it fetches one", who, demanded, have, errTooOld)
}
