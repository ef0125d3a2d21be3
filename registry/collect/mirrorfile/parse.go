package mirrorfile

import (
	"cmp"
	"errors"
	"fmt"
	"go/version"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/strictyaml"
	"github.com/modferry/modferry/registry/redact"
)

// MaxSize is how large a mirror file may be, in bytes.
const MaxSize = 1 << 20

// Parse parses a mirror file of at most MaxSize bytes. Paths in it are resolved against the directory of name. The
// error joins all problems, each of which reads "name:line: field: …"; of very many, a hundred.
//
// Whether directories, keys, modules and releases exist, Parse cannot know; nor does it
// check Store, Upstream, queries and releases as those who use them do.
func Parse(name string, data []byte) (*File, error) {
	p := &parser{Reader: strictyaml.NewReader(name), lines: make(map[string]int), file: File{Name: name}}
	if root := p.Document(data, MaxSize); root != nil {
		p.root(root)
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	return &p.file, nil
}

// parser makes a File of YAML nodes.
type parser struct {
	*strictyaml.Reader
	lines       map[string]int // of the entries so far, by ID
	file        File
	downloadAll bool // the file's default
}

// root reads the file. What serves as a default comes before what uses it.
func (p *parser) root(n *yaml.Node) {
	f := &p.file
	p.Fields(n,
		strictyaml.Field{Name: "version", Into: p.Version},
		strictyaml.Field{Name: "store", Into: p.store},
		strictyaml.Field{Name: "key", Into: p.key},
		strictyaml.Field{Name: "upstream", Into: &f.Upstream},
		strictyaml.Field{Name: "private", Into: p.texts(&f.Private, goproxy.CheckPrivate)},
		strictyaml.Field{Name: "platforms", Into: p.texts(&f.Platforms, CheckPlatform)},
		strictyaml.Field{Name: "downloadAll", Into: &p.downloadAll},
		strictyaml.Field{Name: "projects", Into: p.List(p.project)},
		strictyaml.Field{Name: "modules", Into: p.List(p.module)},
		strictyaml.Field{Name: "tools", Into: p.List(p.tool)},
		strictyaml.Field{Name: "toolchains", Into: p.List(p.toolchain)},
		strictyaml.Field{Name: "allow", Into: p.List(p.allow)},
		strictyaml.Field{Name: "deny", Into: p.List(p.deny)})
	if p.Found()+len(f.Projects)+len(f.Modules)+len(f.Tools)+len(f.Toolchains) == 0 {
		p.Add(1, "the file asks for nothing: name projects, modules, tools or toolchains")
	}
}

// texts makes a reader of a list of texts that each pass a check.
func (p *parser) texts(into *[]string, check func(string) error) func(*yaml.Node) {
	return func(n *yaml.Node) {
		*into = nil // not the file's default
		p.List(func(s string) error {
			*into = append(*into, s)
			return check(s)
		})(n)
	}
}

// resolve makes a path relative to the file one relative to the working directory.
func (p *parser) resolve(name string) string {
	name = filepath.FromSlash(name)
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(filepath.Dir(p.Name), name)
}

// layoutDirs are the directories in a store reference, which may be routes: prefix=store,store.
var layoutDirs = regexp.MustCompile(`(^|[,=] *)oci:[^,]*`)

// store resolves the directories in a store reference.
func (p *parser) store(text string) (err error) {
	p.file.Store = layoutDirs.ReplaceAllStringFunc(text, func(ref string) string {
		before, dir, _ := strings.Cut(ref, "oci:")
		if dir == "" || strings.HasPrefix(dir, "//") || strings.TrimSpace(dir) != dir {
			err = errors.New("a directory is written oci:DIR, as in oci:./store")
		}
		return before + "oci:" + p.resolve(dir)
	})
	return err
}

// key resolves the name of a key file. What has a scheme is not a file.
func (p *parser) key(text string) error {
	if !strings.Contains(text, "://") {
		text = p.resolve(text)
	}
	p.file.Key = text
	return nil
}

// entry reads an entry that is a text or has fields, and reports whether there was no problem.
func (p *parser) entry(n *yaml.Node, short func(string), known ...strictyaml.Field) bool {
	if n.Kind != yaml.ScalarNode {
		return p.Fields(n, known...)
	}
	text := p.Text(n)
	short(text)
	return text != ""
}

// add adds an entry that was read to a list, if it is valid and the first one with its ID.
func add[T any](p *parser, n *yaml.Node, list *[]T, entry T, id string, invalid error) {
	switch line := p.lines[id]; {
	case invalid != nil:
		p.Fail(n, "%w", invalid)
	case line != 0:
		p.Fail(n, "%.100q is there already, on line %d", id, line)
	default:
		p.lines[id] = n.Line
		*list = append(*list, entry)
	}
}

// project reads "./dir" or {dir, downloadAll}.
func (p *parser) project(n *yaml.Node) {
	v := Project{DownloadAll: p.downloadAll, Line: n.Line}
	if p.entry(n, func(s string) { v.Text = s }, strictyaml.Field{Name: "dir", Into: &v.Text}, strictyaml.Field{Name: "downloadAll", Into: &v.DownloadAll}) {
		v.Dir = p.resolve(v.Text)
		add(p, n, &p.file.Projects, v, "project "+v.Dir, nil)
	}
}

// module reads "path@query" or {module, versions | latest | query, deps}.
func (p *parser) module(n *yaml.Node) {
	v, deps := Module{Line: n.Line}, true
	if p.entry(n, func(s string) { v.Path, v.Query, _ = strings.Cut(s, "@") },
		strictyaml.Field{Name: "module", Into: &v.Path},
		strictyaml.Field{Name: "versions", Into: func(s string) (err error) { v.Range, err = goproxy.ParseRange(s); return err }},
		strictyaml.Field{Name: "latest", Into: &v.Latest},
		strictyaml.Field{Name: "query", Into: &v.Query},
		strictyaml.Field{Name: "deps", Into: &deps}) {
		v.Alone = !deps
		add(p, n, &p.file.Modules, v, v.ID(), cmp.Or(goproxy.CheckNoURL(v.Path), module.CheckPath(v.Path), v.checkVersions()))
	}
}

// checkVersions checks that one field says which versions are asked for.
func (m Module) checkVersions() error {
	query, latest, ranged := m.Query != "", m.Latest != 0, m.Range.String() != ""
	switch {
	case query && latest, query && ranged, latest && ranged:
		return errors.New("query, latest and versions exclude each other: give one of them")
	case latest, ranged:
		return nil
	}
	return checkQuery(m.Path, m.Query)
}

func checkQuery(path, query string) error {
	if query == "" {
		return fmt.Errorf("%s: the version is missing: write %[1]s@latest, say", path)
	}
	return nil
}

// tool reads "package@query" or {package, query, platforms}.
func (p *parser) tool(n *yaml.Node) {
	v := Tool{Platforms: p.file.Platforms, Line: n.Line}
	if p.entry(n, func(s string) { v.Package, v.Query, _ = strings.Cut(s, "@") },
		strictyaml.Field{Name: "package", Into: &v.Package}, strictyaml.Field{Name: "query", Into: &v.Query}, strictyaml.Field{Name: "platforms", Into: p.texts(&v.Platforms, CheckPlatform)}) {
		add(p, n, &p.file.Tools, v, v.ID(), cmp.Or(goproxy.CheckNoURL(v.Package), module.CheckImportPath(v.Package), checkQuery(v.Package, v.Query)))
	}
}

// toolchain reads "go1.26" or {release, platforms}.
func (p *parser) toolchain(n *yaml.Node) {
	v := Toolchain{Platforms: p.file.Platforms, Line: n.Line}
	if p.entry(n, func(s string) { v.Release = s },
		strictyaml.Field{Name: "release", Into: &v.Release}, strictyaml.Field{Name: "platforms", Into: p.texts(&v.Platforms, CheckPlatform)}) {
		var invalid error
		if v.Release != "latest" && !version.IsValid(v.Release) {
			invalid = fmt.Errorf("%.100q is not a Go release: name one like go1.26.8, go1.26 for its newest patch, or latest", redact.Text(v.Release))
		}
		add(p, n, &p.file.Toolchains, v, v.ID(), invalid)
	}
}

// allow reads an entry of the allow list: a pattern.
func (p *parser) allow(n *yaml.Node) {
	v := Rule{Line: n.Line}
	p.Read(n, v.add)
	p.file.Allow = append(p.file.Allow, v)
}

// deny reads an entry of the deny list: patterns and a reason.
func (p *parser) deny(n *yaml.Node) {
	v := Rule{Line: n.Line}
	p.Fields(n, strictyaml.Field{Name: "modules", Into: p.List(v.add)}, strictyaml.Field{Name: "reason", Into: &v.Reason})
	p.file.Deny = append(p.file.Deny, v)
}

// add parses a pattern.
func (r *Rule) add(text string) error {
	parsed, err := goproxy.ParsePattern(text)
	r.Patterns = append(r.Patterns, parsed)
	return err
}

var (
	// platformGrammar is GOOS "/" GOARCH.
	platformGrammar = regexp.MustCompile(`^[a-z0-9]+/[a-z0-9]+$`)

	// foreignNames are what others call some of these.
	foreignNames = regexp.MustCompile(`\b(macos|osx|aarch64|x64|i386|x86)\b`)
)

// CheckPlatform checks that a platform is os/arch, in Go's terms, as in linux/amd64. Which ones there are
// depends on the release of Go.
func CheckPlatform(s string) error {
	if !platformGrammar.MatchString(s) || foreignNames.MatchString(s) {
		return fmt.Errorf("%.100q is not a platform: write it os/arch with Go's names, like linux/amd64, darwin/arm64 or windows/386", s)
	}
	return nil
}
