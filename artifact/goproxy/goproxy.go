// Package goproxy has the words of the GOPROXY protocol (https://go.dev/ref/mod#goproxy-protocol): the names of its files,
// what a canonical version is, how versions are ordered, queries, patterns that stand for many module versions, what
// stands for a Go toolchain, and what the go command makes up for modules from before modules. Everything here is pure:
// no function reads a file or asks anybody.
package goproxy

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// Kind is a kind of file of the protocol, in the words that people use for it.
type Kind string

// The kinds of files.
const (
	Info   Kind = ".info"
	Mod    Kind = "go.mod"
	Zip    Kind = "zip"
	List   Kind = "version list"
	Latest Kind = "latest version"
)

// extensions of the files of a version.
var extensions = map[Kind]string{Info: ".info", Mod: ".mod", Zip: ".zip"}

// File is a file of the protocol.
//
//	name = path "/@v/list" | path "/@latest" | path "/@v/" version ( ".info" | ".mod" | ".zip" )
//	path, version: as module.EscapePath and module.EscapeVersion write them
//
// In place of a version, .info may have any revision. A list and the latest version have none.
type File struct {
	module.Version
	Kind Kind
}

// Name returns the file's slash-separated name below a proxy's URL.
func (f File) Name() (string, error) {
	path, err := module.EscapePath(f.Path)
	if err != nil {
		return "", err
	}
	switch f.Kind {
	case List:
		return path + "/@v/list", nil
	case Latest:
		return path + "/@latest", nil
	}
	version, err := module.EscapeVersion(f.Version.Version)
	if err != nil {
		return "", fmt.Errorf("%w; a proxy cannot be asked for it: name the commit", err)
	}
	return path + "/@v/" + version + extensions[f.Kind], nil
}

// Base returns the name of a version's files without their extensions.
func Base(m module.Version) (string, error) {
	return File{Version: m}.Name()
}

// Parse is the reverse of [File.Name]. The path is one that a module may have, the version anything
// that can be escaped.
func Parse(name string) (File, error) {
	var f File
	escaped, file, ok := strings.Cut(name, "/@v/")
	if !ok {
		if escaped, ok = strings.CutSuffix(name, "/@latest"); !ok {
			return f, fmt.Errorf("%q is not a name of the GOPROXY protocol", name)
		}
		f.Kind = Latest
	}
	var err error
	if f.Path, err = module.UnescapePath(escaped); err != nil || f.Kind == Latest {
		return f, err
	}
	if file == "list" {
		f.Kind = List
		return f, nil
	}
	ext := path.Ext(file)
	for kind, e := range extensions {
		if ext == e {
			f.Kind = kind
		}
	}
	if f.Kind == "" {
		return f, fmt.Errorf("%q is not a name of the GOPROXY protocol", name)
	}
	f.Version.Version, err = module.UnescapeVersion(strings.TrimSuffix(file, ext))
	return f, err
}

// HasVersion is [IsVersion] of the version of a file that [Parse] returned, whose path is known to be one.
func (f File) HasVersion() bool {
	_, major, ok := module.SplitPathVersion(f.Path)
	return ok && CheckVersion(f.Version.Version) == nil && module.CheckPathMajor(f.Version.Version, major) == nil
}

// ParseList returns the valid versions of an @v/list file in the order given. Anything after
// a version on its line is ignored.
func ParseList(data []byte) []string {
	var versions []string
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 0 && semver.IsValid(f[0]) {
			versions = append(versions, f[0])
		}
	}
	return versions
}

// CheckVersion reports whether a version is canonical (see [module.CanonicalVersion]), as every version is that a proxy
// has: v1.2 is not.
func CheckVersion(version string) error {
	if version == "" || module.CanonicalVersion(version) != version {
		return fmt.Errorf("%q is not a whole version, like v1.2.3", version)
	}
	return nil
}

// Check reports whether a proxy can have a module version: the version is canonical and suits the path.
func Check(m module.Version) error {
	if err := module.Check(m.Path, m.Version); err != nil {
		return err
	}
	return CheckVersion(m.Version)
}

// ErrURL says nothing of what it is about: in the place of a module path, it is what is before some @ of a URL, and so
// perhaps half of a password.
var ErrURL = errors.New("modules and packages are named without the scheme, the user and the port of a URL, like golang.org/x/text")

// CheckNoURL is [ErrURL] for what may be a URL in the place of a module path.
func CheckNoURL(path string) error {
	if strings.Contains(path, ":") {
		return ErrURL
	}
	return nil
}

// IsVersion reports whether [Check] has nothing against m; else its version may be a revision or a query.
func IsVersion(m module.Version) bool { return Check(m) == nil }

// Compare orders module versions by path, then by semantic version. Versions that only differ in what
// that ignores, as +incompatible, are ordered as text.
func Compare(a, b module.Version) int {
	return cmp.Or(strings.Compare(a.Path, b.Path), semver.Compare(a.Version, b.Version), strings.Compare(a.Version, b.Version))
}

// GoMod returns the go.mod that the go command makes up for a module that has none.
func GoMod(path string) []byte { return fmt.Appendf(nil, "module %s\n", modfile.AutoQuote(path)) }
