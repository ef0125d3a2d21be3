package mirrorfile

import (
	"fmt"
	"go/version"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/modferry/modferry/artifact/pattern"
)

// project reads "./dir" or {dir, downloadAll}.
func (p *parser) project(n *yaml.Node) (Project, bool) {
	const at = "projects"
	v := Project{DownloadAll: p.downloadAll, Line: n.Line}
	ok := false
	if n.Kind == yaml.ScalarNode {
		v.Text, ok = p.text(at, n)
	} else {
		values := p.mapping(at, n, "dir", "downloadAll")
		if all := values["downloadAll"]; all != nil {
			v.DownloadAll = p.bool(at+": downloadAll", all)
		}
		v.Text, ok = p.required(at, n, values, "dir", "./service")
	}
	v.Dir = p.resolve(v.Text)
	return v, ok
}

// required reads a text that must be there.
func (p *parser) required(at string, n *yaml.Node, values map[string]*yaml.Node, name, example string) (string, bool) {
	switch {
	case values == nil:
		return "", false // which was reported
	case values[name] == nil:
		p.fail(n, at, "the field %s is missing, as in %[1]s: %s", name, example)
		return "", false
	}
	return p.text(at+": "+name, values[name])
}

// maxLatest bounds how many releases of one module can be asked for by number.
const maxLatest = 10_000

// module reads "path@query" or {module, versions | latest | query, deps}.
func (p *parser) module(n *yaml.Node) (Module, bool) {
	const at = "modules"
	v := Module{Line: n.Line}
	before := p.count
	if n.Kind == yaml.ScalarNode {
		v.Path, v.Query = p.pathAndQuery(at, n)
	} else if values := p.mapping(at, n, "module", "versions", "latest", "query", "deps"); values != nil {
		v.Path, _ = p.required(at, n, values, "module", "golang.org/x/text")
		p.which(at, n, values, &v)
		if deps := values["deps"]; deps != nil {
			v.Alone = !p.bool(at+": deps", deps)
		}
	}
	if p.count > before {
		return v, false
	}
	if err := checkModule(v); err != nil {
		p.fail(n, at, "%w", err)
		return v, false
	}
	return v, true
}

// which reads which versions of a module are asked for.
func (p *parser) which(at string, n *yaml.Node, values map[string]*yaml.Node, v *Module) {
	given := 0
	if q := values["query"]; q != nil {
		given++
		v.Query, _ = p.text(at+": query", q)
	}
	if l := values["latest"]; l != nil {
		given++
		v.Latest = p.number(at+": latest", l, maxLatest)
	}
	if r := values["versions"]; r != nil {
		given++
		v.Range = p.versions(at+": versions", r)
	}
	switch {
	case given == 0:
		p.fail(n, at, `which versions? give one of query: latest, latest: 3, versions: ">=v1.4.0 <v2"`)
	case given > 1:
		p.fail(n, at, "query, latest and versions exclude each other: give one of them")
	}
}

func (p *parser) versions(at string, n *yaml.Node) pattern.Range {
	text, ok := p.text(at, n)
	if !ok {
		return pattern.Range{}
	}
	r, err := pattern.ParseRange(text)
	switch {
	case text == "latest":
		p.fail(n, at, "this must be a range, like >=v1.4.0 <v2; for the newest version write query: latest")
	case err != nil:
		p.fail(n, at, "%w", err)
	}
	return r
}

// pathAndQuery splits "path@query".
func (p *parser) pathAndQuery(at string, n *yaml.Node) (path, query string) {
	text, ok := p.text(at, n)
	if !ok {
		return "", ""
	}
	if strings.Contains(text, ":") { // of a URL, half of a password would be shown as the path
		p.fail(n, at, "%s is a URL: leave out the scheme, the user and the port", quote(text))
		return "", ""
	}
	path, query, ok = strings.Cut(text, "@")
	if !ok {
		p.fail(n, at, "%s: the version is missing: write %s@latest, say", quote(text), text)
	}
	return path, query
}

