package collect

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/registry/collect/closure"
	"github.com/modferry/modferry/registry/gocmd"
	"github.com/modferry/modferry/registry/record"
	"github.com/modferry/modferry/registry/requirement"
)

// ask is one thing that is asked for and takes requests, or the go command, to
// find out.
type ask struct {
	from string // the argument, or the file and line
	find func(context.Context) findings

	// What a lock file knows it by. An ask without an id is not locked.
	id          string
	fingerprint string // of what the findings depend on besides the id

	// sums finds what the go.sum files of a project say, which counts for what is locked too; nil = nothing.
	sums func() findings
}

// findings are what came of an ask.
type findings struct {
	items    []requirement.Requirement
	problems []error
	warnings []error          // of what only works in part
	notes    []error          // of what works as a whole, though perhaps not as it was meant: shown like warnings
	means    []module.Version // what the query led to
	part     bool             // there may be more
}

func failed(format string, args ...any) findings {
	return findings{problems: []error{fmt.Errorf(format, args...)}}
}

func (f *findings) add(more findings) {
	f.items = append(f.items, more.items...)
	f.problems = append(f.problems, more.problems...)
	f.warnings = append(f.warnings, more.warnings...)
	f.notes = append(f.notes, more.notes...)
	f.means = append(f.means, more.means...)
	f.part = f.part || more.part
}

// Requests are small and spend their time waiting; go commands fetch zips, too.
const (
	parallelAsks    = 8
	parallelClosure = 3
)

// answer finds out what all asks come to. Asks do not hinder each other, and the
// order of what they find is that of the asks.
func (c *collector) answer(ctx context.Context) {
	found := make([]findings, len(c.asks))
	var group errgroup.Group
	group.SetLimit(parallelAsks)
	for i, a := range c.asks {
		group.Go(func() error {
			var ok bool
			if found[i], ok = c.locked(a); !ok {
				found[i] = a.find(ctx)
			}
			return nil
		})
	}
	_ = group.Wait() // problems are among the findings
	if err := context.Cause(ctx); err != nil {
		c.items, c.problems = nil, append(c.problems, err)
		return
	}
	for i, a := range c.asks {
		c.relock(a, found[i])
		c.findings.add(found[i])
	}
	c.warnings = append(c.warnings, c.notes...)
}

// goCommand is what runs the go command to find out what something needs. There is
// none if there is no go command, or it must not be run.
type goCommand struct {
	start func(context.Context) (*closure.Runner, error) // nil = must not be run
	slots chan struct{}

	once   sync.Once
	runner *closure.Runner
	err    error
}

func newGoCommand(start func(context.Context) (*closure.Runner, error)) *goCommand {
	return &goCommand{start: start, slots: make(chan struct{}, parallelClosure)}
}

// use runs fn, a few at a time. It reports false if there is no go command to run.
func (g *goCommand) use(ctx context.Context, fn func(*closure.Runner) error) (ok bool, err error) {
	if g.start == nil {
		return false, nil
	}
	select {
	case g.slots <- struct{}{}:
	case <-ctx.Done():
		return true, context.Cause(ctx)
	}
	defer func() { <-g.slots }()
	g.once.Do(func() { g.runner, g.err = g.start(ctx) })
	switch {
	case errors.Is(g.err, gocmd.ErrNoGo):
		return false, nil
	case g.err != nil:
		return true, g.err
	}
	return true, fn(g.runner)
}

func (g *goCommand) close() error {
	if g.runner == nil {
		return nil
	}
	return g.runner.Close()
}

// needs turns what the go command found into items and warnings, which say where it was asked for.
func needs(r *closure.Result, from, asked string) findings {
	f, subject := findings{part: r.Partial}, r.Subject
	for _, w := range r.Warnings {
		f.warnings = append(f.warnings, fromError(from, asked, w))
	}
	if from != asked {
		subject = from + ": " + subject
	}
	for _, n := range r.Needs {
		it := requirement.Requirement{Module: n.Module, ModOnly: n.ModOnly, Sum: n.Sum, GoModSum: n.GoModSum, From: n.From}
		if n.From == r.Subject {
			it.From = subject
		}
		f.items = append(f.items, it)
	}
	f.items = append(f.items, named(r.Revisions, subject)...)
	return f
}

// named turns revisions that the go command asked for into items.
func named(revisions []record.Revision, from string) []requirement.Requirement {
	var items []requirement.Requirement
	for _, r := range revisions {
		items = append(items, requirement.Requirement{
			Module:  module.Version{Path: r.Path, Version: r.Version},
			ModOnly: true, // if more was fetched, that is another item
			From:    from, Revisions: []string{r.Name},
		})
	}
	return items
}

// Recorded returns what a command fetched as items to mirror. from names the command.
func Recorded(r *closure.Result, from string) []requirement.Requirement {
	c := &collector{findings: needs(r, from, from), permits: func(module.Version) error { return nil }}
	c.merge()
	return c.items
}
