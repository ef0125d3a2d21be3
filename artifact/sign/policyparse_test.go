package sign

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"
)

// designPolicy has everything that a policy can have.
const designPolicy = `version: 1
keys:
  platform-2026: {file: a.pub, notAfter: 2027-12-31}
  security:      {file: b.pub, notAfter: "2030-01-01T06:00:00+01:00"}
rules:                                  # the longest matching prefix wins; no match = refuse
  - modules: ["corp.example/**"]
    signedBy: {anyOf: [platform-2026]}
    checksumDatabase: none              # private: not in the public log
  - modules: ["**"]
    signedBy: {threshold: 2, of: [platform-2026, security]}
    checksumDatabase: required
deny:
  - modules: ["github.com/evil/**", "example.com/lib@<v1.4.2"]
    reason: CVE-2026-0001
revoked: {digests: [], keys: []}
`

func TestParsePolicyReadsAllThatAPolicyCanSay(t *testing.T) {
	b := newPolicyBench(t)
	p, err := ParsePolicy("etc/policy.yaml", []byte(designPolicy), b.read, func() time.Time { return today })
	if err != nil {
		t.Fatal(err)
	}
	s := p.Summary()
	if len(s.Keys) != 2 || s.Keys[0].Name != "platform-2026" || s.Keys[0].ID != b.a.KeyID() || s.Keys[0].NotAfter.Format(time.RFC3339) != "2027-12-31T23:59:59Z" ||
		!s.Keys[1].NotAfter.Equal(time.Date(2030, 1, 1, 5, 0, 0, 0, time.UTC)) {
		t.Errorf("keys %+v", s.Keys)
	}
	if len(s.Rules) != 2 || s.Rules[0].Needs != "platform-2026" || s.Rules[0].ChecksumDatabase != RecordsNone || s.Rules[1].Needs != "2 of platform-2026, security" {
		t.Errorf("rules %+v", s.Rules)
	}
	if len(s.Deny) != 1 || strings.Join(s.Deny[0].Modules, " ") != "github.com/evil/** example.com/lib@<v1.4.2" || s.Deny[0].Reason != "CVE-2026-0001" || len(s.Warnings) != 0 {
		t.Errorf("%+v", s)
	}
	if keys, err := b.verify(p, "golang.org/x/text", "v0.14.0", b.a, b.b); err != nil || len(keys) != 2 {
		t.Error(keys, err)
	}
}

