// Package collect turns what somebody asked for into requirements: modules by query, projects, go.sum files, lists, mirror
// files with their locks, tools, toolchains, directories of modules.
package collect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/collect/closure"
	"github.com/modferry/modferry/registry/collect/mirrorfile"
	"github.com/modferry/modferry/registry/project"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream"
)

// CollectOptions configures [Collect]. The zero value is useful.
type CollectOptions struct {
	Stdin io.Reader   // what the argument "-" reads; nil = nothing
	Warn  func(error) // told what is left out, or only works in part; nil = nobody

	// Tools are packages as "go install" takes them, path@query.
	Tools []string

	// Platforms are those to get tools and Go toolchains for, as in "linux/amd64". None =
	// this machine's.
	Platforms []string

	// Toolchains adds the Go toolchains that the go and toolchain lines of go.mod and
	// project sources demand.
	Toolchains bool

	// DownloadAll adds the zips of the whole module graph of projects, which "go mod
	// download all" wants, and nothing else.
	DownloadAll bool

	// Retracted takes versions, too, that are named although their author retracted them.
	Retracted bool

	// GoCommand starts what runs the go command, when it is first needed. Without it, or if it is
	// gocmd.ErrNoGo, projects are what their go.sum files pin, and named modules come alone.
	GoCommand func(context.Context) (*closure.Runner, error)
}

// Collect finds out which module versions the arguments ask for. An argument is
//
//	module@query   that module and what it takes to use or to work on it; see [Upstream.Resolve]
//	go1.26.8       that Go toolchain, for each of the platforms; toolchain@go1.26.8 too
//	toolchain@go1.26, toolchain@latest   the newest patch; the newest release
//	go.mod         its requirements, with its replacements by other modules
//	go.sum         every version in it: full if it has the sum of the zip, else mod-only
//	directory      of a project: its go.sum files and its module graph; or a tree of modules,
//	               see [Tree]: all of them, out of that directory
//	other file     lines of module@query, or of "module version [mod-only]" for exactly that;
//	               "#" starts a comment
//	-              such lines on standard input
//
// The items are sorted by path and version, each version once; full wins over
// mod-only. Every argument or line that cannot be used has its own error, and
// does not hinder the others.
func Collect(ctx context.Context, up *upstream.Upstream, args []string, o CollectOptions) ([]requirement.Requirement, []error) {
	c := newCollector(up, o)
	for _, arg := range args {
		c.add(arg)
	}
	for _, t := range o.Tools {
		c.addTool(t, c.platforms, ask{from: t})
	}
	return c.collect(ctx)
}

// collect answers what was asked for.
func (c *collector) collect(ctx context.Context) ([]requirement.Requirement, []error) {
	c.answer(ctx)
	if err := c.goCommand.close(); err != nil {
		c.problems = append(c.problems, err)
	}
	c.merge()
	for _, w := range distinct(c.warnings) {
		c.Warn(w)
	}
	return c.items, c.problems
}

// collector gathers items.
type collector struct {
	CollectOptions
	up        *upstream.Upstream
	platforms []string // GOOS/GOARCH
	goCommand *goCommand
	releases  func(context.Context) ([]string, error) // the toolchains upstream has

	// Of a mirror file.
	permits func(module.Version) error
	lock    *mirrorfile.Lock // what is locked; nil = nothing
	update  bool             // do not go by the lock but for sums
	relocks []mirrorfile.Locked
	partial bool // something could not be found out

	asks []ask
	findings
}

func newCollector(up *upstream.Upstream, o CollectOptions) *collector {
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	c := &collector{
		CollectOptions: o, up: up, goCommand: newGoCommand(o.GoCommand),
		permits: func(module.Version) error { return nil },
	}
	c.releases = onceForAll(func(ctx context.Context) ([]string, error) { return up.List(ctx, goproxy.ToolchainPath) })
	c.setPlatforms(o.Platforms)
	return c
}

// onceForAll calls fn once, for the first who asks.
func onceForAll[T any](fn func(context.Context) (T, error)) func(context.Context) (T, error) {
	var once sync.Once
	var v T
	var err error
	return func(ctx context.Context) (T, error) {
		once.Do(func() { v, err = fn(ctx) })
		return v, err
	}
}

func (f *findings) fail(format string, args ...any) {
	f.problems = append(f.problems, fmt.Errorf(format, args...))
}

func (c *collector) add(arg string) {
	if arg == "-" {
		c.addStdin()
		return
	}
	info, err := os.Stat(arg)
	switch {
	case err == nil && info.IsDir():
		c.addDirectory(arg)
	case err == nil:
		c.addFile(arg)
	case strings.Contains(arg, "@"), isRelease(arg):
		c.addQuery(arg, arg, false)
	case errors.Is(err, fs.ErrNotExist):
		c.fail("%s: no such file or directory; a module is named as %[1]s@version or %[1]s@latest", arg)
	default:
		c.problems = append(c.problems, err)
	}
}

func (c *collector) addStdin() {
	if c.Stdin == nil {
		return
	}
	data, err := upstream.ReadLimited(c.Stdin, maxSource)
	if err != nil {
		c.fail("reading standard input: %w", err)
		return
	}
	c.addList("standard input", data)
}

// addDirectory adds a project, or a tree of modules.
func (c *collector) addDirectory(dir string) {
	p, err := project.Load(dir)
	switch {
	case err == nil:
		c.addProject(p, dir, c.DownloadAll, ask{from: dir})
	case !errors.Is(err, project.ErrNoProject):
		c.problems = append(c.problems, err)
	case exists(filepath.Join(dir, "go.sum")):
		c.addFile(filepath.Join(dir, "go.sum"))
	case upstream.Tree(dir):
		c.addTree(dir)
	default:
		c.fail("%s: no Go project: there is no go.mod, go.work or go.sum; nor is it a module cache or a directory of a module proxy", dir)
	}
}

// addTree adds everything that a directory of modules has. It is asked for these before
// any other upstream.
func (c *collector) addTree(dir string) {
	if err := c.up.Prepend(dir); err != nil {
		c.problems = append(c.problems, err)
		return
	}
	c.asks = append(c.asks, ask{from: dir, find: func(ctx context.Context) findings {
		items, problems := upstream.TreeVersions(ctx, dir)
		return findings{items: items, problems: problems}
	}})
}

// maxSource bounds the files that say what to mirror.
const maxSource = 64 << 20

func (c *collector) addFile(name string) {
	ext := filepath.Ext(name)
	read := readFile
	if ext == "" {
		read = readStream
	}
	data, err := read(name)
	if err != nil {
		c.problems = append(c.problems, err)
		return
	}
	switch ext {
	case ".sum":
		c.addGoSum(name, data)
	case ".mod":
		c.addGoMod(name, data)
	case ".yaml", ".yml":
		c.fail("%s: a mirror file is mirrored by itself: give it as the only source", name)
	default:
		c.addList(name, data)
	}
}

func readFile(name string) ([]byte, error) {
	data, err := project.ReadFile(name, maxSource)
	var system *fs.PathError
	if err != nil && !errors.As(err, &system) {
		err = fmt.Errorf("reading %s: %w", name, err)
	}
	return data, err
}

// readStream reads a list that may also be the output of a program, as a shell's <(…) is: /dev/fd/63.
func readStream(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := upstream.ReadLimited(f, maxSource)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return data, nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
