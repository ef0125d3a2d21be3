package sign

import (
	"fmt"
	"path/filepath"
	"regexp"

	"go.yaml.in/yaml/v3"

	"github.com/modferry/modferry/artifact/strictyaml"
)

// keyName has the names of keys. An ID is none.
var keyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// key reads an entry of keys.
func (p *policyReader) key(name string, n *yaml.Node) {
	t := &trusted{name: name, line: n.Line}
	p.byName[name] = t // if there is something wrong with it, too: it is known
	if !keyName.MatchString(name) {
		p.Fail(n, "%.100q is no name for a key: take letters, digits, dots, dashes and underscores", name)
	}
	field, parse := "file", parseOneKey
	fields := []strictyaml.Field{{Name: field, Into: &t.file}}
	if has(n, "trustedRoot") {
		var i Identity
		field, parse = "trustedRoot", func(data []byte) (key, error) { return parseIdentity(data, i) }
		fields = []strictyaml.Field{
			{Name: field, Into: &t.file},
			{Name: "subject", Into: &i.Subject},
			{Name: "subjectPattern", Into: &i.SubjectPattern},
			{Name: "issuer", Into: &i.Issuer},
			{Name: "issuerPattern", Into: &i.IssuerPattern},
		}
	}
	if !p.Fields(n, append(fields, strictyaml.Field{Name: "notAfter", Into: p.time(&t.notAfter)})...) {
		return
	}
	k, err := p.keyFile(t.file, parse)
	if err != nil {
		p.Fail(n, "%s: %w", field, err)
		return
	}
	t.id, t.maker = k.id, k.name
	p.policy.all.add(k)
	p.policy.keys = append(p.policy.keys, t)
}

// has reports whether a mapping has a field.
func has(n *yaml.Node, field string) bool {
	for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
		if n.Content[i].Value == field {
			return true
		}
	}
	return false
}

func (p *policyReader) keyFile(file string, parse func([]byte) (key, error)) (key, error) {
	file = filepath.FromSlash(file)
	if !filepath.IsAbs(file) {
		file = filepath.Join(filepath.Dir(p.Name), file)
	}
	data, err := p.read(file)
	if err != nil {
		return key{}, err
	}
	k, err := parse(data)
	if err != nil {
		return key{}, fmt.Errorf("%s: %w", file, err)
	}
	return k, nil
}

func parseOneKey(data []byte) (key, error) {
	keys, err := ParseKeys(data)
	if err != nil {
		return key{}, err
	}
	if n := len(keys.list); n > 1 {
		return key{}, fmt.Errorf("it has %d keys: give each of them a name and a file of its own", n)
	}
	return keys.list[0], nil
}
