// Package collect turns what somebody asked for into requirements: modules by query, projects, go.sum files, lists, mirror
// files with their locks, tools, toolchains, directories of modules. Each kind of source is a case of [Sources], and an
// entry of a mirror file one of [MirrorFile]; where the modules themselves are read from is package upstream.
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

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/userfile"
	"github.com/modferry/modferry/registry/collect/closure"
	"github.com/modferry/modferry/registry/project"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream"
)

// Options configures [Sources]. The zero value is useful.
type Options struct {
	Stdin io.Reader   // what the argument "-" reads; nil = nothing
	Warn  func(error) // told what is left out, or only works in part; nil = nobody

	// Tools are packages as "go install" takes them, path@query.
	Tools []string

	// Platforms are those to get tools and Go toolchains for, as in "linux/amd64". None = this machine's.
	Platforms []string

	// Toolchains adds the Go toolchains that the go and toolchain lines of go.mod and project sources demand.
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

// Sources finds out which module versions the arguments ask for. An argument is
//
//	module@query   that module and what it takes to use or to work on it; see [upstream.Upstream.Resolve]
//	go1.26.8       that Go toolchain, for each of the platforms; toolchain@go1.26.8 too
//	toolchain@go1.26, toolchain@latest   the newest patch; the newest release
//	go.mod         its requirements, with its replacements by other modules
//	go.sum         every version in it: full if it has the sum of the zip, else mod-only
//	directory      of a project: its go.sum files and its module graph; or a tree of modules,
//	               see [upstream.Tree]: all of them, out of that directory
//	other file     lines of module@query, or of "module version [mod-only]" for exactly that;
//	               "#" starts a comment
//	-              such lines on standard input
//
// The items are sorted by path and version, each version once; full wins over mod-only. Every argument or line that
// cannot be used has its own error, and does not hinder the others.
func Sources(ctx context.Context, up *upstream.Upstream, args []string, o Options) ([]requirement.Requirement, []error) {
	c := newCollector(up, o)
	for _, arg := range args {
		c.addArgument(arg)
	}
	for _, t := range o.Tools {
		c.addTool(t, c.platforms, entry{from: t})
	}
	return c.collect(ctx)
}

func (c *collector) addArgument(arg string) {
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
		c.addQuery(arg, entry{from: arg}, false)
	case errors.Is(err, fs.ErrNotExist) && goproxy.CheckVersion(arg) == nil:
		c.fail(fmt.Errorf("%s is a version: a module is named with it, as module@%[1]s", arg))
	case errors.Is(err, fs.ErrNotExist):
		c.fail(fmt.Errorf("%s: no such file or directory; a module is named as %[1]s@version or %[1]s@latest", arg))
	default:
		c.fail(err)
	}
}

func (c *collector) addStdin() {
	if c.Stdin == nil {
		return
	}
	data, err := artifact.ReadAll(c.Stdin, "standard input", maxSource)
	if err != nil {
		c.fail(err)
		return
	}
	c.addList("standard input", data)
}

// addDirectory adds a project, or a tree of modules.
func (c *collector) addDirectory(dir string) {
	p, err := project.Load(dir)
	switch {
	case err == nil:
		c.addProject(p, dir, c.DownloadAll, entry{from: dir})
	case !errors.Is(err, project.ErrNoProject):
		c.fail(err)
	case exists(filepath.Join(dir, "go.sum")):
		c.addFile(filepath.Join(dir, "go.sum"))
	case upstream.Tree(dir):
		c.addTree(dir)
	default:
		c.fail(fmt.Errorf("%s: no Go project: there is no go.mod, go.work or go.sum; "+
			"nor is it a module cache or a directory of a module proxy", dir))
	}
}

// addTree adds everything that a directory of modules has. It is asked for these before any other upstream.
func (c *collector) addTree(dir string) {
	if err := c.up.Prepend(dir); err != nil {
		c.fail(err)
		return
	}
	c.entries = append(c.entries, entry{from: dir, find: func(ctx context.Context) findings {
		items, problems := upstream.TreeVersions(ctx, dir)
		return findings{items: items, problems: problems}
	}})
}

func (c *collector) addFile(name string) {
	data, err := readFile(name)
	if err != nil {
		c.fail(err)
		return
	}
	switch filepath.Ext(name) {
	case ".sum":
		c.addGoSum(name, data)
	case ".mod":
		c.addGoMod(name, data)
	case ".yaml", ".yml":
		c.fail(fmt.Errorf("%s: a mirror file is mirrored by itself: give it as the only source", name))
	default:
		c.addList(name, data)
	}
}

// maxSource bounds the files that say what to mirror.
const maxSource = 64 << 20

// readFile reads a file. A list may also be the output of a program, as a shell's <(…) is: /dev/fd/63.
func readFile(name string) ([]byte, error) {
	if filepath.Ext(name) == "" {
		return userfile.ReadAny(name, maxSource)
	}
	return userfile.Read(name, maxSource)
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
