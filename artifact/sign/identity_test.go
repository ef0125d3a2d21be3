package sign_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/sigstoretest"
)

const (
	signPredicate = "https://sigstore.dev/cosign/sign/v1"
	subject       = "release@corp.example"
	issuer        = "https://login.corp.example"
)

var manifest = digest.FromString("manifest")

func payload(d digest.Digest) []byte {
	return []byte(`{"critical":{"identity":{"docker-reference":"registry.example/a"},"image":{"docker-manifest-digest":"` + d.String() +
		`"},"type":"cosign container image signature"},"optional":null}`)
}

// both returns the same signature in both formats.
func both(s *sigstoretest.Sigstore, subject, issuer string, d digest.Digest, has sigstoretest.Parts) map[string]sign.Signature {
	return map[string]sign.Signature{
		"classic": s.Classic(subject, issuer, payload(d), has),
		"bundle":  s.Bundle(subject, issuer, sigstoretest.Statement(d, signPredicate), has),
	}
}

func TestIdentityNeedsWhatItsRootDemands(t *testing.T) {
	s := sigstoretest.New(t)
	var (
		nothing   = sigstoretest.Parts{}
		log       = sigstoretest.Parts{Log: true}
		timestamp = sigstoretest.Parts{Timestamps: true}
	)
	for name, tt := range map[string]struct {
		root, has sigstoretest.Parts
		want      string // "" = accepted
	}{
		"a log, and an entry in it":                               {log, log, ""},
		"a log, and no entry":                                     {log, nothing, "failed to verify log inclusion"},
		"a log, and a timestamp alone":                            {log, timestamp, "failed to verify log inclusion"},
		"an authority, and its timestamp":                         {timestamp, timestamp, ""},
		"an authority, and no timestamp":                          {timestamp, nothing, "failed to verify timestamps"},
		"an authority, and a log entry alone":                     {timestamp, log, "failed to verify timestamps"},
		"both, and both":                                          {all, all, ""},
		"both, and an entry, which has a time":                    {all, log, ""},
		"both, and a timestamp alone":                             {all, timestamp, "failed to verify log inclusion"},
		"an anchor, and the chain to it":                          {sigstoretest.Parts{Timestamps: true, Chain: true}, sigstoretest.Parts{Timestamps: true, Chain: true}, ""},
		"an anchor, and no chain to it":                           {sigstoretest.Parts{Timestamps: true, Chain: true}, timestamp, "failed to verify leaf certificate"},
		"a certificate log, of which the certificate has nothing": {sigstoretest.Parts{Log: true, CTLog: true}, log, "failed to verify signed certificate timestamp"},
	} {
		t.Run(name, func(t *testing.T) {
			keys := load(t, s, tt.root, sign.Identity{Subject: subject, Issuer: issuer})
			for format, sig := range both(s, subject, issuer, manifest, tt.has) {
				names, err := keys.Verify(t.Context(), sign.Subject{Digest: manifest}, []sign.Signature{sig})
				if tt.want == "" && (err != nil || len(names) != 1 || names[0] != subject+" ("+issuer+")") {
					t.Errorf("%s: %q, %v", format, names, err)
				}
				if tt.want != "" && (!errors.Is(err, sign.ErrUntrusted) || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("%s: %v; want %q", format, err, tt.want)
				}
			}
		})
	}
}

// load returns a verifier that trusts an identity of the root of s with some parts.
func load(t *testing.T, s *sigstoretest.Sigstore, names sigstoretest.Parts, i sign.Identity) *sign.Keys {
	t.Helper()
	i.TrustedRoot = filepath.Join(t.TempDir(), "trusted_root.json")
	s.WriteRoot(i.TrustedRoot, names)
	keys, err := sign.LoadIdentity(i)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestIdentityIsSubjectAndIssuer(t *testing.T) {
	s := sigstoretest.New(t)
	for name, tt := range map[string]struct {
		trusted sign.Identity
		want    string
	}{
		"both as they are":        {sign.Identity{Subject: subject, Issuer: issuer}, ""},
		"expressions":             {sign.Identity{SubjectPattern: `.*@corp\.example`, IssuerPattern: `https://login\..*`}, ""},
		"another subject":         {sign.Identity{Subject: "intern@corp.example", Issuer: issuer}, `expected SAN value "intern@corp.example", got "release@corp.example"`},
		"another issuer":          {sign.Identity{Subject: subject, Issuer: "https://other.example"}, `expected issuer value "https://other.example"`},
		"a part of the subject":   {sign.Identity{SubjectPattern: `corp\.example`, Issuer: issuer}, "expected SAN value to match regex"},
		"a part of the issuer":    {sign.Identity{Subject: subject, IssuerPattern: `corp`}, "expected issuer value to match regex"},
		"one of two alternatives": {sign.Identity{SubjectPattern: `x|release@corp`, Issuer: issuer}, "expected SAN value to match regex"},
	} {
		t.Run(name, func(t *testing.T) {
			keys := load(t, s, all, tt.trusted)
			for format, sig := range both(s, subject, issuer, manifest, all) {
				_, err := keys.Verify(t.Context(), sign.Subject{Digest: manifest}, []sign.Signature{sig})
				if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, sign.ErrUntrusted) || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("%s: %v; want %q", format, err, tt.want)
				}
			}
		})
	}
}

