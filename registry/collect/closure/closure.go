// Package closure finds out what the go command needs to work offline: for a project, for a module that somebody may
// want to import, and for a tool. It runs the go command in scratch directories with an empty module cache, in front
// of a proxy that remembers what was fetched.
package closure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
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

// stopAfter is how long an interrupted command has to stop, and one that has ended to let go of its output.
const stopAfter = 10 * time.Second

// Run runs a command with the user's environment, but GOPROXY set to a recording, no way around it,
// and an empty GOMODCACHE, and returns what it fetched, even if it failed: then
// the error is an *exec.ExitError. That it leaves a process behind which holds its output is a warning.
func (r *Runner) Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (_ *Result, err error) {
	if len(args) == 0 {
		return nil, errors.New("recording: there is no command")
	}
	v, err := r.view(args[0], "")
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	defer v.end(&err)
	v.exact = true
	cmd := gocmd.Command(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	cmd.Env = append(os.Environ(), r.recording(v)...)
	cmd.WaitDelay = r.stopAfter
	failed := cmd.Run()
	if errors.Is(failed, exec.ErrWaitDelay) { // it ended well itself
		failed = nil
		v.warn("recording", errors.New("it left a process behind that holds its output: what that fetches is not recorded any more"))
	}
	result, err := v.result(ctx)
	if err != nil {
		return nil, err
	}
	if exit := (*exec.ExitError)(nil); failed != nil && !errors.As(failed, &exit) {
		return nil, fmt.Errorf("recording %s: %w", args[0], failed)
	}
	return result, failed
}

// recording is the environment that leads a go command to a view's recording. What is
// empty in the environment would count as unset.
func (r *Runner) recording(v *view) []string {
	env := []string{
		"GOPROXY=" + v.URL(), "GONOPROXY=none", "GONOSUMDB=" + cmp.Or(r.o.NoSumDB, "none"),
		"GOMODCACHE=" + filepath.Join(v.dir, "mod"),
	}
	if r.o.GOSUMDB != "" {
		env = append(env, "GOSUMDB="+r.o.GOSUMDB)
	}
	return env
}
