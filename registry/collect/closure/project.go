package closure

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

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
// its modules alone. If a module is not tidy, which is a warning, that is done for the tidied module too. What p.Problems
// says is not said again, nor what is wrong with its go.sum files: of two sums that contradict each other, the first
// counts.
//
// Go commands change a copy of the go.mod and go.sum files: the user's are never touched.
func (r *Runner) Project(ctx context.Context, p *project.Project, o ProjectOptions) (_ *Result, err error) {
	name := cmp.Or(o.Name, p.Root)
	v, err := r.view(name, o.From)
	if err != nil {
		return nil, fmt.Errorf("finding out what %s needs: %w", name, err)
	}
	defer v.end(&err)
	v.addSums(p, "")
	skeleton, err := p.Skeleton(filepath.Join(v.dir, "project"))
	if err != nil {
		v.warn("only what its go.sum lists is known", err)
		return v.result(ctx)
	}
	for _, m := range append([]project.Module{{Dir: p.Root}}, p.Modules...) {
		if rel, err := filepath.Rel(p.Root, m.Dir); err == nil {
			v.standsFor(m.Dir, filepath.Join(name, rel))
		}
	}
	v.standsFor(strings.TrimSuffix(skeleton.Root, p.Root), "")
	v.project(ctx, skeleton, o.DownloadAll)
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

// project runs go commands in a skeleton of a project, which they change: in its workspace, if it is one, as that is,
// and in each of its modules alone.
func (v *view) project(ctx context.Context, p *project.Project, downloadAll bool) {
	if p.Work != nil {
		v.workspace(ctx, p, downloadAll)
	}
	changed := false
	for _, m := range p.Modules {
		pl := place{goCmd: v.goCmd.With("GOFLAGS=-mod=mod"), dir: m.Dir, file: filepath.Join(m.Dir, "go.mod")}
		if m.File == nil || !v.canRun(ctx, pl, m.File.Go) {
			continue
		}
		before := m.Lines()
		if err := m.StandAlone(); err != nil {
			v.warn("running the go command in a module alone", err)
			continue
		}
		v.graph(ctx, pl, downloadAll)
		if v.tidy(ctx, pl, m, before) {
			changed = true
			v.graph(ctx, pl, downloadAll)
		}
	}
	if changed && !v.foreign {
		v.addSums(p, " after go mod tidy")
	}
}

// place is where go commands run: a workspace or one module.
type place struct {
	goCmd *gocmd.Cmd
	dir   string
	file  string // its go.mod or go.work
}

// workspace does what graph does in the workspace.
func (v *view) workspace(ctx context.Context, p *project.Project, downloadAll bool) {
	file := filepath.Join(p.Root, "go.work")
	pl := place{goCmd: v.goCmd.With("GOWORK=" + file), dir: p.Root, file: file}
	if v.canRun(ctx, pl, p.Work.Go) {
		v.graph(ctx, pl, downloadAll)
	}
	for _, f := range v.Failed() {
		if mend := p.ReplaceInWork(f.Module); mend != "" && f.File == goproxy.Mod {
			err := fmt.Errorf("its own module %s is required, which could not be had: if it was never published, mend that with \"%s\"", f.Module, mend)
			v.warn("working in the workspace", err)
		}
	}
}

// canRun reports whether the go command is new enough for the go line of a place, and warns if not.
func (v *view) canRun(ctx context.Context, pl place, line *modfile.Go) bool {
	if line == nil {
		return true
	}
	err := v.checkGo(ctx, pl, "go"+line.Version)
	if err != nil {
		v.warn("running the go command; only what its go.sum lists is known", err)
	}
	return err == nil
}

// graph reads the module graph and downloads what "go mod download" does.
func (v *view) graph(ctx context.Context, pl place, downloadAll bool) {
	v.list(ctx, pl, "all")
	v.download(ctx, pl)
	if downloadAll {
		v.download(ctx, pl, "all")
	}
}

// tidy runs "go mod tidy" on a copy of a module's go.mod and go.sum, and reports whether that made more of it than it
// was before: only to remove lines of go.sum is no lack. If it requires what is replaced only because it is alone,
// nobody can tidy it but here.
func (v *view) tidy(ctx context.Context, pl place, m project.Module, before project.Lines) bool {
	const doing = "tidying a copy"
	pl.dir = m.Source
	modFile := "-modfile=" + pl.file
	if _, err := v.run(ctx, pl, "mod", "tidy", modFile); err != nil {
		v.warn(doing, err)
		// Without -e it stops at the first package that cannot be had.
		if _, err := v.run(ctx, pl, "mod", "tidy", modFile, "-e"); err != nil {
			v.warn(doing, err)
		}
		return true
	}
	after := m.Lines()
	changes, sums := before.Changes(after)
	if !v.foreign { // the go.sum of somebody else's module was removed
		isLess := func(line string) bool { return strings.HasPrefix(line, "-") }
		changes = append(changes, slices.DeleteFunc(sums, isLess)...)
	}
	if len(changes) > 0 && !v.foreign && !after.RequireAny(m.Alone) {
		v.warn("it is not tidy", fmt.Errorf("\"go mod tidy\" in %s would change %q; it was done in a copy: run it and commit the result",
			v.readable(pl.dir), changes[0]))
	}
	return len(changes) > 0
}
