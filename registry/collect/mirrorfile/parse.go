package mirrorfile

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/pattern"
)

// MaxSize is how large a mirror file may be, in bytes.
const MaxSize = 1 << 20

// parser makes a File of YAML nodes.
type parser struct {
	problems
	dir         string // of the file
	file        File
	downloadAll bool // the file's default
}

// Parse parses a mirror file of at most MaxSize bytes. Paths in it are resolved
// against the directory of name. The error joins all problems, each an *Error that
// reads "name:line: field: …"; of very many, it has the first hundred.
//
// Whether directories, keys, modules and releases exist, Parse cannot know; nor does it
// check Store and Upstream as those who open them do.
func Parse(name string, data []byte) (*File, error) {
	p := &parser{problems: problems{name: name}, dir: filepath.Dir(name), file: File{Name: name}}
	if root := p.document(data); root != nil && p.version(root) {
		p.fields(root)
		if f := &p.file; p.count == 0 && len(f.Projects)+len(f.Modules)+len(f.Tools)+len(f.Toolchains) == 0 {
			p.add(1, "the file asks for nothing: name projects, modules, tools or toolchains")
		}
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return &p.file, nil
}

// version checks the version of the format, before anything else is judged by the rules of this one.
func (p *parser) version(root *yaml.Node) bool {
	if root.Kind != yaml.MappingNode {
		p.fail(root, "", "a mirror file consists of fields, as in version: 1, not of %s", kind(root))
		return false
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		n := root.Content[i+1]
		switch {
		case root.Content[i].Value != "version":
			continue
		case !p.usable("version", n):
			return false
		case n.Value == "1" && n.ShortTag() == "!!int":
			return true
		case n.ShortTag() == "!!int":
			p.fail(n, "version", "this modferry reads version 1 of mirror files, not %s; a newer one may", quote(n.Value))
		default:
			p.fail(n, "version", "this must be the number 1")
		}
		return false
	}
	p.fail(root, "version", "the field is missing: begin the file with version: 1")
	return true
}

// fields reads the file. What serves as a default comes before what uses it.
func (p *parser) fields(root *yaml.Node) {
	f := &p.file
	readers := []struct {
		name string
		read func(at string, n *yaml.Node)
	}{
		{"version", func(string, *yaml.Node) {}},
		{"store", func(at string, n *yaml.Node) { f.Store = p.store(at, n) }},
		{"key", func(at string, n *yaml.Node) { f.Key = p.key(at, n) }},
		{"upstream", func(at string, n *yaml.Node) { f.Upstream = p.upstream(at, n) }},
		{"private", func(at string, n *yaml.Node) { f.Private = p.texts(at, n, checkPrivate) }},
		{"platforms", func(at string, n *yaml.Node) { f.Platforms = p.texts(at, n, CheckPlatform) }},
		{"downloadAll", func(at string, n *yaml.Node) { p.downloadAll = p.bool(at, n) }},
		{"projects", func(at string, n *yaml.Node) {
			f.Projects = list(p, at, n, p.project, func(v Project) string { return v.Dir })
		}},
		{"modules", func(at string, n *yaml.Node) { f.Modules = list(p, at, n, p.module, Module.ID) }},
		{"tools", func(at string, n *yaml.Node) { f.Tools = list(p, at, n, p.tool, Tool.ID) }},
		{"toolchains", func(at string, n *yaml.Node) { f.Toolchains = list(p, at, n, p.toolchain, Toolchain.ID) }},
		{"allow", func(at string, n *yaml.Node) { f.Allow = list(p, at, n, p.allow, Rule.text) }},
		{"deny", func(at string, n *yaml.Node) { f.Deny = list(p, at, n, p.deny, Rule.text) }},
	}
	var known []string
	for _, r := range readers {
		known = append(known, r.name)
	}
	values := p.mapping("", root, known...)
	for _, r := range readers {
		if n := values[r.name]; n != nil {
			r.read(r.name, n)
		}
	}
}

// resolve makes a path relative to the file one relative to the working directory.
func (p *parser) resolve(name string) string {
	name = filepath.FromSlash(name)
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(p.dir, name)
}

// store resolves the directories in a store reference, which may be routes:
// prefix=store,store.
func (p *parser) store(at string, n *yaml.Node) string {
	text, _ := p.text(at, n)
	parts := strings.Split(text, ",")
	for i, part := range parts {
		part = strings.TrimSpace(part)
		prefix, ref, ok := strings.Cut(part, "=")
		if !ok || module.CheckImportPath(prefix) != nil {
			prefix, ref = "", part
		} else {
			prefix += "="
		}
		if dir, ok := strings.CutPrefix(ref, "oci:"); ok {
			if dir == "" || strings.HasPrefix(dir, "//") || strings.TrimSpace(dir) != dir {
				p.fail(n, at, "a directory is written oci:DIR, as in oci:./store")
				continue
			}
			ref = "oci:" + p.resolve(dir)
		}
		parts[i] = prefix + ref
	}
	return strings.Join(parts, ",")
}

// key resolves the name of a key file. What has a scheme is not a file.
func (p *parser) key(at string, n *yaml.Node) string {
	text, ok := p.text(at, n)
	if !ok || strings.Contains(text, "://") {
		return text
	}
	return p.resolve(text)
}

// upstream reads a GOPROXY list. It may hold a password, so no problem shows it.
func (p *parser) upstream(at string, n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && n.Value == "" {
		return ""
	}
	text, _ := p.text(at, n)
	for entry := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == ',' || c == '|' }) {
		entry = strings.TrimSpace(entry)
		switch {
		case strings.ContainsAny(entry, " \t"):
			p.fail(n, at, "an entry has a space in it: separate entries with , or |")
		case strings.HasPrefix(entry, "."):
			p.fail(n, at, "a directory must be given with its absolute path, or as a file:// URL")
		}
	}
	return text
}