func TestIdentityDoesNotCountFor(t *testing.T) {
	s, stranger := sigstoretest.New(t), sigstoretest.New(t)
	keys := load(t, s, all, sign.Identity{Subject: subject, Issuer: issuer})
	altered := s.Classic(subject, issuer, payload(manifest), all)
	altered.Payload = payload(digest.FromString("other"))
	for name, sig := range map[string]sign.Signature{
		"classic, of another authority":   both(stranger, subject, issuer, manifest, all)["classic"],
		"bundle, of another authority":    both(stranger, subject, issuer, manifest, all)["bundle"],
		"classic, for another digest":     both(s, subject, issuer, digest.FromString("other"), all)["classic"],
		"bundle, for another digest":      both(s, subject, issuer, digest.FromString("other"), all)["bundle"],
		"classic, with another payload":   altered,
		"classic, of something else":      s.Classic(subject, issuer, []byte(`{"hello":"world"}`), all),
		"an attestation":                  s.Bundle(subject, issuer, sigstoretest.Statement(manifest, "https://slsa.dev/provenance/v1"), all),
		"a certificate that is not PEM":   {Payload: payload(manifest), Base64: "AAAA", Annotations: map[string]string{"dev.sigstore.cosign/certificate": "x"}},
		"a signature without certificate": {Payload: payload(manifest), Base64: "AAAA"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, d := range []digest.Digest{manifest} {
				if names, err := keys.Verify(t.Context(), sign.Subject{Digest: d}, []sign.Signature{sig}); !errors.Is(err, sign.ErrUntrusted) {
					t.Errorf("%q, %v; want ErrUntrusted", names, err)
				}
			}
			good := s.Bundle(subject, issuer, sigstoretest.Statement(manifest, signPredicate), all)
			if _, err := keys.Verify(t.Context(), sign.Subject{Digest: manifest}, []sign.Signature{sig, good}); err != nil {
				t.Errorf("it hides a good one: %v", err)
			}
		})
	}
}

func TestIdentityThatCannotBeTrustedIsRefused(t *testing.T) {
	s := sigstoretest.New(t)
	dir := t.TempDir()
	for name, names := range map[string]sigstoretest.Parts{"good": {Log: true}, "timeless": {}} {
		s.WriteRoot(filepath.Join(dir, name), names)
	}
	if err := os.WriteFile(filepath.Join(dir, "empty"), []byte(`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "text"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		root string
		i    sign.Identity
		want string
	}{
		"no such file":         {"missing", sign.Identity{Subject: "s", Issuer: "i"}, "no such file"},
		"text":                 {"text", sign.Identity{Subject: "s", Issuer: "i"}, "not a trusted root"},
		"a root of nothing":    {"empty", sign.Identity{Subject: "s", Issuer: "i"}, "names no certificate authority"},
		"a root without times": {"timeless", sign.Identity{Subject: "s", Issuer: "i"}, "neither a log nor a timestamp authority"},
		"nobody":               {"good", sign.Identity{}, "either the subject"},
		"anybody of an issuer": {"good", sign.Identity{Issuer: "i"}, "either the subject"},
		"a subject of anybody": {"good", sign.Identity{Subject: "s"}, "either the issuer"},
		"two subjects":         {"good", sign.Identity{Subject: "s", SubjectPattern: "s", Issuer: "i"}, "either the subject"},
		"no expression":        {"good", sign.Identity{SubjectPattern: "(", Issuer: "i"}, "expression for the subject"},
		"an expression in two": {"good", sign.Identity{SubjectPattern: "a)|(?:.*", Issuer: "i"}, "expression for the subject"},
		"no issuer expression": {"good", sign.Identity{Subject: "s", IssuerPattern: "["}, "expression for the issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.i.TrustedRoot = filepath.Join(dir, tt.root)
			if keys, err := sign.LoadIdentity(tt.i); err == nil || !strings.Contains(err.Error(), tt.want) || keys != nil {
				t.Errorf("%v; want %q", err, tt.want)
			}
		})
	}
}

func TestIdentitiesHaveFingerprintsOfTheirOwn(t *testing.T) {
	s := sigstoretest.New(t)
	log := sigstoretest.Parts{Log: true}
	prints := make(map[string]bool)
	for _, keys := range []*sign.Keys{
		load(t, s, log, sign.Identity{Subject: "a", Issuer: "i"}),
		load(t, s, log, sign.Identity{SubjectPattern: "a", Issuer: "i"}),
		load(t, s, log, sign.Identity{Subject: "a", IssuerPattern: "i"}),
		load(t, s, sigstoretest.Parts{Log: true, Timestamps: true}, sign.Identity{Subject: "a", Issuer: "i"}),
	} {
		prints[keys.Rule("").Fingerprint] = true
	}
	if len(prints) != 4 {
		t.Errorf("%d fingerprints of four verifiers", len(prints))
	}
}
