package upstream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/gocmd"
	"github.com/modferry/modferry/registry/safetext"
)

// direct fetches from the version control systems that modules live in. The go command
// does that, into a module cache of its own, which has the layout of a GOPROXY.
type direct struct {
	goCmd string
	temp  string

	mu  sync.Mutex
	dir string // holds the module cache; made when first needed
	err error  // why there is none
}

func newDirect(o Options) *direct { return &direct{goCmd: cmp.Or(o.Go, "go"), temp: o.TempDir} }

// open returns a file of the module cache after having the go command put it there.
func (d *direct) open(ctx context.Context, w goproxy.File) (io.ReadCloser, error) {
	var err error
	switch w.Kind {
	case goproxy.List:
		_, all, err := d.resolve(ctx, module.Version{Path: w.Path, Version: "latest"}, "-versions")
		return io.NopCloser(strings.NewReader(strings.Join(all, "\n") + "\n")), err
	case goproxy.Zip:
		_, err = d.goCommand(ctx, "mod", "download", "-json", w.Version.String())
	case goproxy.Latest:
		w = goproxy.File{Version: module.Version{Path: w.Path, Version: "latest"}, Kind: goproxy.Info}
		fallthrough
	default:
		w.Version.Version, _, err = d.resolve(ctx, w.Version)
	}
	if err != nil {
		return nil, err
	}
	name, err := w.Name()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUpstream, err)
	}
	dir, err := d.prepare()
	if err != nil {
		return nil, err
	}
	return localTree(dir).open(ctx, name)
}

// resolve returns the version that a query means, and with "-versions" all that the module has.
func (d *direct) resolve(ctx context.Context, m module.Version, flags ...string) (version string, all []string, err error) {
	out, err := d.goCommand(ctx, slices.Concat([]string{"list", "-m", "-json"}, flags, []string{m.String()})...)
	if err != nil {
		return "", nil, err
	}
	var info struct {
		Version  string
		Versions []string
	}
	if err := json.Unmarshal(out, &info); err != nil {
		return "", nil, fmt.Errorf("%w: go list: %w", ErrUpstream, err)
	}
	return info.Version, info.Versions, nil
}

// goCommand runs the go command outside of any project.
func (d *direct) goCommand(ctx context.Context, args ...string) ([]byte, error) {
	dir, err := d.prepare()
	if err != nil {
		return nil, err
	}
	work := filepath.Join(dir, "work")
	cmd := gocmd.Command(ctx, d.goCmd, args...)
	cmd.Dir = work
	// GOSUMDB is off because the caller checks the sums, whatever their source.
	cmd.Env = append(os.Environ(), "PWD="+work, "GOMODCACHE="+dir, "GOPATH="+filepath.Join(dir, "gopath"),
		"GOPROXY=direct", "GONOPROXY=", "GOSUMDB=off", "GOFLAGS=-mod=mod -modcacherw", "GOWORK=off",
		"GOTOOLCHAIN=local", "GO111MODULE=on")
	out, err := gocmd.Output(ctx, cmd)
	failed, ok := errors.AsType[*gocmd.Error](err)
	if !ok {
		return out, err
	}
	name := "go " + strings.Join(args[:2], " ")
	if !failed.Exited() {
		return nil, &localError{fmt.Errorf("fetching directly takes the go command: running %s: %w", name, failed.Err)}
	}
	why := failed.Stderr
	var report struct{ Error string }
	if json.Unmarshal(out, &report) == nil && report.Error != "" {
		why = report.Error
	}
	return nil, &directError{fmt.Errorf("%s: %w: %s", name, failed.Err, safetext.Lines([]byte(why)))}
}

// directError says that the go command could not fetch something. Why, it says to people
// only: nothing of that name, no login, and no network look the same.
type directError struct{ err error }

// Error is what the go command said.
func (e *directError) Error() string { return fmt.Sprintf("%v: %v", ErrUpstream, e.err) }

// Unwrap returns how it failed.
func (e *directError) Unwrap() error { return e.err }

// Is makes it ErrUpstream.
func (e *directError) Is(target error) bool { return target == ErrUpstream }

// prepare makes the module cache, the first time. In it, "work" is a directory to run the go command in.
func (d *direct) prepare() (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dir == "" && d.err == nil {
		d.dir, d.err = d.setUp()
	}
	return d.dir, d.err
}

func (d *direct) setUp() (string, error) {
	dir, err := os.MkdirTemp(d.temp, "modferry-direct-*")
	if err != nil {
		return "", &localError{err}
	}
	work := filepath.Join(dir, "work")
	err = os.Mkdir(work, 0o755)
	if err == nil {
		err = gocmd.Fence(work)
	}
	if err != nil {
		return "", &localError{errors.Join(err, os.RemoveAll(dir))}
	}
	return dir, nil
}

func (d *direct) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dir == "" {
		return nil
	}
	dir := d.dir
	d.dir, d.err = "", os.ErrClosed
	return os.RemoveAll(dir)
}
