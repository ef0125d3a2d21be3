package closure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/gocmd"
	"github.com/modferry/modferry/registry/record"
	"github.com/modferry/modferry/registry/requirement"
)

// view is one call's recording: a proxy, a go command with an empty module cache in front of it, and what was found out.
type view struct {
	*record.Proxy
	goCmd   *gocmd.Cmd
	dir     string // scratch; the go command's own is below it
	subject string // what it is about, for messages
	from    string // who needs what nothing more exact is known of
	needs   requirement.Set

	names []string // scratch directories, each followed by what it is a copy of; the inner ones first

	warnings   []error
	known      map[string]bool           // what warnings say
	lacked     bool                      // a go command failed for want of a version, which is a need
	goVersions map[module.Version]string // what go lines say, of versions that were listed

	// foreign is set for a module of somebody else.
	foreign bool

	// exact makes exactly what was fetched the needs. Else a toolchain that the go command here switched to is
	// none: who needs which one depends on the go command and the platform there. And a version of which a
	// file could not be had is one.
	exact bool
}

func (r *Runner) view(subject, from string) (*view, error) {
	dir, err := os.MkdirTemp(r.dir, "view-*")
	if err != nil {
		return nil, err
	}
	proxy, err := record.Listen(r.o.Source, r.o.Log)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	v := &view{
		Proxy: proxy, dir: dir, subject: subject, from: cmp.Or(from, subject), needs: make(requirement.Set),
		known: make(map[string]bool), goVersions: make(map[module.Version]string),
	}
	if err = gocmd.Fence(dir); err == nil {
		v.goCmd, err = r.goCmd.Apart(filepath.Join(dir, "go"), v.URL())
	}
	if err != nil {
		v.end(&err)
		return nil, err
	}
	return v, nil
}

// end ends the view and removes what it wrote; *err gets what went wrong with that.
func (v *view) end(err *error) {
	if left := errors.Join(v.Close(), gocmd.RemoveAll(v.dir)); left != nil {
		*err = errors.Join(*err, left)
	}
}

// mkdir makes a scratch directory.
func (v *view) mkdir(name string) (string, error) {
	dir := filepath.Join(v.dir, name)
	return dir, os.Mkdir(dir, 0o755)
}

// result is what was found out, what was fetched included. It fails if ctx ended, for then everything may be missing.
func (v *view) result(ctx context.Context) (*Result, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("finding out what %s needs: %w", v.subject, context.Cause(ctx))
	}
	for _, f := range v.Fetched() {
		if v.exact || !goproxy.IsToolchain(f.Module) {
			v.needs.Add(requirement.Requirement{Module: f.Module, ModOnly: !f.Zip, Revisions: f.Revisions, From: v.from})
		}
	}
	isPart := v.lacked || len(v.warnings) > 0
	if !v.exact {
		isPart = v.addFailed() || isPart
	}
	return &Result{Needs: v.needs.Sorted(), Warnings: v.warnings, Partial: isPart}, nil
}

// need adds a version that nothing more is known of.
func (v *view) need(m module.Version, modOnly bool) {
	v.needs.Add(requirement.Requirement{Module: m, ModOnly: modOnly, From: v.from})
}

// addFailed adds the versions whose go.mod or zip could not be had, so that whoever has no use for a part
// learns of each when it is to be mirrored, and reports whether there are any. Of those that may exist it warns: they may
// be had by then, and nobody would learn that what they need is missing. What the go command asked of other paths
// and versions to find a package, it asked by query.
func (v *view) addFailed() bool {
	var refused []string
	any := false
	for _, f := range v.Failed() {
		if f.File != goproxy.Mod && f.File != goproxy.Zip || goproxy.IsToolchain(f.Module) {
			continue
		}
		any = true
		v.need(f.Module, f.File == goproxy.Mod)
		if name := f.Module.String(); !errors.Is(f.Err, fs.ErrNotExist) && !slices.Contains(refused, name) {
			refused = append(refused, name)
		}
	}
	if len(refused) > 0 {
		v.warnings = append(v.warnings, fmt.Errorf("%s: what is behind %s was not found out, as that could not be had: run this again",
			v.subject, strings.Join(refused, ", ")))
	}
	return any
}

// errLacking: a go command failed, and a version could not be had meanwhile. That is a need, so that whoever cannot have it
// learns of it when it is to be mirrored.
var errLacking = errors.New("a module version could not be had")

// warn adds a warning about doing something. What one go command could not do, the next ones cannot
// either: each message is kept once.
func (v *view) warn(doing string, err error) {
	if errors.Is(err, errLacking) {
		v.lacked = true
		return
	}
	message := err.Error()
	if failed, ok := errors.AsType[*gocmd.Error](err); ok {
		message = failed.Stderr
	}
	if !v.known[message] {
		v.known[message] = true
		v.warnings = append(v.warnings, fmt.Errorf("%s: %s: %w", v.subject, doing, err))
	}
}

// run runs the go command. An error names files as they are named upstream, not by the
// address of the proxy, and matches errLacking if it may come from a version that could not be had.
func (v *view) run(ctx context.Context, pl place, args ...string) ([]byte, error) {
	lacking := v.Lacking()
	out, err := pl.goCmd.Run(ctx, pl.dir, args...)
	if failed, ok := errors.AsType[*gocmd.Error](err); ok {
		failed.Stderr, failed.Dir = v.readable(failed.Stderr), v.readable(failed.Dir)
		failed.Args = slices.DeleteFunc(failed.Args, func(arg string) bool { return strings.HasPrefix(arg, "-modfile=") })
	}
	if err != nil && v.Lacking() > lacking {
		err = &sourceError{err, errLacking}
	}
	return out, err
}

// sourceError is what the go command wrote, because of an error of the source.
type sourceError struct{ err, cause error }

// Error is what the go command wrote.
func (e *sourceError) Error() string { return e.err.Error() }

// Unwrap returns both.
func (e *sourceError) Unwrap() []error { return []error{e.err, e.cause} }

// failure makes an error of the go command that of the source, too, if that failed otherwise than that something does not
// exist, or if m is what does not exist.
func (v *view) failure(m module.Version, err error) error {
	for _, f := range v.Failed() {
		if f.Module == m || !errors.Is(f.Err, fs.ErrNotExist) {
			return &sourceError{err, f.Err}
		}
	}
	return err
}

// readable makes a text that a go command wrote about scratch directories and the proxy one about what
// the user knows.
func (v *view) readable(text string) string {
	names := append([]string{v.URL() + "/", ""}, v.names...)
	return strings.NewReplacer(append(names, v.dir+string(filepath.Separator), "")...).Replace(text)
}

// standsFor says that a scratch directory is a copy of what name is.
func (v *view) standsFor(dir, name string) { v.names = append([]string{dir, name}, v.names...) }