func checkModule(v Module) error {
	if err := module.CheckPath(v.Path); err != nil {
		return err
	}
	if v.Query == "" && (v.Latest > 0 || v.Range.String() != "") {
		return nil
	}
	if err := checkQuery(v.Path, v.Query); err != nil {
		return err
	}
	// Without a major version in the path there still is +incompatible.
	if _, major, ok := module.SplitPathVersion(v.Path); ok && major != "" && semver.IsValid(v.Query) {
		if err := module.CheckPathMajor(v.Query, major); err != nil {
			return fmt.Errorf("%s@%s: %w", v.Path, v.Query, err)
		}
	}
	return nil
}

// checkQuery checks what stands after the @, as far as it can be done without
// asking: a branch can have nearly any name.
func checkQuery(path, query string) error {
	notQuery := fmt.Errorf("%s@%s is not a query: for a range write {module: %[1]s, versions: %[2]q}", path, query)
	switch {
	case query == "":
		return fmt.Errorf("%s@: the version is missing; latest is the newest one", path)
	case query == "upgrade" || query == "patch" || query == "none":
		return fmt.Errorf("%s@%s only makes sense in a project: name a version, or latest", path, query)
	case strings.HasPrefix(query, "!=") || strings.Contains(query, ",") || strings.ContainsFunc(query, unicode.IsSpace):
		return notQuery
	case strings.ContainsAny(query[:1], "<>"):
		if _, err := pattern.ParseRange(query); err != nil {
			return fmt.Errorf("%s@%s: %w", path, query, err)
		}
	}
	return nil
}

// tool reads "package@query" or {package, query, platforms}.
func (p *parser) tool(n *yaml.Node) (Tool, bool) {
	const at = "tools"
	v := Tool{Platforms: p.file.Platforms, Line: n.Line}
	before := p.count
	if n.Kind == yaml.ScalarNode {
		v.Package, v.Query = p.pathAndQuery(at, n)
	} else if values := p.mapping(at, n, "package", "query", "platforms"); values != nil {
		v.Package, _ = p.required(at, n, values, "package", "golang.org/x/tools/cmd/stringer")
		v.Query, _ = p.required(at, n, values, "query", "latest")
		p.platforms(at, values, &v.Platforms)
	}
	if p.count > before {
		return v, false
	}
	if err := checkTool(v); err != nil {
		p.fail(n, at, "%w", err)
		return v, false
	}
	return v, true
}

func checkTool(v Tool) error {
	host, _, _ := strings.Cut(v.Package, "/")
	switch {
	case strings.HasSuffix(v.Package, "..."):
		return fmt.Errorf("%s stands for many packages: name each in an entry of its own", quote(v.Package))
	case module.CheckImportPath(v.Package) != nil:
		return module.CheckImportPath(v.Package)
	case module.CheckPath(host) != nil:
		return fmt.Errorf("%s is not a package of a module: its first element must be a host name", quote(v.Package))
	}
	return checkQuery(v.Package, v.Query)
}

// platforms reads an entry's own platforms, if it has any.
func (p *parser) platforms(at string, values map[string]*yaml.Node, platforms *[]string) {
	if n := values["platforms"]; n != nil {
		*platforms = p.texts(at+": platforms", n, CheckPlatform)
	}
}

// toolchain reads "go1.26" or {release, platforms}.
func (p *parser) toolchain(n *yaml.Node) (Toolchain, bool) {
	const at = "toolchains"
	v := Toolchain{Platforms: p.file.Platforms, Line: n.Line}
	release := n
	if n.Kind != yaml.ScalarNode {
		values := p.mapping(at, n, "release", "platforms")
		p.platforms(at, values, &v.Platforms)
		if release = values["release"]; release == nil {
			p.required(at, n, values, "release", "go1.26")
			return v, false
		}
	}
	if isRelease("go" + release.Value) {
		p.fail(release, at, "%s is not a Go release: did you mean go%[1]s?", release.Value)
		return v, false
	}
	ok := false
	if v.Release, ok = p.text(at, release); !ok {
		return v, false
	}
	if v.Release != "latest" && !isRelease(v.Release) {
		p.fail(release, at, "%s is not a Go release: name one like go1.26.8, go1.26 for its newest patch, or latest", quote(v.Release))
		return v, false
	}
	return v, true
}

// isRelease reports whether a text is the name of a Go release or of a language
// version.
func isRelease(s string) bool {
	return strings.HasPrefix(s, "go1") && version.IsValid(s) && !strings.ContainsAny(s, " \t")
}
