package sign

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func mustSignBundle(t testing.TB, s *Signer, d digest.Digest) Signature {
	t.Helper()
	sig, err := s.SignBundle(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func TestBundleComesBackFromItsReferrer(t *testing.T) {
	s := testSigner(t)
	sig := mustSignBundle(t, s, subject.Digest)
	image, err := Referrer(ocispec.Descriptor{Digest: subject.Digest, Size: 7}, sig)
	if err != nil {
		t.Fatal(err)
	}
	if !IsBundle(image.Raw) || len(image.Blobs) != 2 {
		t.Fatalf("%s, %d blobs", image.Raw, len(image.Blobs))
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(image.Raw, &m); err != nil {
		t.Fatal(err)
	}
	if m.Subject.Digest != subject.Digest || m.Subject.MediaType != ocispec.MediaTypeImageManifest || m.Annotations[annotationPredicate] != "https://sigstore.dev/cosign/sign/v1" {
		t.Errorf("%s", image.Raw)
	}
	back := ParseReferrer(image.Raw)
	if back.Fetch() {
		t.Error("the bundle is not inlined")
	}
	if ids, err := s.Verifier().Verify(t.Context(), subject, []Signature{back}); err != nil || ids[0] != s.KeyID() {
		t.Errorf("%v, %v", ids, err)
	}
}

func TestReferrerWithoutInlinedBundleIsFetched(t *testing.T) {
	s := testSigner(t)
	sig := mustSignBundle(t, s, subject.Digest)
	image, err := Referrer(ocispec.Descriptor{Digest: subject.Digest}, sig)
	if err != nil {
		t.Fatal(err)
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(image.Raw, &m); err != nil {
		t.Fatal(err)
	}
	m.Layers[0].Data = nil
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	back := ParseReferrer(raw)
	if !back.Fetch() {
		t.Fatal("not asked for")
	}
	wrong := back
	wrong.SetPayload([]byte("{}"), nil)
	back.SetPayload(sig.Payload, nil)
	for name, tt := range map[string]struct {
		sig Signature
		err error
	}{"the bundle": {back, nil}, "another blob": {wrong, ErrUntrusted}} {
		if _, err := s.Verifier().Verify(t.Context(), subject, []Signature{tt.sig}); !errors.Is(err, tt.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBundlesThatAreRefused(t *testing.T) {
	s := testSigner(t)
	good := string(mustSignBundle(t, s, subject.Digest).Payload)
	change := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in %s", old, good)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, tt := range map[string]struct{ bundle, want string }{
		"nothing":                 {"", "no payload"},
		"not JSON":                {"bundle", "not a sigstore bundle"},
		"an older version":        {change("bundle.v0.3+json", "bundle+json;version=0.1"), "not a sigstore bundle"},
		"a version to come":       {change("bundle.v0.3+json", "bundle.v0.4+json"), "not a sigstore bundle"},
		"a member nobody knows":   {change(`{`, `{"x":1,`), "not a sigstore bundle"},
		"a payload of other type": {change("application/vnd.in-toto+json", "text/plain"), `a payload of type "text/plain"`},
		"no content":              {`{"mediaType":"` + BundleType + `","verificationMaterial":{"publicKey":{"hint":"x"}}}`, "not a sigstore bundle"},
		"a message signature": {`{"mediaType":"` + BundleType + `","verificationMaterial":{"publicKey":{"hint":"x"}},"messageSignature":{"messageDigest":` +
			`{"algorithm":"SHA2_256","digest":"AAAA"},"signature":"AAAA"}}`, "no in-toto statement"},
		"a statement of 64 KiB": {fmt.Sprintf(`{"mediaType":%q,"verificationMaterial":{"publicKey":{"hint":"x"}},"dsseEnvelope":{"payload":%q,"payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AAAA"}]}}`,
			BundleType, strings.Repeat("AAAA", maxPayload/3+1)), "statement of over 65536 bytes"},
		"a bundle of 512 KiB":      {good + strings.Repeat(" ", maxBundle), "bundle of over 524288 bytes"},
		"another key's":            {string(mustSignBundle(t, testSigner(t), subject.Digest).Payload), "not by a trusted key"},
		"of another manifest":      {string(mustSignBundle(t, s, digest.FromString("other")).Payload), "for another digest"},
		"with a second signature":  {change(`"signatures":[`, `"signatures":[{"sig":"AAAA"},`), "not by a trusted key"},
		"with a changed statement": {change(`"payload":"ey`, `"payload":"ez`), "not by a trusted key"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := Signature{Format: Bundle, Payload: []byte(tt.bundle)}
			_, err := s.Verifier().Verify(t.Context(), subject, []Signature{bad})
			if !errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v; want %q", err, tt.want)
			}
			if _, err := s.Verifier().Verify(t.Context(), subject, []Signature{bad, mustSignBundle(t, s, subject.Digest)}); err != nil {
				t.Errorf("it hides a good one: %v", err)
			}
		})
	}
}

func TestReferrersThatAreNoBundles(t *testing.T) {
	const head = `{"schemaVersion":2,"artifactType":"` + BundleType + `","subject":{"digest":"sha256:00"},"config":{},"layers":[`
	layer := func(size int) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, BundleType, digest.FromString("x"), size)
	}
	for name, tt := range map[string]struct {
		raw    string
		bundle bool
		fetch  bool
	}{
		"text":                      {"hello", false, false},
		"a bundle":                  {head + layer(7) + "]}", true, true},
		"a type in the config":      {`{"subject":{"digest":"sha256:00"},"config":{"mediaType":"` + BundleType + `"},"layers":[` + layer(7) + "]}", true, true},
		"an SBOM":                   {strings.Replace(head, BundleType, "application/spdx+json", 1) + layer(7) + "]}", false, false},
		"without a subject":         {`{"artifactType":"` + BundleType + `","layers":[` + layer(7) + "]}", false, false},
		"without a layer":           {head + "]}", false, false},
		"with a layer of 512 KiB":   {head + layer(maxBundle) + "]}", true, true},
		"with a layer of more":      {head + layer(maxBundle+1) + "]}", true, false},
		"with a layer of no digest": {head + strings.Replace(layer(7), "sha256:", "", 1) + "]}", true, false},
		"with a thousand layers":    {head + strings.Repeat(layer(7)+",", 999) + layer(7) + "]}", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := IsBundle([]byte(tt.raw)); got != tt.bundle {
				t.Fatalf("is a bundle: %v", got)
			}
			if got := tt.bundle && ParseReferrer([]byte(tt.raw)).Fetch(); got != tt.fetch {
				t.Errorf("to be fetched: %v", got)
			}
		})
	}
	if _, err := Referrer(ocispec.Descriptor{}, mustSign(t, testSigner(t))); err == nil {
		t.Error("a classic signature has become a referrer")
	}
	if _, err := Append(nil, mustSignBundle(t, testSigner(t), subject.Digest)); err == nil {
		t.Error("a bundle has become a layer")
	}
}

func FuzzBundle(f *testing.F) {
	s := testSigner(f)
	good := mustSignBundle(f, s, subject.Digest).Payload
	f.Add(good)
	f.Add([]byte(`{"mediaType":"` + BundleType + `","verificationMaterial":{"certificate":{"rawBytes":"AAAA"}},"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AAAA"}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		sig := Signature{Format: Bundle, Payload: data}
		other := Subject{Digest: digest.FromString("other")}
		if _, err := s.Verifier().Verify(t.Context(), other, []Signature{sig}); err == nil {
			t.Errorf("accepted for another digest: %s", data)
		}
		if _, err := s.Verifier().Verify(t.Context(), subject, []Signature{sig}); err == nil {
			b, err := parseBundle(data)
			want, _ := newStatement(subject.Digest)
			if err != nil || string(b.GetDsseEnvelope().GetPayload()) != string(want) {
				t.Errorf("accepted, and not what was signed: %s", data)
			}
		}
		predicateType(data)
	})
}

func FuzzClassicCertificate(f *testing.F) {
	f.Add("", "", "")
	f.Add("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", `{"SignedEntryTimestamp":"AAAA","Payload":{"body":"e30=","logID":"00"}}`, `{"SignedRFC3161Timestamp":"AAAA"}`)
	f.Fuzz(func(t *testing.T, cert, entry, timestamp string) {
		b, err := classicBundle(Signature{Payload: []byte("{}"), Base64: "AAAA", Annotations: map[string]string{
			"dev.sigstore.cosign/certificate": cert, "dev.sigstore.cosign/bundle": entry, "dev.sigstore.cosign/rfc3161timestamp": timestamp,
		}})
		if err == nil && b.GetMessageSignature() == nil {
			t.Error("a bundle of another kind")
		}
	})
}
