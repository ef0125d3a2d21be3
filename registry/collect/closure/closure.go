// Package closure finds out what the go command needs to work offline: for a project, for a module that somebody may
// want to import, and for a tool. It runs the go command in scratch directories with an empty module cache, in front
// of a proxy that remembers what was fetched.
package closure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/modferry/modferry/registry/gocmd"
	"github.com/modferry/modferry/registry/record"
	"github.com/modferry/modferry/registry/requirement"
)

// Result is what was found out.
type Result struct {
	Needs    []requirement.Requirement // sorted, once each; with the revisions that were asked for
	Warnings []error                   // what could not be found out, or had; the rest is good
	Partial  bool                      // there are warnings, or needs of which a file could not be had, so that more may be needed

	// Demands is the Go version, as go1.26.0, that a tool needs at least, if it is newer than the installed one's; or "".
	Demands string
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

// Runner runs the go command to find out what is needed. It is safe for concurrent use: every call has a recording
// and a module cache of its own, for a cache that another call filled would hide what is fetched.
type Runner struct {
	o     Options
	goCmd *gocmd.Cmd // of which each call makes one of its own
	dir   string

	stopAfter time.Duration // see the constant
}

// New starts a runner. Its error matches gocmd.ErrNoGo if there is no go command.
func New(ctx context.Context, o Options) (*Runner, error) {
	dir, err := os.MkdirTemp(o.TempDir, "modferry-closure-*")
	if err != nil {
		return nil, fmt.Errorf("finding out what is needed: %w", err)
	}
	r := &Runner{o: o, dir: dir, stopAfter: stopAfter}
	r.goCmd, err = gocmd.New(ctx, gocmd.Options{
		Go: o.Go, Scratch: filepath.Join(dir, "go"), GOPROXY: "off", GOSUMDB: o.GOSUMDB, NoSumDB: o.NoSumDB,
	})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return r, nil
}

// Close ends the runner and removes what it wrote. Calls that still run fail.
func (r *Runner) Close() error { return gocmd.RemoveAll(r.dir) }
