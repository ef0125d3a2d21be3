// Package closure finds out what the go command needs to work offline: for a
// project, for a module that somebody may want to import, and for a tool. It runs
// the go command in scratch directories with an empty module cache, in front of a
// proxy that remembers what was fetched.
package closure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/registry/gocmd"
	"github.com/modferry/modferry/registry/record"
)

// Need is a module version that is needed.
type Need struct {
	Module  module.Version
	ModOnly bool // the .info and .mod files are enough

	// Sum and GoModSum are the sums that a go.sum names; "" = it names none.
	Sum, GoModSum string

	From string // who needs it, for messages: file and line, or what was asked for
}

// Result is what was found out.
type Result struct {
	Subject   string            // what was asked about: a project's name, a module version, a tool, a command
	Needs     []Need            // sorted, once each
	Revisions []record.Revision // the queries that were asked and what they mean
	Warnings  []error           // what could not be found out, or had; the rest is good
	Partial   bool              // there are warnings, or needs of which a file could not be had, so that more may be needed
}

// Options configures [New].
type Options struct {
	Source  record.Source // where the module files are; required
	Go      string        // the go command; "" = the one in PATH
	GOSUMDB string        // "" = the user's; "off"
	NoSumDB string        // patterns of modules that the checksum database is not asked about
	Private string        // patterns of modules that must not become known to a public proxy
	TempDir string        // for scratch directories; "" = the system's
	Log     *slog.Logger  // nil = silent
}

// Runner runs the go command to find out what is needed. It is safe for concurrent use:
// every call has a recording and a module cache of its own, for a cache that another call
// filled would hide what is fetched.
type Runner struct {
	o     Options
	proxy *record.Proxy
	dir   string

	stopAfter time.Duration // see the constant
}

// New starts a runner. Its error matches gocmd.ErrNoGo if there is no go command.
func New(ctx context.Context, o Options) (*Runner, error) {
	if o.Source == nil {
		return nil, errors.New("finding out what is needed: there is no source of modules")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := os.MkdirTemp(o.TempDir, "modferry-closure-*")
	if err != nil {
		return nil, fmt.Errorf("finding out what is needed: %w", err)
	}
	r := &Runner{o: o, dir: dir, stopAfter: stopAfter}
	// Views make their own; this one finds out whether there is a go command at all.
	_, err = r.goCommand(ctx, filepath.Join(dir, "go"), "off")
	if err == nil {
		r.proxy, err = record.Listen(o.Source, o.Log)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return r, nil
}

func (r *Runner) goCommand(ctx context.Context, scratch, goproxy string) (*gocmd.Cmd, error) {
	return gocmd.New(ctx, gocmd.Options{Go: r.o.Go, Scratch: scratch, GOPROXY: goproxy, GOSUMDB: r.o.GOSUMDB, NoSumDB: r.o.NoSumDB})
}

// Close ends the runner and removes what it wrote. Calls that still run fail.
func (r *Runner) Close() error {
	return errors.Join(r.proxy.Close(), gocmd.RemoveAll(r.dir))
}
