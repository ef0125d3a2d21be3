package closure

import (
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
)

// view is one call's recording: a session of the proxy, a go command with an empty module
// cache in front of it, and what was found out.
type view struct {
	*record.Session
	goCmd *gocmd.Cmd
	dir   string // scratch; the go command's own is below it
	from  string // for needs that nothing more exact is known of
	needs needs

	names []string // scratch directories, each followed by what it is a copy of; the inner ones first

	warnings   []warning
	told       map[string]bool           // what warnings say
	goVersions map[module.Version]string // what go lines say, of versions that were listed

	// foreign is set for a module of somebody else.
	foreign bool

	// exact makes exactly what was fetched the needs. Else a toolchain that the go command here switched to is
	// none: who needs which one depends on the go command and the platform there. And a version of which a
	// file could not be had is one.
	exact bool
}

func (r *Runner) view(ctx context.Context, from string) (*view, error) {
	dir, err := os.MkdirTemp(r.dir, "view-*")
	if err != nil {
		return nil, err
	}
	if err := gocmd.Fence(dir); err != nil {
		return nil, errors.Join(err, gocmd.RemoveAll(dir))
	}
	v := &view{
		Session: r.proxy.Session(), dir: dir, from: from, needs: make(needs),
		told: make(map[string]bool), goVersions: make(map[module.Version]string),
	}
	v.goCmd, err = r.goCommand(ctx, filepath.Join(dir, "go"), v.URL())
	if err != nil {
		v.Close()
		return nil, errors.Join(err, gocmd.RemoveAll(dir))
	}
	return v, nil
}

// end ends the view and removes what it wrote; *err gets what went wrong with that.
func (v *view) end(err *error) {
	v.Close()
	if left := gocmd.RemoveAll(v.dir); left != nil {
		*err = errors.Join(*err, left)
	}
}

// mkdir makes a scratch directory.
func (v *view) mkdir(name string) (string, error) {
	dir := filepath.Join(v.dir, name)
	return dir, os.Mkdir(dir, 0o755)
}

// result is what was found out, what was fetched included. It fails if ctx ended, for
// then everything may be missing.
func (v *view) result(ctx context.Context) (*Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("finding out what %s needs: %w", v.from, context.Cause(ctx))
	}
	for _, f := range v.Fetched() {
		if f.Module.Path == goproxy.ToolchainPath && !v.exact {
			continue
		}
		v.needs.add(Need{Module: f.Module, ModOnly: !f.Zip, From: v.from})
	}
	r := &Result{Subject: v.from}
	var failed, refused []module.Version
	if !v.exact {
		failed, refused = v.addFailed()
	}
	for _, w := range v.warnings {
		if !isAbout(w.said, failed) {
			r.Warnings = append(r.Warnings, w.err)
		}
	}
	if len(refused) > 0 {
		r.Warnings = append(r.Warnings, fmt.Errorf("%s: what is behind %s was not found out, as that could not be had: run this again", v.from, some(refused)))
	}
	r.Needs, r.Revisions = v.needs.sorted(), v.Revisions()
	r.Partial = len(v.warnings)+len(failed) > 0
	return r, nil
}

// addFailed adds the versions whose go.mod or zip could not be had, so that whoever has no use for a part
// learns of each when it is to be mirrored, and returns them; and again those of them that may exist: they may
// be had by then, and nobody would learn that what they need is missing. What the go command asked of other paths
// and versions to find a package, it asked by query.
func (v *view) addFailed() (failed, refused []module.Version) {
	for _, f := range v.Failed() {
		if f.File != goproxy.Mod && f.File != goproxy.Zip || f.Module.Path == goproxy.ToolchainPath {
			continue
		}
		v.needs.add(Need{Module: f.Module, ModOnly: f.File == goproxy.Mod, From: v.from})
		failed = append(failed, f.Module)
		if !errors.Is(f.Err, fs.ErrNotExist) && !slices.Contains(refused, f.Module) {
			refused = append(refused, f.Module)
		}
	}
	return failed, refused
}

// warning is an error, and what the go command said if it is its error.
type warning struct {
	err  error
	said string
}

// warn keeps a warning about doing something. What one go command could not have, the next ones cannot
// either: each message is kept once.
func (v *view) warn(doing string, err error) {
	said := err.Error()
	var failed *gocmd.Error
	if errors.As(err, &failed) {
		said = failed.Stderr
	}
	if !v.told[said] {
		v.told[said] = true
		v.warnings = append(v.warnings, warning{fmt.Errorf("%s: %s: %w", v.from, doing, err), said})
	}
}

// run runs the go command. An error names files as they are named upstream, not by the
// address of the session.
func (v *view) run(ctx context.Context, c *gocmd.Cmd, dir string, args ...string) ([]byte, error) {
	out, err := c.Run(ctx, dir, args...)
	var failed *gocmd.Error
	if errors.As(err, &failed) {
		readable := *failed
		readable.Stderr, readable.Dir = v.readable(failed.Stderr), v.readable(failed.Dir)
		err = &readable
	}
	return out, err
}

// readable makes a text that a go command wrote about scratch directories and the session one about what
// the user knows.
func (v *view) readable(text string) string {
	names := append([]string{v.URL() + "/", ""}, v.names...)
	return strings.NewReplacer(append(names, v.dir+string(filepath.Separator), "")...).Replace(text)
}

// oneLine makes lines one, with what a go command wrote made readable.
func (v *view) oneLine(text string) string {
	return strings.NewReplacer("\n\t", "; ", "\n", "; ").Replace(strings.TrimSpace(v.readable(text)))
}

// standsFor says that a scratch directory is a copy of what name is.
func (v *view) standsFor(dir, name string) { v.names = append([]string{dir, name}, v.names...) }
