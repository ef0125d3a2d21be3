package closure

import (
	"context"
	"fmt"
	"go/version"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/project"
)

// consumerPath is the module path of modules that are made up here. Nobody can have it.
const consumerPath = "consumer.invalid/consumer"

// Modules from before graph pruning, whose go line says prePruning or less, see all that their requirements require. Go
// raises the go line of what requires something that itself demands raised or more.
const (
	prePruning = "go1.16"
	raised     = "go1.21"
)

// consumers adds what fresh modules need that import packages of a module: all of them, or any of them.
func (v *view) consumers(ctx context.Context, got downloaded, packages []string) error {
	pl, err := v.consumer(ctx, got, packages, true)
	if err != nil {
		return err
	}
	if err := v.choices(ctx, pl); err != nil {
		return err
	}
	if version.Compare(got.goVersion(), raised) >= 0 {
		return nil
	}
	// One from before graph pruning sees the whole module graph, with the versions that are selected in it. Which packages it
	// imports makes no difference to these.
	if pl, err = v.newConsumer("old", prePruning, got.version(), packages); err != nil {
		return err
	}
	if _, err := v.run(ctx, pl, "mod", "tidy", "-e"); err != nil {
		v.warn("as a dependency of an old module", err)
	}
	v.list(ctx, pl, "all")
	return nil
}

// consumer adds what one fresh module needs that imports packages of a module, programs as its tools: to be tidied, listed and
// downloaded.
func (v *view) consumer(ctx context.Context, got downloaded, packages []string, downloadAll bool) (place, error) {
	own := version.Lang(v.goCmd.Version())
	if demanded := got.goVersion(); version.Compare(demanded, own) > 0 {
		own = demanded
	}
	pl, err := v.newConsumer("consumer", own, got.version(), packages)
	if err != nil {
		return pl, err
	}
	if err := v.checkGo(ctx, pl, own); err != nil {
		return pl, err
	}
	m := project.Module{Dir: pl.dir, Source: pl.dir}
	v.tidy(ctx, pl, m, m.Lines())
	v.graph(ctx, pl, downloadAll)
	return pl, nil
}

// newConsumer makes a module that requires m and imports packages of it, in a scratch directory. If its release is "",
// it lacks a go line: the go command adds its own.
func (v *view) newConsumer(name, release string, m module.Version, packages []string) (place, error) {
	dir, err := v.mkdir(name)
	if err != nil {
		return place{}, err
	}
	var goMod, imports strings.Builder
	fmt.Fprintf(&goMod, "module %s\n\nrequire %s %s\n", consumerPath, modfile.AutoQuote(m.Path), m.Version)
	if release != "" {
		fmt.Fprintf(&goMod, "\ngo %s\n", strings.TrimPrefix(release, "go"))
	}
	imports.WriteString("package consumer\n")
	for _, p := range packages {
		fmt.Fprintf(&imports, "\nimport _ %q\n", p) // that programs cannot be imported does not matter to "go mod tidy"
	}
	for file, text := range map[string]string{"go.mod": goMod.String(), "imports.go": imports.String()} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			return place{}, err
		}
	}
	return place{goCmd: v.goCmd.With("GOFLAGS=-mod=mod"), dir: dir, file: filepath.Join(dir, "go.mod")}, nil
}

// choices adds what a module needs that, unlike the one in pl, imports some packages of the seed only. It
// requires fewer modules, so the module graph it sees is a part of this one, and it may select older
// versions of other modules: so every node's .mod is needed, and the zip of each version that may be selected.
func (v *view) choices(ctx context.Context, pl place) error {
	out, err := v.run(ctx, pl, "mod", "graph")
	if err != nil {
		return err
	}
	g, err := parseGraph(out)
	if err != nil {
		return err
	}
	mods, zips := make(map[module.Version]bool), make(map[module.Version]bool)
	for _, f := range v.Fetched() {
		mods[f.Module], zips[f.Module] = f.GoMod, f.Zip
	}
	for args := range slices.Chunk(missing(g.nodes(), mods), maxArgs) {
		v.list(ctx, pl, args...)
	}
	// Of a pruned version, only the direct requirements are in the graph of others (https://go.dev/ref/mod#graph-pruning).
	isPruned := func(m module.Version) bool { return version.Compare("go"+v.goVersions[m], "go1.17") >= 0 }
	for args := range slices.Chunk(missing(g.selectable(isPruned), zips), maxArgs) {
		v.download(ctx, pl, args...)
	}
	return nil
}

// missing returns the names of the versions that are not there yet.
func missing(list []module.Version, have map[module.Version]bool) (names []string) {
	for _, m := range list {
		if !have[m] {
			names = append(names, m.String())
		}
	}
	return names
}

// maxArgs is how many modules a go command is given at once: Windows takes 32,767 characters.
const maxArgs = 200

// graph is a module graph: what each version requires. The main module has no version.
type graph map[module.Version][]module.Version

// parseGraph reads what "go mod graph" prints.
//
//	graph = { node SP node NL }
//	node  = path [ "@" version ]
//
// Go itself, and its toolchain, are left out.
func parseGraph(data []byte) (graph, error) {
	g := make(graph)
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			return nil, fmt.Errorf("go mod graph: not an edge: %.100q", line)
		}
		from, to := parseNode(fields[0]), parseNode(fields[1])
		if isGo(from) || isGo(to) {
			continue
		}
		g[from] = append(g[from], to)
	}
	return g, nil
}

func parseNode(s string) module.Version {
	var m module.Version
	m.Path, m.Version, _ = strings.Cut(s, "@")
	return m
}

func isGo(m module.Version) bool { return m.Path == "go" || m.Path == "toolchain" }

// nodes returns all but the main module, sorted.
func (g graph) nodes() []module.Version {
	all := make(map[module.Version]bool)
	for _, required := range g {
		for _, m := range required {
			all[m] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), goproxy.Compare)
}

// selectable returns the versions that may be selected by a main module that has some of this one's
// requirements, sorted. Selected is the highest version of all that are in the graph. For each
// requirement alone, that is the highest it brings in; and for several, the highest of those.
func (g graph) selectable(isPruned func(module.Version) bool) []module.Version {
	all := make(map[module.Version]bool)
	for _, root := range g[module.Version{Path: consumerPath}] {
		for path, v := range g.selected(root, isPruned(root)) {
			all[module.Version{Path: path, Version: v}] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), goproxy.Compare)
}

// selected returns the highest version of each module that a requirement of the main module brings into the
// graph: those it requires itself, and, if it is not pruned, all that these require.
func (g graph) selected(root module.Version, isPruned bool) map[string]string {
	highest := make(map[string]string)
	seen := map[module.Version]bool{root: true}
	for queue := []module.Version{root}; len(queue) > 0; queue = queue[1:] {
		m := queue[0]
		if old, ok := highest[m.Path]; !ok || semver.Compare(m.Version, old) > 0 {
			highest[m.Path] = m.Version
		}
		if isPruned && m != root {
			continue
		}
		for _, next := range g[m] {
			if !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
	return highest
}
