// Package gocmd runs the go command so that what it finds depends on nothing but the module proxy it is given: apart
// from the user's settings, module cache and GOPATH. Only the build cache is the user's: it saves time, and cannot
// hide a missing module.
package gocmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNoGo: there is no go command.
var ErrNoGo = errors.New("there is no go command")

// Options say how to run the go command.
type Options struct {
	// Go is the go command; "" = the one in PATH.
	Go string

	// Scratch is a directory for module cache, GOPATH and the like. It is
	// required; New makes it if need be. [RemoveAll] removes it with all it holds.
	Scratch string

	// GOPROXY is required. Nothing else is asked for modules: no proxy that the
	// user's settings name, and no version control server.
	GOPROXY string

	// GOSUMDB is the checksum database, "off" for none; "" = the user's, as "go env" says.
	GOSUMDB string

	// NoSumDB is the GONOSUMDB: patterns of modules that it is not asked about.
	NoSumDB string

	// Env is more environment, NAME=value. It wins over all of the above and over
	// the user's. What it says as GOFLAGS is added to -modcacherw.
	Env []string
}

// Cmd is the go command with an environment. It is safe for concurrent use, as the go command is.
type Cmd struct {
	path    string
	scratch string
	version string
	env     []string // each name once
	shown   []string // of what With added, what errors show
}

// New finds the go command, and asks it for the user's settings as far as they
// count. The error matches ErrNoGo if there is none.
func New(ctx context.Context, o Options) (*Cmd, error) {
	if o.Scratch == "" || o.GOPROXY == "" {
		return nil, errors.New("running the go command: a scratch directory and a GOPROXY are needed")
	}
	path, err := exec.LookPath(cmp.Or(o.Go, "go"))
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoGo, err)
	}
	scratch, err := prepare(o.Scratch)
	if err != nil {
		return nil, err
	}
	environ := append(os.Environ(), places(scratch)...)
	user, err := askGoEnv(ctx, path, environ, "GOSUMDB", "GOCACHE", "GOVERSION", toolchain)
	if err != nil {
		return nil, err
	}
	c := &Cmd{path: path, scratch: scratch, version: Release(user["GOVERSION"])}
	c.env = slices.DeleteFunc(os.Environ(), internal)
	c.set(o.with(user, scratch)...)
	c.set(o.Env...)
	return c, nil
}

// telemetryDir is where the go command counts what it does, and decides by the file "mode" whether to upload it. No
// setting turns that off, but the directory can be another.
const telemetryDir = "telemetry"

func prepare(scratch string) (string, error) {
	scratch, err := filepath.Abs(scratch)
	dir := filepath.Join(scratch, telemetryDir)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = Fence(scratch)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "mode"), []byte("off\n"), 0o644)
	}
	if err != nil {
		return "", fmt.Errorf("preparing a place for the go command's caches: %w", err)
	}
	return scratch, nil
}

// Fence makes a directory one of no module but its own, so that go commands in it do not go by the
// go.mod of a directory above: TMPDIR may be anywhere. It has a go line, older than any Go that runs here: else the first
// go command would write its own there, which those of another toolchain may be too old for.
func Fence(dir string) error {
	return os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module scratch.invalid/scratch\n\ngo 1.21\n"), 0o644)
}

// with returns what has to be set besides the user's own settings. With GOENV=off, what is empty has its default.
func (o *Options) with(user map[string]string, scratch string) []string {
	return append(places(scratch),
		"GOENV=off", "GO111MODULE=on", "GOFLAGS=", "GOWORK=off",
		"GOPROXY="+o.GOPROXY, "GONOPROXY=none", "GOPRIVATE=", "GOINSECURE=", "GOVCS=*:off", "GOAUTH=off",
		"GOSUMDB="+cmp.Or(o.GOSUMDB, user["GOSUMDB"]), "GONOSUMDB="+o.NoSumDB,
		"GOTOOLCHAIN="+user[toolchain],
		"GOBIN=", // that is GOPATH/bin; go install refuses other platforms if it is set
		"GOCACHE="+user["GOCACHE"], "GOCACHEPROG=",
	)
}

// places are the settings of where the go command writes to, besides the build cache.
func places(scratch string) []string {
	return []string{
		"GOPATH=" + filepath.Join(scratch, "gopath"), "GOMODCACHE=" + filepath.Join(scratch, "mod"),
		"TEST_TELEMETRY_DIR=" + filepath.Join(scratch, telemetryDir),
	}
}

// Apart returns the same go command with caches of its own in another scratch directory, and another GOPROXY.
func (c *Cmd) Apart(scratch, goproxy string) (*Cmd, error) {
	scratch, err := prepare(scratch)
	if err != nil {
		return nil, err
	}
	apart := c.With(append(places(scratch), "GOPROXY="+goproxy)...)
	apart.scratch = scratch
	return apart, nil
}

// internal reports whether a variable is how one go command tells another that
// it has switched toolchains; whoever runs modferry may have.
func internal(nameValue string) bool { return strings.HasPrefix(nameValue, "GOTOOLCHAIN_INTERNAL_") }

// With returns the same go command with more environment, NAME=value. Errors show of it what is worth seeing.
func (c *Cmd) With(env ...string) *Cmd {
	with := *c
	with.env, with.shown = slices.Clone(c.env), slices.Clone(c.shown)
	with.set(env...)
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if slices.Contains([]string{"GOOS", "GOARCH", "CGO_ENABLED", "GOFLAGS", "GOWORK", "GOTOOLCHAIN"}, name) {
			with.shown = put(with.shown, e)
		}
	}
	return &with
}

func (c *Cmd) set(env ...string) {
	for _, e := range env {
		if flags, ok := strings.CutPrefix(e, "GOFLAGS="); ok {
			e = strings.TrimSpace("GOFLAGS=-modcacherw " + flags)
		}
		c.env = put(c.env, e)
	}
}

// put sets a variable.
func put(env []string, nameValue string) []string {
	name, _, _ := strings.Cut(nameValue, "=")
	env = slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
	return append(env, nameValue)
}

// Environ returns the environment of the go command, for running something else in it.
func (c *Cmd) Environ() []string { return slices.Clone(c.env) }

// Version returns the version of the go command, as [Release] does. It is that of the
// installed one, whatever GOTOOLCHAIN says.
func (c *Cmd) Version() string { return c.version }

// Release returns the release that a GOVERSION is of, as go1.26.8, or go1.27 for what leads
// to that one: vendors add to it, and so do experiments. "" = it is of none that can be told.
func Release(goversion string) string {
	release := strings.TrimPrefix(goversion, "devel ")
	release = release[:max(0, strings.IndexAny(release+" ", " \t-"))]
	if !version.IsValid(release) {
		return ""
	}
	return release
}

// RemoveAll removes a directory that has a module cache in it, whose directories may be read-only.
func RemoveAll(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700) // else RemoveAll says what is wrong
		}
		return nil
	})
	return os.RemoveAll(dir)
}
