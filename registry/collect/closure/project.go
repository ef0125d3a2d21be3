package closure

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/mod/modfile"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/gocmd"
	"github.com/modferry/modferry/registry/project"
)

// ProjectOptions configures [Runner.Project].
type ProjectOptions struct {
	Name        string // what messages call the project; "" = its directory
	From        string // who needs what nothing more exact is known of; "" = Name
	DownloadAll bool   // the zips of the whole module graph, so that "go mod download all" works
}

// Project finds out what a project needs: what its go.sum files list, with their sums; the .mod of every node of its
// module graph; and what "go mod tidy", "go list -m all" and "go mod download" fetch, in its workspace and in each of
// its modules alone. If it is not tidy, which is a warning, that is done for the tidied project too. What p.Problems
// says is not said again, nor what is wrong with its go.sum files: of two sums that contradict each other, the first
// counts.
//
// It works on a copy: the user's files are never touched.
func (r *Runner) Project(ctx context.Context, p *project.Project, o ProjectOptions) (_ *Result, err error) {
	name := cmp.Or(o.Name, p.Root)
	v, err := r.view(name, o.From)
	if err != nil {
		return nil, fmt.Errorf("finding out what %s needs: %w", name, err)
	}
	defer v.end(&err)
	v.addSums(p, "")
	own := p.Own()
	v.Hide(func(f goproxy.File) bool { return own(f.Version) })
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
	v.project(ctx, scratch, o.DownloadAll)
	return v.result(ctx)
}

// addSums adds what the go.sum files of a project list. What is wrong with them, whoever reads them for their sums says.
func (v *view) addSums(p *project.Project, suffix string) {
	lines, _ := p.Sums()
	for _, l := range lines {
		l.From = v.readable(l.From) + suffix
		v.needs.Add(l)
	}
}

// project runs go commands in a project, which it may change.
func (v *view) project(ctx context.Context, p *project.Project, downloadAll bool) {
	places := slices.DeleteFunc(v.places(p), func(pl place) bool {
		err := v.checkGo(ctx, pl.goCmd, pl.dir, v.readable(pl.file), pl.goVersion)
		if err != nil {
			v.warn("running the go command; only what its go.sum lists is known", err)
		}
		return err != nil
	})
	before := make([]modLines, len(places))
	for i, pl := range places {
		before[i] = v.modLines(pl.dir)
	}
	v.graph(ctx, places, downloadAll)
	changed := false
	for i, pl := range places {
		if pl.module {
			changed = v.tidy(ctx, pl, before[i]) || changed
		}
	}
	if !changed {
		return
	}
	if !v.foreign {
		v.addSums(p, " after go mod tidy")
	}
	v.graph(ctx, places, downloadAll)
}

// place is where go commands run: a workspace or one module.
type place struct {
	goCmd  *gocmd.Cmd
	dir    string
	module bool
	added  map[string]bool // what is replaced by directories in this copy of the module only

	file      string // its go.mod or go.work
	goVersion string // what that demands, as go1.26.0; "" = nothing
}

// places returns the workspace, if p is one, and its modules.
func (v *view) places(p *project.Project) []place {
	demanded := func(line *modfile.Go) string {
		if line == nil {
			return ""
		}
		return "go" + line.Version
	}
	var all []place
	if p.Work != nil {
		file := filepath.Join(p.Root, "go.work")
		all = append(all, place{goCmd: v.goCmd.With("GOWORK=" + file), dir: p.Root, file: file, goVersion: demanded(p.Work.Go)})
	}
	for _, m := range p.Modules {
		if m.File != nil {
			all = append(all, place{
				goCmd: v.goCmd.With("GOFLAGS=-mod=mod"), dir: m.Dir, module: true, added: m.Added,
				file: filepath.Join(m.Dir, "go.mod"), goVersion: demanded(m.File.Go),
			})
		}
	}
	return all
}

// graph reads the module graph and downloads what "go mod download" does.
func (v *view) graph(ctx context.Context, places []place, downloadAll bool) {
	for _, pl := range places {
		v.list(ctx, pl.goCmd, pl.dir, "all")
		v.download(ctx, pl.goCmd, pl.dir)
		if downloadAll {
			v.download(ctx, pl.goCmd, pl.dir, "all")
		}
	}
}
