package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/sync/errgroup"
)

// Item is a module version to mirror.
type Item struct {
	Module  module.Version // the version is canonical
	ModOnly bool           // .info and go.mod are enough

	// What a go.sum says about it; empty = nothing.
	Sum, GoModSum string

	From string // the argument, or the file and line, that asked for it
}

// CollectOptions configures [Collect]. The zero value is useful.
type CollectOptions struct {
	Stdin io.Reader    // what the argument "-" reads; nil = nothing
	Log   *slog.Logger // nil = discard

	// Platforms are those to get Go toolchains for, as in "linux/amd64". None =
	// this machine's.
	Platforms []string

	// Toolchains adds the Go toolchains that the go and toolchain lines of go.mod and
	// project sources demand.
	Toolchains bool
}

// Collect finds out which module versions the arguments ask for. An argument is
//
//	module@query   see [Upstream.Resolve]
//	go1.26.8       that Go toolchain, for each of the platforms; toolchain@go1.26.8 too
//	toolchain@go1.26, toolchain@latest   the newest patch; the newest release
//	go.mod         its requirements, with its replacements by other modules
//	go.sum         every version in it: full if it has the sum of the zip, else mod-only
//	directory      the go.sum and go.work.sum of a project, and of its workspace's modules
//	other file     lines of module@query; "#" starts a comment
//	-              such lines on standard input
//
// The items are sorted by path and version, each version once; full wins over
// mod-only. Every argument or line that cannot be used has its own error, and
// does not hinder the others.
func Collect(ctx context.Context, up *Upstream, args []string, o CollectOptions) ([]Item, []error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &collector{stdin: o.Stdin, log: o.Log, toolchains: o.Toolchains}
	c.setPlatforms(o.Platforms)
	for _, arg := range args {
		c.add(arg)
	}
	if len(c.platforms) > 0 {
		c.resolveToolchains(ctx, up)
	}
	c.resolve(ctx, up)
	return c.merge(), c.problems
}

// collector gathers items.
type collector struct {
	stdin      io.Reader
	log        *slog.Logger
	platforms  []string // GOOS-GOARCH
	toolchains bool     // those that projects demand, too

	items    []Item // versions may still be queries
	wanted   []wantedToolchain
	problems []error
}

func (c *collector) fail(format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf(format, args...))
}

func (c *collector) add(arg string) {
	if arg == "-" {
		c.addStdin()
		return
	}
	info, err := os.Stat(arg)
	switch {
	case err == nil && info.IsDir():
		c.addProject(arg)
	case err == nil:
		c.addFile(arg)
	case strings.Contains(arg, "@"), isRelease(arg):
		c.addQuery(arg, arg)
	case errors.Is(err, fs.ErrNotExist):
		c.fail("%s: no such file or directory; a module is named as %[1]s@version or %[1]s@latest", arg)
	default:
		c.problems = append(c.problems, err)
	}
}

func (c *collector) addStdin() {
	if c.stdin == nil {
		return
	}
	data, err := readLimited(c.stdin, maxSource)
	if err != nil {
		c.fail("reading standard input: %w", err)
		return
	}
	c.addList("standard input", data)
}

// maxSource bounds the files that say what to mirror.
const maxSource = 64 << 20

func (c *collector) addFile(name string) {
	data, err := readFile(name)
	if err != nil {
		c.problems = append(c.problems, err)
		return
	}
	switch filepath.Ext(name) {
	case ".sum":
		c.addGoSum(name, data)
	case ".mod":
		c.addGoMod(name, data)
	default:
		c.addList(name, data)
	}
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := readLimited(f, maxSource)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return data, nil
}

// addQuery adds module@query.
func (c *collector) addQuery(text, from string) {
	path, version, ok := strings.Cut(text, "@")
	switch {
	case isRelease(text):
		c.addToolchain(text, from)
		return
	case ok && path == "toolchain":
		c.addToolchain(version, from)
		return
	case !ok:
		c.fail("%s: %q is not module@version", from, text)
		return
	}
	if _, err := parseQuery(path, version); err != nil {
		if from == text {
			c.problems = append(c.problems, fmt.Errorf("%s: %w", text, err))
		} else {
			c.fail("%s: %s: %w", from, text, err)
		}
		return
	}
	c.items = append(c.items, Item{Module: module.Version{Path: path, Version: version}, From: from})
}

// addList adds lines of module@query, or of "module version [mod-only]" as list
// prints them.
func (c *collector) addList(name string, data []byte) {
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		from := fmt.Sprintf("%s:%d", name, n)
		switch len(f) {
		case 0:
		case 1:
			c.addQuery(f[0], from)
		case 2:
			c.addQuery(f[0]+"@"+f[1], from)
		default:
			if len(f) != 3 || f[2] != "mod-only" {
				c.fail("%s: %q is not module@version", from, firstLines([]byte(line)))
				continue
			}
			known := len(c.items)
			c.addQuery(f[0]+"@"+f[1], from)
			for i := range c.items[known:] {
				c.items[known+i].ModOnly = true
			}
		}
	}
}

// resolve turns queries into versions.
func (c *collector) resolve(ctx context.Context, up *Upstream) {
	const parallel = 8 // small requests, most of them waiting
	problems := make([]error, len(c.items))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i := range c.items {
		it := &c.items[i]
		group.Go(func() error {
			m, err := up.Resolve(ctx, it.Module.Path, it.Module.Version)
			if err != nil {
				problems[i] = fromError(it, err)
				return nil
			}
			it.Module = m
			return nil
		})
	}
	_ = group.Wait() // the errors are in problems
	if err := context.Cause(ctx); err != nil {
		c.items, c.problems = nil, append(c.problems, err)
		return
	}
	kept := c.items[:0]
	for i, it := range c.items {
		if problems[i] == nil {
			kept = append(kept, it)
		} else {
			c.problems = append(c.problems, problems[i])
		}
	}
	c.items = kept
}

// fromError says where a bad version was asked for, unless the error does.
func fromError(it *Item, err error) error {
	if it.From == it.Module.String() {
		return err
	}
	return fmt.Errorf("%s: %w", it.From, err)
}

// merge returns each version once.
func (c *collector) merge() []Item {
	byModule := make(map[module.Version]*Item)
	for i := range c.items {
		it := &c.items[i]
		have, ok := byModule[it.Module]
		if !ok {
			byModule[it.Module] = it
			continue
		}
		if differ(have.Sum, it.Sum) || differ(have.GoModSum, it.GoModSum) {
			c.fail("SECURITY: %s: %s and %s have different sums for it: %w", it.Module, have.From, it.From, ErrChecksum)
			have.Module.Path = "" // neither
			continue
		}
		if have.Sum == "" && (it.Sum != "" || have.ModOnly && !it.ModOnly) {
			have.From = it.From
		}
		have.ModOnly = have.ModOnly && it.ModOnly
		have.Sum = cmp.Or(have.Sum, it.Sum)
		have.GoModSum = cmp.Or(have.GoModSum, it.GoModSum)
	}
	var items []Item
	for _, it := range byModule {
		if it.Module.Path != "" {
			items = append(items, *it)
		}
	}
	slices.SortFunc(items, func(a, b Item) int {
		return cmp.Or(strings.Compare(a.Module.Path, b.Module.Path), semver.Compare(a.Module.Version, b.Module.Version),
			strings.Compare(a.Module.Version, b.Module.Version))
	})
	return items
}

func differ(a, b string) bool { return a != "" && b != "" && a != b }
