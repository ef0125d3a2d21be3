package sign

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"go.yaml.in/yaml/v3"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/strictyaml"
)

// MaxPolicy is how large a policy file may be, in bytes.
const MaxPolicy = 1 << 20

// ParsePolicy parses a trust policy of at most MaxPolicy bytes:
//
//	version: 1
//	keys:                                   # names for public keys
//	  NAME: {file: FILE, notAfter: TIME}    # PEM, one key, relative to the policy; 2027-12-31 is to the end of that day, UTC
//	  NAME: {trustedRoot: FILE, subject: TEXT, issuer: TEXT}  # or subjectPattern, issuerPattern, notAfter: see Identity
//	rules:                                  # of those that cover a module, the longest pattern counts
//	  - modules: [PATTERN, …]               # example.com/lib, example.com/** (that and all below it) or **; upper and lower case differ
//	    signedBy: {anyOf: [NAME, …]}        # or {threshold: N, of: [NAME, …]}: that many different keys
//	    checksumDatabase: required          # the default, or ifPresent, or none: see Records
//	deny:                                   # may be left out, as what follows
//	  - modules: [PATTERN, …]               # see goproxy.Pattern, as in "example.com/lib@<v1.4.2"; upper and lower case alike
//	    reason: TEXT
//	revoked:
//	  digests: [sha256:…, …]                # of manifests
//	  keys: [NAME or ID, …]
//
// Modules that no rule covers are refused. What is unknown, doubled, ambiguous or of no effect is an error, as is a
// key that cannot be read; the error joins all problems, each of which reads "name:line: field: …". read returns the
// content of a key file, whose name was made relative to the working directory. A key that expired does not count,
// which is an error of [Policy.CheckExpiry] only. now tells the time, nil = time.Now.
func ParsePolicy(
	name string, data []byte, read func(file string) ([]byte, error), now func() time.Time,
) (*Policy, error) {
	if now == nil {
		now = time.Now
	}
	p := &policyReader{
		Reader: strictyaml.NewReader(name), read: read, byName: make(map[string]*trusted),
		policy: &Policy{
			name: name, all: new(Keys), covers: make(map[string]*rule), folded: make(map[string]string),
			digests: make(map[digest.Digest]bool), now: now,
		},
	}
	if root := p.Document(data, MaxPolicy); root != nil {
		p.root(root)
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	p.policy.addCommon()
	return p.policy, nil
}

// policyReader makes a Policy of YAML nodes.
type policyReader struct {
	*strictyaml.Reader
	read   func(file string) ([]byte, error)
	policy *Policy
	byName map[string]*trusted
}

func (p *policyReader) root(n *yaml.Node) {
	before := p.Found()
	p.Fields(n,
		strictyaml.Field{Name: "version", Into: p.Version},
		strictyaml.Field{Name: "keys", Into: p.Map(p.key)},
		strictyaml.Field{Name: "rules", Into: p.List(p.rule)},
		strictyaml.Field{Name: "deny", Into: p.EmptyList(p.deny)},
		strictyaml.Field{Name: "revoked", Into: p.revoked})
	if len(p.policy.rules) == 0 && p.Found() == before {
		p.Fail(n, "there are no rules, so that everything would be refused: "+
			"say for which modules whose signatures count")
	}
}

// time makes a reader of a day, to its end, or of a moment.
func (p *policyReader) time(into *time.Time) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if day, err := time.Parse(time.DateOnly, n.Value); err == nil && n.Kind == yaml.ScalarNode {
			*into = day.AddDate(0, 0, 1).Add(-1)
			return
		}
		t, err := time.Parse(time.RFC3339, n.Value)
		if err != nil || n.Kind != yaml.ScalarNode {
			p.Fail(n, "this must be a day, as in 2027-12-31, or a moment, as in 2027-12-31T18:00:00Z")
		}
		*into = t
	}
}

// rule reads an entry of rules.
func (p *policyReader) rule(n *yaml.Node) {
	r := &rule{line: n.Line, records: RecordsRequired}
	signedBy := false
	before := p.Found()
	p.Fields(n,
		strictyaml.Field{Name: "modules", Into: p.List(func(n *yaml.Node) { p.pattern(n, r) })},
		strictyaml.Field{Name: "signedBy", Into: func(n *yaml.Node) { signedBy = true; p.signedBy(n, r) }},
		strictyaml.Field{Name: "checksumDatabase", Into: func(s string) error {
			r.records = Records(s)
			if !slices.Contains([]Records{RecordsRequired, RecordsIfPresent, RecordsNone}, r.records) {
				return fmt.Errorf("%.100q is none of required, ifPresent and none", s)
			}
			return nil
		}})
	if !signedBy && p.Found() == before {
		p.Fail(n, "the field signedBy is missing: whose signatures count?")
	}
	p.policy.rules = append(p.policy.rules, r)
}

