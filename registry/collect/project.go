package collect

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/mod/modfile"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/collect/closure"
	"github.com/modferry/modferry/registry/project"
	"github.com/modferry/modferry/registry/requirement"
)

// addGoSum adds what a go.sum file lists.
func (c *collector) addGoSum(name string, data []byte) {
	items, problems := project.ParseSums(name, data)
	c.findings.add(findings{items: items, problems: problems})
}

// addGoMod adds what a go.mod file requires.
func (c *collector) addGoMod(name string, data []byte) {
	f, err := modfile.Parse(name, data, nil)
	if err != nil {
		c.fail(fmt.Errorf("%w; \"go mod tidy\" may mend it", err))
		return
	}
	c.addDemanded(name, f.Go, f.Toolchain)
	for _, r := range f.Require {
		m, line := r.Mod, r.Syntax.Start.Line
		if to := project.Replacement(f.Replace, r.Mod); to != nil {
			m, line = to.New, to.Syntax.Start.Line
		}
		from := fmt.Sprintf("%s:%d", name, line)
		if m.Version == "" {
			c.warn(fmt.Errorf("%s: %s is not mirrored: it is replaced by the directory %s", from, r.Mod, m.Path))
			continue
		}
		if err := goproxy.Check(m); err != nil {
			c.fail(fmt.Errorf("%s: %w", from, err))
			continue
		}
		c.items = append(c.items, requirement.Requirement{Module: m, From: from})
	}
}

// addProject adds what a project needs: what the go.sum files of all its modules list,
// and what the go command finds besides.
func (c *collector) addProject(p *project.Project, name string, downloadAll bool, e entry) {
	for _, err := range p.Problems {
		if problem, ok := errors.AsType[*project.Problem](err); ok && problem.Warning {
			c.warn(err)
		} else {
			c.fail(err)
		}
	}
	if p.Work != nil {
		c.addDemanded(p.Work.Syntax.Name, p.Work.Go, p.Work.Toolchain)
	}
	for _, m := range p.Modules {
		if m.File != nil {
			c.addDemanded(m.File.Syntax.Name, m.File.Go, m.File.Toolchain)
		}
	}
	e.find = func(ctx context.Context) findings { return c.findProject(ctx, p, name, downloadAll, e) }
	c.entries = append(c.entries, e)
}

func (c *collector) findProject(ctx context.Context, p *project.Project, name string, downloadAll bool, e entry) findings {
	f := sumsOf(p)
	ran, err := c.runGo(ctx, func(r *closure.Runner) error {
		result, err := r.Project(ctx, p, closure.ProjectOptions{Name: name, From: e.who(name), DownloadAll: downloadAll})
		if err == nil {
			f.add(needs(result))
		}
		return err
	})
	unlisted := p.Unlisted()
	switch {
	case err != nil:
		f.fail(err)
	case ran:
	case len(p.SumFiles()) == 0 && len(unlisted) > 0:
		goMod := filepath.Join(name, "go.mod")
		f.fail(fmt.Errorf("%s has requirements, but there is no go.sum beside it: run \"go mod tidy\" there", goMod))
	case downloadAll:
		f.fail(fmt.Errorf("%s: the go command is needed to find out what \"go mod download all\" would fetch", name))
	case len(unlisted) > 0:
		f.problems = append(f.problems, unlisted...)
	default:
		f.warn(fmt.Errorf("%s: only what go.sum pins is mirrored: enough for build, test, vet, vendor and tidy, "+
			"not for go list -m all; finding out the rest takes the go command", name))
	}
	return f
}

// sumsOf finds what the go.sum files of a project list.
func sumsOf(p *project.Project) findings {
	items, problems := p.Sums()
	return findings{items: items, problems: problems}
}
