package collect

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/collect/closure"
	"github.com/modferry/modferry/registry/project"
	"github.com/modferry/modferry/registry/requirement"
)

// addGoSum adds what a go.sum file lists.
func (c *collector) addGoSum(name string, data []byte) { c.findings.add(parseGoSum(name, data)) }

// parseGoSum finds what a go.sum file lists.
func parseGoSum(name string, data []byte) findings {
	lines, problems := project.ParseSums(name, data)
	found := findings{problems: problems}
	for _, l := range lines {
		found.items = append(found.items, l.Requirement())
	}
	return found
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
			c.warnings = append(c.warnings, fmt.Errorf("%s: %s is not mirrored: it is replaced by the directory %s", from, r.Mod, m.Path))
			continue
		}
		if err := goproxy.Check(m); err != nil {
			c.fail("%s: %w", from, err)
			continue
		}
		c.items = append(c.items, requirement.Requirement{Module: m, From: from})
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

// addProject adds what a project needs: what the go.sum files of all its modules list,
// and what the go command finds besides.
func (c *collector) addProject(p *project.Project, name string, downloadAll bool, a ask) {
	for _, err := range p.Problems {
		var problem *project.Problem
		if errors.As(err, &problem) && problem.Warning {
			c.warnings = append(c.warnings, err)
		} else {
			c.problems = append(c.problems, err)
		}
	}
	if p.Work != nil {
		c.addDemanded(filepath.Join(name, "go.work"), p.Work.Go, p.Work.Toolchain)
	}
	for _, m := range p.Modules {
		if m.File != nil {
			c.addDemanded(shown(p, name, filepath.Join(m.Dir, "go.mod")), m.File.Go, m.File.Toolchain)
		}
	}
	a.find = func(ctx context.Context) findings { return c.findProject(ctx, p, name, downloadAll, a.from) }
	c.asks = append(c.asks, a)
}

// shown returns how to name a file of a project that the user gave as name.
func shown(p *project.Project, name, file string) string {
	rel, err := filepath.Rel(p.Root, file)
	if err != nil {
		return file
	}
	return filepath.Join(name, rel)
}

func (c *collector) findProject(ctx context.Context, p *project.Project, name string, downloadAll bool, from string) findings {
	f := sumsOf(p, name)
	ran, err := c.goCommand.use(ctx, func(r *closure.Runner) error {
		result, err := r.Project(ctx, p, closure.ProjectOptions{Name: name, DownloadAll: downloadAll})
		if err == nil {
			f.add(needs(result, from, name))
		}
		return err
	})
	unlisted := p.Unlisted()
	switch {
	case err != nil:
		f.problems = append(f.problems, err)
	case ran:
	case len(p.SumFiles()) == 0 && len(unlisted) > 0:
		f.fail("%s has requirements, but there is no go.sum beside it: run \"go mod tidy\" there", filepath.Join(name, "go.mod"))
	case downloadAll:
		f.fail("%s: the go command is needed to find out what \"go mod download all\" would fetch", name)
	case len(unlisted) > 0:
		f.problems = append(f.problems, unlisted...)
	default:
		f.warnings = append(f.warnings, fmt.Errorf("%s: only what go.sum pins is mirrored: enough for build, test, vet, vendor and tidy, "+
			"not for go list -m all; finding out the rest takes the go command", name))
	}
	return f
}

// sumsOf finds what the go.sum files of a project list.
func sumsOf(p *project.Project, name string) findings {
	var f findings
	for _, file := range p.SumFiles() {
		data, err := readFile(file)
		if err != nil {
			f.problems = append(f.problems, err)
			continue
		}
		f.add(parseGoSum(shown(p, name, file), data))
	}
	return f
}
