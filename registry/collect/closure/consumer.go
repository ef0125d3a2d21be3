package closure

import (
	"context"
	"fmt"
	"go/version"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

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
