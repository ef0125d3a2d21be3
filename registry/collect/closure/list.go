package closure

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"go/version"
	"io"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/registry/gocmd"
)

// listed is what "go list -m -json" prints about a module.
type listed struct {
	Path, Version string
	GoVersion     string // of its go line
	Main          bool
	Replace       *struct{ Path, Version string }
	Error         *struct{ Err string }
}

// used returns the module version that the go command uses; it has no version if
// that is a directory.
func (l listed) used() module.Version {
	switch {
	case l.Main:
		return module.Version{Path: l.Path}
	case l.Replace != nil:
		return module.Version{Path: l.Replace.Path, Version: l.Replace.Version}
	}
	return module.Version{Path: l.Path, Version: l.Version}
}

// downloaded is what "go mod download -json" prints about a module.
type downloaded struct {
	Path, Version, Query, Error string
	Zip, GoMod                  string // file names

	tooOld error // says that the go command is too old for it
}

// list adds what "go list -m -e -json args..." lists, each with its .mod.
func (v *view) list(ctx context.Context, c *gocmd.Cmd, dir string, args ...string) {
	const doing = "reading the module graph"
	out, err := v.run(ctx, c, dir, append([]string{"list", "-m", "-e", "-json"}, args...)...)
	if err != nil {
		v.warn(doing, err)
	}
	mods, err := decode[listed](out)
	if err != nil {
		v.warn(doing, err)
	}
	for _, m := range mods {
		if m.Error != nil {
			v.warn(doing, errors.New(v.oneLine(m.Error.Err)))
			continue
		}
		if used := m.used(); used.Version != "" {
			v.needs.add(Need{Module: used, ModOnly: true, From: v.from})
			v.goVersions[used] = m.GoVersion
		}
	}
}

// download runs "go mod download -json args...". What it fetches is recorded.
func (v *view) download(ctx context.Context, c *gocmd.Cmd, dir string, args ...string) []downloaded {
	const doing = "downloading"
	out, err := v.run(ctx, c, dir, append([]string{"mod", "download", "-json"}, args...)...)
	mods, broken := decode[downloaded](out)
	for _, m := range mods {
		if m.Error != "" {
			v.warn(doing, errors.New(v.oneLine(m.Error)))
			err = nil // that is why it failed
		}
	}
	if err = errors.Join(err, broken); err != nil {
		v.warn(doing, err)
	}
	return mods
}

// decode reads JSON values one after the other.
func decode[T any](data []byte) ([]T, error) {
	var all []T
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		var one T
		if err := d.Decode(&one); err == io.EOF {
			return all, nil
		} else if err != nil {
			return all, err
		}
		all = append(all, one)
	}
}

// isPruned reports whether of a listed version only the direct requirements are in the module graph
// of others (https://go.dev/ref/mod#graph-pruning).
func (v *view) isPruned(m module.Version) bool {
	return version.Compare("go"+v.goVersions[m], "go1.17") >= 0
}