// pattern reads a pattern of a rule.
func (p *policyReader) pattern(n *yaml.Node, r *rule) {
	text := p.Text(n)
	if text == "" {
		return
	}
	if err := checkRulePattern(text); err != nil {
		p.Fail(n, "%w", err)
		return
	}
	if other := p.policy.covers[text]; other != nil {
		p.Fail(n, "%.100q is there already, in the rule on line %d: which of them counts would be ambiguous",
			text, other.line)
		return
	}
	p.policy.covers[text] = r
	if folded := strings.ToLower(text); p.policy.folded[folded] == "" {
		p.policy.folded[folded] = text
	}
	r.modules = append(r.modules, text)
}

// checkRulePattern checks that some module can match a pattern of a rule, and that of two which match it is clear
// which one is longer.
func checkRulePattern(text string) error {
	prefix, _ := strings.CutSuffix(text, "/**")
	if text == "**" {
		return nil
	}
	if _, err := goproxy.ParsePattern(text); err != nil {
		return err
	}
	if strings.ContainsAny(prefix, "*@") {
		return fmt.Errorf("%.100q is not a pattern of a rule: "+
			"give a module, a prefix and /** for all below it, or ** for all modules", text)
	}
	return nil
}

// signedBy reads who has to sign.
func (p *policyReader) signedBy(n *yaml.Node, r *rule) {
	threshold, anyOf := 0, !has(n, "threshold") && !has(n, "of")
	names := p.List(func(n *yaml.Node) { p.signer(n, r) })
	if anyOf {
		r.threshold = 1
		p.Fields(n, strictyaml.Field{Name: "anyOf", Into: names})
		return
	}
	before := p.Found()
	if !p.Fields(n, strictyaml.Field{Name: "threshold", Into: &threshold}, strictyaml.Field{Name: "of", Into: names}) {
		return
	}
	ids := make(map[string]bool)
	for _, t := range r.of {
		ids[t.id] = true
	}
	switch {
	case p.Found() != before || ids[""]: // a key that could not be read was told
	case len(r.of) == 0:
		p.Fail(n, "the field of is missing: whose signatures count?")
	case threshold > len(ids):
		p.Fail(n, "threshold: %d signatures are needed, and there are %d different keys", threshold, len(ids))
	}
	r.threshold = threshold
}

// signer reads the name of a key of a rule.
func (p *policyReader) signer(n *yaml.Node, r *rule) {
	name := p.Text(n)
	if name == "" {
		return
	}
	t := p.byName[name]
	switch {
	case t == nil:
		p.Fail(n, "there is no key %.100q in keys", name)
	case slices.Contains(r.of, t):
		p.Fail(n, "the key %.100q is there already", name)
	default:
		r.of = append(r.of, t)
	}
}

// deny reads an entry of deny.
func (p *policyReader) deny(n *yaml.Node) {
	d := denial{line: n.Line}
	p.Fields(n, strictyaml.Field{Name: "modules", Into: p.List(func(s string) error {
		pattern, err := goproxy.ParsePattern(s)
		d.patterns = append(d.patterns, pattern)
		return err
	})}, strictyaml.Field{Name: "reason", Into: &d.reason})
	p.policy.denials = append(p.policy.denials, d)
}

// revoked reads which manifests and keys count no more.
func (p *policyReader) revoked(n *yaml.Node) {
	fields := []strictyaml.Field{
		{Name: "digests", Into: p.EmptyList(p.revokedDigest)}, {Name: "keys", Into: p.EmptyList(p.revokedKey)},
	}
	if n.Kind == yaml.MappingNode && !has(n, "digests") {
		fields = fields[1:]
	}
	p.Fields(n, fields...)
}

func (p *policyReader) revokedDigest(s string) error {
	d := digest.Digest(s)
	if err := checkDigest(d); err != nil {
		return err
	}
	p.policy.digests[d] = true
	return nil
}

// revokedKey revokes a key under every name that it has.
func (p *policyReader) revokedKey(s string) error {
	id := s
	if t := p.byName[s]; t != nil {
		id = t.id
	} else if checkDigest(digest.Digest(s)) != nil {
		return fmt.Errorf("there is no key %.100q in keys, and an ID is sha256: and hex digits", s)
	}
	for _, t := range p.byName {
		if t.id == id {
			t.revoked = true
		}
	}
	return nil
}

// CheckExpiry returns an error that names the keys that have expired, nil if there are none.
func (p *Policy) CheckExpiry() error {
	var errs []error
	for _, t := range p.keys {
		if t.expired(p.now()) {
			errs = append(errs, fmt.Errorf("%s:%d: keys: %s: it expired on %s: renew it, or take it out",
				p.name, t.line, t.name, t.notAfter.Format(time.DateOnly)))
		}
	}
	return errors.Join(errs...)
}
