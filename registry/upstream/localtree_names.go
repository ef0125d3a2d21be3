package upstream

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
)

// localNames returns the slash-separated names that a version's file may have in a
// directory, the protocol's own first.
func localNames(w goproxy.File) []string {
	name, err := w.Name()
	if err != nil {
		return nil
	}
	names := []string{name}
	if !goproxy.IsVersion(w.Version) {
		return names
	}
	for _, p := range forms(w.Path, module.EscapePath) {
		for _, v := range forms(w.Version.Version, module.EscapeVersion) {
			names = append(names, path.Join(p, v, athensName(w.Kind, v)))
		}
	}
	return names
}

// athensName returns the name of a file in a version's directory of Athens' storage.
func athensName(kind goproxy.Kind, dir string) string {
	switch kind {
	case goproxy.Zip:
		return "source.zip"
	case goproxy.Mod:
		return "go.mod"
	}
	return dir + ".info"
}

// athensVersion returns the version that a directory of Athens' storage is of.
func athensVersion(path, dir string) (string, bool) {
	v, err := module.UnescapeVersion(dir)
	if err != nil {
		v = dir
	}
	return v, goproxy.IsVersion(module.Version{Path: path, Version: v})
}

// forms returns the ways in which Athens' storage has a path or a version: as it is, and
// escaped. Which one it is depends on Athens' release, and on who filled it.
func forms(s string, escape func(string) (string, error)) []string {
	if escaped, err := escape(s); err == nil && escaped != s {
		return []string{s, escaped}
	}
	return []string{s}
}

// modInZip reads the go.mod file out of a version's zip. For a zip without one it is
// what the go command makes up for a module from before modules.
func modInZip(f *os.File, m module.Version) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > modzip.MaxZipFile {
		return nil, fmt.Errorf("%d bytes: %w", info.Size(), artifact.ErrLimit)
	}
	z, err := zip.NewReader(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", artifact.ErrCorrupt, err)
	}
	prefix, fits := m.String()+"/", false
	for _, file := range z.File {
		if file.Name == prefix+"go.mod" {
			r, err := file.Open()
			if err != nil {
				return nil, fmt.Errorf("%w: %w", artifact.ErrCorrupt, err)
			}
			defer r.Close()
			return readLimited(r, modzip.MaxGoMod)
		}
		fits = fits || strings.HasPrefix(file.Name, prefix)
	}
	if !fits {
		return nil, fmt.Errorf("%w: it has no file of %s", artifact.ErrCorrupt, m)
	}
	return goproxy.GoMod(m.Path), nil
}

// MadeUpInfo is the .info file of a version of which nothing is known.
func MadeUpInfo(m module.Version) []byte {
	data, _ := json.Marshal(struct{ Version string }{m.Version}) // of a string, it cannot fail
	return data
}