// checkPrivate checks a GOPRIVATE pattern. A pattern that matches less than its
// author believes would tell private names to strangers.
func checkPrivate(s string) error {
	if _, err := path.Match(s, ""); err != nil || strings.ContainsAny(s, " \t") {
		return fmt.Errorf("%s is not a GOPRIVATE pattern: give one like corp.example/*", quote(s))
	}
	switch {
	case strings.Contains(s, ","):
		return fmt.Errorf("%s is several patterns: make each an item of its own", quote(s))
	case strings.Contains(s, "://"):
		return fmt.Errorf("%s is a URL: leave out what is before the host", quote(s))
	case strings.Contains(s, "**"), strings.Contains(s, "..."):
		return fmt.Errorf("%s: GOPRIVATE patterns have no ** and no ...; they match everything below, so corp.example is all of it", quote(s))
	}
	sample := strings.TrimSuffix(globs.Replace(classes.ReplaceAllString(s, "x")), "/")
	host, _, _ := strings.Cut(sample, "/")
	if strings.Contains(s, "*") && !strings.Contains(host, ".") {
		host += ".x" // the star may stand for it
	}
	for _, err := range []error{module.CheckPath(host), module.CheckImportPath(sample)} {
		if err != nil {
			return fmt.Errorf("%s is not a GOPRIVATE pattern, as no module can match it: %w", quote(s), err)
		}
	}
	return nil
}

// What a GOPRIVATE pattern has in the place of characters: see path.Match.
var (
	classes = regexp.MustCompile(`\[[^\]]*\]`)
	globs   = strings.NewReplacer("*", "x", "?", "x", `\`, "")
)

// allow reads an entry of the allow list: a pattern.
func (p *parser) allow(n *yaml.Node) (Rule, bool) {
	patterns := p.patterns("allow", []*yaml.Node{n})
	return Rule{Patterns: patterns, Line: n.Line}, len(patterns) > 0
}

// deny reads an entry of the deny list: patterns and a reason.
func (p *parser) deny(n *yaml.Node) (Rule, bool) {
	const at = "deny"
	if n.Kind == yaml.ScalarNode && p.usable(at, n) {
		p.fail(n, at, "this must be fields with values: write {modules: [%s], reason: …}", quote(n.Value))
		return Rule{}, false
	}
	r := Rule{Line: n.Line}
	values := p.mapping(at, n, "modules", "reason")
	if values == nil {
		return r, false
	}
	if v := values["reason"]; v != nil {
		r.Reason, _ = p.text("deny: reason", v)
	}
	if values["modules"] == nil {
		p.fail(n, at, "the field modules is missing, as in modules: [\"github.com/acme/**\"]")
		return r, false
	}
	r.Patterns = p.patterns("deny: modules", p.items("deny: modules", values["modules"]))
	return r, len(r.Patterns) > 0
}

// patterns reads module patterns.
func (p *parser) patterns(at string, items []*yaml.Node) []pattern.Pattern {
	var patterns []pattern.Pattern
	for _, n := range items {
		text, ok := p.text(at, n)
		if !ok {
			continue
		}
		parsed, err := pattern.Parse(text)
		if err != nil {
			p.fail(n, at, "%w", err)
			continue
		}
		patterns = append(patterns, parsed)
	}
	return patterns
}

// text returns the patterns of the rule; rules with the same ones are doubled.
func (r Rule) text() string {
	texts := make([]string, len(r.Patterns))
	for i, p := range r.Patterns {
		texts[i] = p.String()
	}
	return strings.Join(texts, ", ")
}
