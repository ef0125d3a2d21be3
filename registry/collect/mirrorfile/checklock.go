package mirrorfile

import (
	"go/version"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/strictyaml"
	"github.com/modferry/modferry/registry/requirement"
)

// CheckLock checks that what a lock says about the entries of the file can be what these ask for. After a bad merge,
// or by somebody's hand, it might lead to other versions, or to nothing at all, run after run. name is the lock's.
// The error joins all problems, each with its line.
//
// What a module, a tool or a project needs besides, nobody can tell from the files alone.
func (f *File) CheckLock(name string, l *Lock) error {
	p := &lockReader{strictyaml.Problems{Name: name}}
	for _, m := range f.Modules {
		p.check(l.Source(m.ID()), m.Query != "", func(v module.Version) bool {
			if m.Query != "" {
				return answers(v, m.Path, m.Query)
			}
			return v.Path == m.Path && m.Range.Contains(v.Version)
		})
	}
	for _, t := range f.Tools {
		p.check(l.Source(t.ID()), true, func(v module.Version) bool { return answers(v, t.Package, t.Query) })
	}
	for _, t := range f.Toolchains {
		p.check(l.Source(t.ID()), false, t.admits)
	}
	return p.Err()
}

// check checks that a source is about versions that its entry admits. A single entry means one.
func (p *lockReader) check(l *Locked, single bool, admits func(module.Version) bool) {
	if l == nil {
		return
	}
	admitted := func(n requirement.Requirement) bool { return !n.ModOnly && admits(n.Module) }
	if len(l.Means) == 0 && !slices.ContainsFunc(l.Needs, admitted) {
		p.Add(l.Line, "source %s: no line below it names a version that this asks for", l.ID)
	}
	if single && len(l.Means) > 1 {
		p.Add(l.Line, "source %s: it cannot mean %d versions", l.ID, len(l.Means))
	}
	for _, m := range l.Means {
		if !admits(m) {
			p.Add(l.Line, "source %s: it cannot mean %s", l.ID, m)
		}
	}
}

// admits reports whether a version can be what the entry asks for.
func (t Toolchain) admits(m module.Version) bool {
	release := goproxy.ReleaseOf(m.Version)
	isAsked := t.Release == "latest" || release == t.Release || version.Lang(release) == t.Release
	isFor := func(platform string) bool { return m.Version == goproxy.Toolchain(release, platform).Version }
	return goproxy.IsToolchain(m) && release != "" && isAsked && (len(t.Platforms) == 0 || slices.ContainsFunc(t.Platforms, isFor))
}

// answers reports whether path@query, of a module or a package, may lead to a module version. Of versions, that is
// known: to themselves, with or without +incompatible. A tag with other build metadata is a revision.
func answers(m module.Version, path, query string) bool {
	query = strings.TrimSuffix(query, "+incompatible")
	return (path == m.Path || strings.HasPrefix(path, m.Path+"/")) &&
		(query != semver.Canonical(query) || semver.Compare(m.Version, query) == 0)
}