// wrongPolicies has what may follow the keys a, b and c, on the third line, and what has to be said about it.
var wrongPolicies = []struct{ text, want string }{
	{"", "there are no rules, so that everything would be refused"},
	{"rules: []", "rules: this must be a list with one item at least"},
	{"rules: {}", "rules: this must be a list with one item at least"},
	{"rules: [{}]", "rules: the field modules is missing"},
	{"rules: [~]", "rules: this must be fields with values"},
	{"rules: [{modules: ['**']}]", "rules: the field signedBy is missing"},
	{"rules: [{signedBy: {anyOf: [a]}}]", "rules: the field modules is missing"},
	{"rules: [{modules: [], signedBy: {anyOf: [a]}}]", "rules: modules: this must be a list with one item at least"},
	{"rules: [{modules: '**', signedBy: {anyOf: [a]}}]", "rules: modules: this must be a list"},
	{"rules: [{modules: ['**'], signedBy: {}}]", "rules: signedBy: the field anyOf is missing"},
	{"rules: [{modules: ['**'], signedBy: a}]", "rules: signedBy: this must be fields with values, as in anyOf: …"},
	{"rules: [{modules: ['**'], signedBy: ~}]", "rules: signedBy: this must be fields with values"},
	{"rules: [{modules: ['**'], signedBy: {anyOf: []}}]", "rules: signedBy: anyOf: this must be a list with one item at least"},
	{"rules: [{modules: ['**'], signedBy: {anyOf: [d]}}]", `rules: signedBy: anyOf: there is no key "d" in keys`},
	{"rules: [{modules: ['**'], signedBy: {anyOf: [A]}}]", `there is no key "A" in keys`},
	{"rules: [{modules: ['**'], signedBy: {anyOf: [a, a]}}]", `the key "a" is there already`},
	{"rules: [{modules: ['**'], signedBy: {anyOf: [1]}}]", "anyOf: this must be text, not !!int"},
	{"rules: [{modules: ['**'], signedBy: {anyOf: [a], threshold: 1}}]", `there is no field "anyOf": there are threshold, of`},
	{"rules: [{modules: ['**'], signedBy: {threshold: 1}}]", "the field of is missing"},
	{"rules: [{modules: ['**'], signedBy: {of: [a, b]}}]", "the field threshold is missing"},
	{"rules: [{modules: ['**'], signedBy: {threshold: 0, of: [a]}}]", "threshold: this must be a whole number from 1"},
	{"rules: [{modules: ['**'], signedBy: {threshold: -1, of: [a]}}]", "threshold: this must be a whole number from 1"},
	{"rules: [{modules: ['**'], signedBy: {threshold: '2', of: [a, b]}}]", "threshold: this must be a whole number from 1"},
	{"rules: [{modules: ['**'], signedBy: {threshold: 3, of: [a, b]}}]", "threshold: 3 signatures are needed, and there are 2 different keys"},
	{"rules: [{modules: ['**'], signedBy: {threshold: 2, of: [a, again]}}]", "threshold: 2 signatures are needed, and there are 1 different keys"},
	{"rules: [{modules: ['**'], signedBy: {anyOf: [a]}, checksumDatabase: maybe}]", `checksumDatabase: "maybe" is none of required, ifPresent and none`},
	{"rules: [{modules: ['**'], signedBy: {anyOf: [a]}, checksumDatabase: false}]", "checksumDatabase: this must be text, not !!bool"},
	{"rules: [{modules: ['**'], signedBy: {anyOf: [a]}, checksumDatabase: }]", "checksumDatabase: a value is missing"},
	{"rules: [{modules: ['**'], signedBy: {anyOf: [a]}, checksumDatabase: None}]", `"None" is none of`},
	{"rules: [{modules: ['**'], signedby: {anyOf: [a]}}]", `there is no field "signedby": did you mean signedBy?`},
	{"rules: [{modules: ['**', '**'], signedBy: {anyOf: [a]}}]", `"**" is there already, in the rule on line 3`},
	{"rules: [{modules: [a.example/x], signedBy: {anyOf: [a]}}, {modules: [a.example/x], signedBy: {anyOf: [b]}}]", `"a.example/x" is there already, in the rule on line 3: which of them counts would be ambiguous`},
	{"rules: [{modules: [corp], signedBy: {anyOf: [a]}}]", "missing dot in first path element"},
	{"rules: [{modules: [sumdb/**], signedBy: {anyOf: [a]}}]", "missing dot in first path element"},
	{"rules: [{modules: [a.example/], signedBy: {anyOf: [a]}}]", "did you mean a.example/**?"},
	{"rules: [{modules: [a.example/...], signedBy: {anyOf: [a]}}]", "did you mean a.example/**?"},
	{"rules: [{modules: ['a.example/*'], signedBy: {anyOf: [a]}}]", "is not a pattern of a rule: give a module, a prefix and /** for all below it, or ** for all modules"},
	{"rules: [{modules: ['*.example/**'], signedBy: {anyOf: [a]}}]", "is not a pattern of a rule"},
	{"rules: [{modules: ['a.example/**/x'], signedBy: {anyOf: [a]}}]", "is not a pattern of a rule"},
	{"rules: [{modules: ['a.example/x@v1.0.0'], signedBy: {anyOf: [a]}}]", "is not a pattern of a rule"},
	{"rules: [{modules: ['a.example/x/**@<v2'], signedBy: {anyOf: [a]}}]", "is not a pattern of a rule"},
	{"rules: [{modules: ['https://a.example/**'], signedBy: {anyOf: [a]}}]", "this is a URL"},
	{good + "deny: {}", "deny: this must be a list"},
	{good + "deny: [{}]", "deny: the field modules is missing"},
	{good + "deny: ['a.example/**']", "deny: this must be fields with values, as in modules: …"},
	{good + "deny: [{modules: []}]", "deny: modules: this must be a list with one item at least"},
	{good + "deny: [{modules: ['a.example/**'], reason: }]", "deny: reason: a value is missing"},
	{good + "deny: [{modules: ['a.example@<1.4']}]", "did you mean v1.4?"},
	{good + "deny: [{modules: ['a.example@']}]", "the range is empty"},
	{good + "deny: [{modules: ['a.example@>=v2 <v1']}]", "no version can be in the range"},
	{good + "deny: [{modules: [evil]}]", "missing dot in first path element"},
	{good + "revoked: [a]", "revoked: this must be fields with values"},
	{good + "revoked: {keys: [d]}", `revoked: keys: there is no key "d" in keys, and an ID is sha256: and hex digits`},
	{good + "revoked: {keys: a}", "revoked: keys: this must be a list"},
	{good + "revoked: {digests: ['sha256:00']}", "revoked: digests: invalid"},
	{good + "revoked: {digests: ['sha512:00']}", "revoked: digests: invalid"},
	{good + "revoked: {digests: [latest]}", "revoked: digests: invalid"},
	{good + "revoked: {modules: []}", `revoked: there is no field "modules"`},
	{good + "rules: []", `the field "rules" is there already`},
	{good + "allow: []", `there is no field "allow"`},
	{good + "key: a.pub", `there is no field "key": did you mean keys?`},
	{good + "deny: &x []", "anchors (&x), aliases (*x) and tags (!x) are not read here"},
	{good + "<<: {deny: []}", `there is no field "<<"`},
	{good + "---\nversion: 1", "a second document begins here"},
}

