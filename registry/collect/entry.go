package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/collect/closure"
	"github.com/modferry/modferry/registry/collect/mirrorfile"
	"github.com/modferry/modferry/registry/gocmd"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream"
)

// entry is something that is wanted of which it takes requests, or the go command, to find out the versions.
type entry struct {
	from   string // the argument, or the file and line
	isLine bool   // it is a file and line, which messages begin with; an argument is named by them anyway
	find   func(context.Context) findings

	// What a lock file knows it by. An entry without an id is not locked.
	id          string
	fingerprint string // of what the findings depend on besides the id

	// sums finds what the go.sum files of a project say, which counts for what is locked too; nil = nothing.
	sums func() findings
}

// findings are what came of an entry.
type findings struct {
	items    []requirement.Requirement
	problems []error
	warnings []error
	chosen   []module.Version // what the query led to
	part     bool             // there may be more
	alone    bool             // what a module needs is not among them, as there is no go command
}

func failed(err error) findings { return findings{problems: []error{err}} }

func (f *findings) fail(err error) { f.problems = append(f.problems, err) }

// warn adds a warning of what only works in part.
func (f *findings) warn(err error) {
	f.warnings = append(f.warnings, err)
	f.part = true
}

func (f *findings) add(more findings) {
	f.items = append(f.items, more.items...)
	f.problems = append(f.problems, more.problems...)
	f.warnings = append(f.warnings, more.warnings...)
	f.chosen = append(f.chosen, more.chosen...)
	f.part = f.part || more.part
	f.alone = f.alone || more.alone
}

// at makes the errors ones that say which line they are about. Of items of which nobody knows better who wants them, the entry does.
func (f *findings) at(e entry) {
	for _, errs := range [][]error{f.problems, f.warnings} {
		for i, err := range errs {
			if e.isLine {
				errs[i] = fmt.Errorf("%s: %w", e.from, err)
			}
		}
	}
	for i := range f.items {
		f.items[i].From = cmp.Or(f.items[i].From, e.from)
	}
}

// who says who needs a version of which nothing more exact is known than what needs it.
func (e entry) who(what string) string {
	if e.isLine {
		return e.from + ": " + what
	}
	return what
}

// needs turns what the go command found into findings.
func needs(r *closure.Result) findings {
	return findings{items: r.Needs, warnings: r.Warnings, part: r.Partial}
}

// collector gathers findings.
type collector struct {
	Options
	up        *upstream.Upstream
	platforms []string                 // GOOS/GOARCH
	releases  func() ([]string, error) // the toolchains upstream has

	// Of the go command.
	slots  chan struct{}
	start  sync.Once
	runner *closure.Runner
	err    error // why there is no runner

	// Of a mirror file.
	permits func(module.Version) error
	lock    *mirrorfile.Lock // what is locked; nil = nothing
	update  bool             // do not go by the lock but for sums
	relocks []mirrorfile.Locked
	partial bool // something could not be found out

	entries []entry
	findings
}

// add adds what an entry came to at once.
func (c *collector) add(e entry, f findings) {
	f.at(e)
	c.findings.add(f)
}

// Requests are small and spend their time waiting; go commands fetch zips, too.
const (
	parallelEntries = 8
	parallelClosure = 3
)

func newCollector(up *upstream.Upstream, o Options) *collector {
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	c := &collector{
		Options: o, up: up, slots: make(chan struct{}, parallelClosure),
		permits: func(module.Version) error { return nil }, platforms: o.Platforms,
	}
	if len(c.platforms) == 0 {
		c.platforms = []string{runtime.GOOS + "/" + runtime.GOARCH}
	}
	return c
}

// collect finds out what all entries come to. Entries do not hinder each other, and the
// order of what they find is theirs.
func (c *collector) collect(ctx context.Context) ([]requirement.Requirement, []error) {
	c.releases = sync.OnceValues(func() ([]string, error) { return c.up.List(ctx, goproxy.ToolchainPath) })
	found := parallel(c.entries, func(e entry) findings {
		if f, ok := c.locked(e); ok {
			return f
		}
		return e.find(ctx)
	})
	if c.runner != nil {
		if err := c.runner.Close(); err != nil {
			c.fail(err)
		}
	}
	if ctx.Err() != nil {
		c.fail(context.Cause(ctx))
		return nil, c.problems
	}
	for i, e := range c.entries {
		c.relock(e, found[i])
		found[i].at(e)
		c.findings.add(found[i])
	}
	if c.alone {
		c.warn(errors.New("named modules are mirrored alone, without the modules they need: finding those out takes the go command"))
	}
	c.merge()
	for _, w := range distinct(c.warnings) {
		c.Warn(w)
	}
	return c.items, c.problems
}

// parallel returns what fn makes of each of a list, a few at a time.
func parallel[T any](list []T, fn func(T) findings) []findings {
	found := make([]findings, len(list))
	var group errgroup.Group
	group.SetLimit(parallelEntries)
	for i, one := range list {
		group.Go(func() error {
			found[i] = fn(one)
			return nil
		})
	}
	_ = group.Wait() // problems are among the findings
	return found
}

// runGo runs fn with what runs the go command, a few at a time. It reports false if there is none: no go command, or it must
// not be run.
func (c *collector) runGo(ctx context.Context, fn func(*closure.Runner) error) (ok bool, err error) {
	if c.GoCommand == nil {
		return false, nil
	}
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return true, context.Cause(ctx)
	}
	defer func() { <-c.slots }()
	c.start.Do(func() { c.runner, c.err = c.GoCommand(ctx) })
	switch {
	case errors.Is(c.err, gocmd.ErrNoGo):
		return false, nil
	case c.err != nil:
		return true, c.err
	}
	return true, fn(c.runner)
}

// merge leaves each version once, sorted, and of those only the permitted ones. Versions that were
// asked for with different sums are left out altogether.
func (c *collector) merge() {
	set, bad := make(requirement.Set), make(map[module.Version]bool)
	for _, it := range c.items {
		if other := set.Add(it); other != nil {
			err := fmt.Errorf("%s and %s have different sums for it: %w", other.From, it.From, upstream.ErrChecksum)
			c.fail(fmt.Errorf("SECURITY: %s: %w", it.Module, err))
			bad[it.Module] = true
		}
	}
	c.items = nil
	for _, it := range set.Sorted() {
		if bad[it.Module] {
			continue
		}
		if err := c.permits(it.Module); err != nil {
			c.fail(fmt.Errorf("%s: %w", it.From, err))
			continue
		}
		c.items = append(c.items, it)
	}
	c.problems = distinct(c.problems)
}

// distinct leaves each message once: projects share modules, and mistakes.
func distinct(errs []error) []error {
	known := make(map[string]bool)
	return slices.DeleteFunc(errs, func(err error) bool {
		if known[err.Error()] {
			return true
		}
		known[err.Error()] = true
		return false
	})
}
