package upstream

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

func TestADirectoryIsReadWithinLimits(t *testing.T) {
	root := t.TempDir()
	at := func(name string) string { return filepath.Join(root, "example.com", "a", "@v", name) }
	for _, name := range []string{"v1.0.0.zip", "v1.0.1.info", "v1.0.2.mod", "../@latest"} {
		upstreamtest.Put(t, at(name), "x")
		if err := os.Truncate(at(name), 1<<40); err != nil {
			t.Skip(err)
		}
	}
	u := newUpstream(t, root)
	for v, read := range map[string]func(module.Version) error{
		"v1.0.0": func(m module.Version) error { return u.Zip(t.Context(), m, upstreamtest.TempFile(t)) },
		"v1.0.1": func(m module.Version) error { _, err := u.Info(t.Context(), m); return err },
		"v1.0.2": func(m module.Version) error { _, err := u.GoMod(t.Context(), m); return err },
	} {
		if err := read(module.Version{Path: "example.com/a", Version: v}); !errors.Is(err, artifact.ErrLimit) {
			t.Errorf("%s: %v", v, err)
		}
	}
	if _, err := localTree(root).open(t.Context(), "example.com/a/@latest"); !errors.Is(err, artifact.ErrLimit) {
		t.Error(err)
	}
	if list, err := u.List(t.Context(), "example.com/a"); err != nil || len(list) != 1 {
		t.Error(list, err)
	}
}

func TestParseNameIsTheReverseOfName(t *testing.T) {
	for name, want := range map[string]goproxy.File{
		"example.com/!upper/@v/v1.0.0-!r!c.1.zip":          {Version: module.Version{Path: "example.com/Upper", Version: "v1.0.0-RC.1"}, Kind: goproxy.Zip},
		"example.com/a/@v/list":                            {Version: module.Version{Path: "example.com/a"}, Kind: goproxy.List},
		"example.com/a/@latest":                            {Version: module.Version{Path: "example.com/a"}, Kind: goproxy.Latest},
		"example.com/a/@v/main.info":                       {Version: module.Version{Path: "example.com/a", Version: "main"}, Kind: goproxy.Info},
		"gopkg.in/yaml.v3/@v/v3.0.1.mod":                   {Version: module.Version{Path: "gopkg.in/yaml.v3", Version: "v3.0.1"}, Kind: goproxy.Mod},
		"golang.org/toolchain/@v/v0.0.1-go1.26.8.a-b.zip":  {Version: module.Version{Path: "golang.org/toolchain", Version: "v0.0.1-go1.26.8.a-b"}, Kind: goproxy.Zip},
		"example.com/a/@v/v1.0.0+incompatible/../../b.zip": {},
		"example.com/Upper/@v/v1.0.0.zip":                  {},
		"example.com/a/@v/v1.0.0.ziphash":                  {},
		"example.com/../a/@v/list":                         {},
		"sumdb/sum.example.com/latest":                     {},
		"/example.com/a/@v/list":                           {},
		"example.com/a/@v/":                                {},
		"example.com/a/@v/.info":                           {},
		"example.com/a//@v/list":                           {},
		"example.com/a/@v/list/@v/list":                    {},
		"":                                                 {},
	} {
		got, err := goproxy.Parse(name)
		if want.Kind == "" {
			if err == nil {
				t.Errorf("%q: %+v", name, got)
			}
			continue
		}
		if back, nameErr := got.Name(); err != nil || got != want || nameErr != nil || back != name {
			t.Errorf("%q: %+v, %v, %q, %v", name, got, err, back, nameErr)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"example.com/!upper/@v/v1.0.0-!r!c.1.zip", "example.com/a/@v/list", "example.com/a/@latest", "sumdb/x/latest", "../a/@v/list"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		w, err := goproxy.Parse(name)
		if err != nil {
			return
		}
		if back, err := w.Name(); err != nil || back != name {
			t.Errorf("%q: %q, %v", name, back, err)
		}
		for _, local := range localNames(w) {
			if !fs.ValidPath(local) || !filepath.IsLocal(filepath.FromSlash(local)) {
				t.Errorf("%q: looks for %q", name, local)
			}
		}
	})
}