const good = "rules: [{modules: ['**'], signedBy: {anyOf: [a]}}]\n"

func TestParsePolicySaysWhatIsWrongOnWhichLine(t *testing.T) {
	b := newPolicyBench(t)
	for _, tt := range wrongPolicies {
		t.Run(tt.text, func(t *testing.T) {
			p, err := b.parse(tt.text)
			if err == nil || p != nil {
				t.Fatalf("it was taken; want %s", tt.want)
			}
			if !strings.HasPrefix(err.Error(), "etc/policy.yaml:") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestParsePolicyRefusesKeysThatCannotBeUsed(t *testing.T) {
	b := newPolicyBench(t)
	for keys, want := range map[string]string{
		"{a: {file: missing.pub}}":                  "etc/policy.yaml:2: keys: a: file: open etc/missing.pub",
		"{a: {file: text.pub}}":                     "keys: a: file: etc/text.pub: there is no PEM block",
		"{a: {file: two.pub}}":                      "etc/two.pub: it has 2 keys: give each of them a name and a file of its own",
		"{a: {file: a.pub, notAfter: soon}}":        "keys: a: notAfter: this must be a day, as in 2027-12-31",
		"{a: {file: a.pub, notAfter: 20271231}}":    "this must be a day",
		"{a: {file: a.pub, notAfter: [2027]}}":      "this must be a day",
		"{a: {file: a.pub, notAfter: }}":            "this must be a day",
		"{a: {file: a.pub, notBefore: 2027-12-31}}": `there is no field "notBefore"`,
		"{a: {notAfter: 2027-12-31}}":               "keys: a: the field file is missing",
		"{a: a.pub}":                                "keys: a: this must be fields with values, as in file: …",
		"{a: {file: a.pub}, a: {file: b.pub}}":      `keys: the name "a" is there already`,
		"{'sha256:a': {file: a.pub}}":               `"sha256:a" is no name for a key`,
		"{1: {file: a.pub}}":                        "keys: this must be text, not !!int",
		"[a.pub]":                                   "keys: this must be names with values",
		"{}":                                        "keys: this must be names with values, one at least",
	} {
		text := "version: 1\nkeys: " + keys + "\nrules: [{modules: ['**'], signedBy: {anyOf: [a]}}]\n"
		_, err := ParsePolicy("etc/policy.yaml", []byte(text), b.read, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", keys, err, want)
		}
		if strings.Contains(keys, "missing.pub") && (!errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%v: not the one problem that it is", err)
		}
	}
}

func TestEmptyListsOfWhatIsDeniedAndRevokedAreNothing(t *testing.T) {
	b := newPolicyBench(t)
	for _, text := range []string{"deny: []", "revoked: {digests: []}", "revoked: {keys: []}", "revoked: {digests: [], keys: []}"} {
		if _, err := b.verify(b.policy(good+text), "corp.example/lib", "v1.0.0", b.a); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestKeyFilesAreRelativeToThePolicy(t *testing.T) {
	var asked []string
	read := func(file string) ([]byte, error) { asked = append(asked, file); return nil, fs.ErrNotExist }
	_, err := ParsePolicy("etc/policy.yaml", []byte("version: 1\nkeys: {a: {file: ../keys/a.pub}, b: {file: /abs/b.pub}}\n"+good), read, nil)
	if err == nil || strings.Join(asked, " ") != "keys/a.pub /abs/b.pub" {
		t.Errorf("asked for %v: %v", asked, err)
	}
}

func FuzzParsePolicy(f *testing.F) {
	b := newPolicyBench(f)
	f.Add([]byte(designPolicy))
	for _, w := range wrongPolicies {
		f.Add([]byte(policyKeys + w.text))
	}
	sig := mustSign(f, b.a)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParsePolicy("etc/policy.yaml", data, b.read, func() time.Time { return today })
		if err != nil {
			if p != nil || !strings.HasPrefix(err.Error(), "etc/policy.yaml:") {
				t.Fatalf("%v, %v", p, err)
			}
			return
		}
		if s := p.Summary(); len(s.Rules) == 0 || len(s.Keys) == 0 {
			t.Fatalf("it trusts nobody: %+v", s)
		}
		for _, path := range []string{"corp.example/lib", "github.com/evil/x", "sumdb/sum.golang.org"} {
			s := Subject{Module: module.Version{Path: path, Version: "v1.4.1"}, Digest: subject.Digest}
			if _, err := p.Verify(t.Context(), s, nil); !errors.Is(err, ErrUnsigned) && !errors.Is(err, ErrForbidden) {
				t.Fatalf("%s: unsigned: %v", path, err)
			}
			keys, err := p.Verify(t.Context(), s, []Signature{sig})
			if (err == nil) != (len(keys) == 1) || err != nil && p.Deny(s) != nil && !errors.Is(err, ErrForbidden) {
				t.Fatalf("%s: %v, %v", path, keys, err)
			}
			_ = p.Rule(path)
		}
	})
}
