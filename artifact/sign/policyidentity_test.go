package sign_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/artifact/sign/sigstoretest"
)

// all are what a root names and a signature has, if nothing else is said.
var all = sigstoretest.Parts{Log: true, Timestamps: true}

// policyWith returns a policy that names the identities release and anybody, of the root of s, and the key platform.
func policyWith(t *testing.T, s *sigstoretest.Sigstore, rules string) *sign.Policy {
	t.Helper()
	dir := t.TempDir()
	s.WriteRoot(filepath.Join(dir, "trusted_root.json"), all)
	if err := os.WriteFile(filepath.Join(dir, "platform.pub"), signtest.Signer(t, 0).PublicKey(), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "policy.yaml")
	text := `version: 1
keys:
  platform: {file: platform.pub}
  release: {trustedRoot: trusted_root.json, subject: ` + subject + `, issuer: ` + issuer + `}
  anybody: {trustedRoot: trusted_root.json, subjectPattern: '.*@corp\.example', issuerPattern: 'https://login\..*', notAfter: 2999-12-31}
` + rules
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := sign.LoadPolicy(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPolicyNamesIdentitiesLikeKeys(t *testing.T) {
	s := sigstoretest.New(t)
	const intern = "intern@corp.example"
	made := func(subject string) sign.Signature { return both(s, subject, issuer, manifest, all)["bundle"] }
	keyed, err := signtest.Signer(t, 0).SignBundle(t.Context(), manifest)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		signedBy string
		sigs     []sign.Signature
		keys     string // that count, "" if it is refused
	}{
		"the identity":    {"{anyOf: [release]}", []sign.Signature{made(subject)}, "release"},
		"another subject": {"{anyOf: [release]}", []sign.Signature{made(intern)}, ""},
		"another subject that an expression covers":     {"{anyOf: [anybody]}", []sign.Signature{made(intern)}, "anybody"},
		"an identity and a key":                         {"{threshold: 2, of: [platform, release]}", []sign.Signature{made(subject), keyed}, "platform release"},
		"an identity, of which a key is needed besides": {"{threshold: 2, of: [platform, release]}", []sign.Signature{made(subject), made(subject)}, ""},
		"one subject whom two identities cover":         {"{threshold: 2, of: [release, anybody]}", []sign.Signature{made(subject), made(subject)}, ""},
		"two subjects, one of whom both cover":          {"{threshold: 2, of: [release, anybody]}", []sign.Signature{made(subject), made(intern)}, "release anybody"},
		"two subjects of one identity":                  {"{threshold: 2, of: [platform, anybody]}", []sign.Signature{made(subject), made(intern)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := policyWith(t, s, "rules: [{modules: ['**'], signedBy: "+tt.signedBy+"}]")
			keys, err := p.Verify(t.Context(), sign.Subject{Module: module.Version{Path: "corp.example/lib", Version: "v1.0.0"}, Digest: manifest}, tt.sigs)
			if !slices.Equal(keys, strings.Fields(tt.keys)) || (err == nil) != (tt.keys != "") || err != nil && !errors.Is(err, sign.ErrUntrusted) {
				t.Errorf("%q, %v; want %q", keys, err, tt.keys)
			}
		})
	}
}

func TestPolicyExplainsWhoSigned(t *testing.T) {
	s := sigstoretest.New(t)
	p := policyWith(t, s, "rules: [{modules: ['**'], signedBy: {anyOf: [anybody]}}]")
	e, err := p.Explain(t.Context(), sign.Subject{Module: module.Version{Path: "corp.example/lib", Version: "v1.0.0"}, Digest: manifest},
		[]sign.Signature{both(s, "intern@corp.example", issuer, manifest, all)["bundle"]})
	if err != nil || e.Err != nil {
		t.Fatal(err, e)
	}
	if f := e.Signatures[0]; f.Format != sign.Bundle.String() || f.Signer != "intern@corp.example ("+issuer+")" || !slices.Equal(f.Keys, []string{"anybody"}) {
		t.Errorf("%+v", f)
	}
	if k := p.Summary().Keys[1]; k.ID != subject+" ("+issuer+")" || k.File != "trusted_root.json" {
		t.Errorf("%+v", k)
	}
}

func TestPolicyRefusesIdentitiesThatNameNobody(t *testing.T) {
	s := sigstoretest.New(t)
	for entry, want := range map[string]string{
		"{trustedRoot: root.json}":                                     "either the subject or an expression for it is needed",
		"{trustedRoot: root.json, subject: a}":                         "either the issuer or an expression for it is needed",
		"{trustedRoot: root.json, subject: a, issuer: i, file: k.pub}": "there is no field \"file\"",
		"{subject: a, issuer: i}":                                      "there is no field",
		"{trustedRoot: none.json, subject: a, issuer: i}":              "none.json",
	} {
		_, err := sign.ParsePolicy("policy.yaml", []byte("version: 1\nkeys: {x: "+entry+"}\nrules: [{modules: ['**'], signedBy: {anyOf: [x]}}]"),
			func(file string) ([]byte, error) {
				if file != "root.json" {
					return nil, errors.New("there is no " + file)
				}
				out := filepath.Join(t.TempDir(), file)
				s.WriteRoot(out, all)
				return os.ReadFile(out)
			}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", entry, err, want)
		}
	}
}
