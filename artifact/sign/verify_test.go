package sign

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

func TestVerifyAcceptsWhatTheSignerSigned(t *testing.T) {
	s := testSigner(t)
	ids, err := s.Verifier().Verify(t.Context(), subject, []Signature{mustSign(t, s)})
	if err != nil || !slices.Equal(ids, []string{s.KeyID()}) {
		t.Fatalf("got %v, %v", ids, err)
	}
}

func TestVerifyNamesEachKeyOnceInTheOrderGiven(t *testing.T) {
	a, b, c := testSigner(t), testSigner(t), testSigner(t)
	keys, err := ParseKeys(slices.Concat(a.PublicKey(), b.PublicKey(), c.PublicKey(), a.PublicKey()))
	if err != nil {
		t.Fatal(err)
	}
	sigs := []Signature{mustSign(t, c), mustSign(t, a), mustSign(t, c)}
	ids, err := keys.Verify(t.Context(), subject, sigs)
	if want := []string{a.KeyID(), c.KeyID()}; err != nil || !slices.Equal(ids, want) {
		t.Fatalf("got %v, %v; want %v", ids, err, want)
	}
}

func TestVerifyRefuses(t *testing.T) {
	s, stranger := testSigner(t), testSigner(t)
	good := mustSign(t, s)
	elsewhere, err := s.Sign(t.Context(), digest.FromString("another manifest"), "registry.example/lib")
	if err != nil {
		t.Fatal(err)
	}
	kind := "cosign container image signature"
	image := `"image":{"docker-manifest-digest":"` + subject.Digest.String() + `"}`
	sha512 := Subject{Digest: digest.SHA512.FromString("a manifest")}
	signed512, err := newPayload(sha512.Digest, "registry.example/lib")
	if err != nil {
		t.Fatal(err)
	}

	tests := []struct {
		name    string
		subject Subject
		sig     Signature
		says    string
	}{
		{"another key", subject, mustSign(t, stranger), "not by a trusted key"},
		{"another digest", subject, elsewhere, "for the digest"},
		{"signature over another payload", subject, Signature{Payload: good.Payload, Base64: elsewhere.Base64}, "not by a trusted key"},
		{"payload with another signature", subject, Signature{Payload: elsewhere.Payload, Base64: good.Base64}, "not by a trusted key"},
		{"one byte more in the payload", subject, Signature{Payload: append(slices.Clone(good.Payload), ' '), Base64: good.Base64}, "not by a trusted key"},
		{"nothing at all", subject, Signature{}, "no payload"},
		{"no signature", subject, Signature{Payload: good.Payload}, "no signature"},
		{"garbage instead of base64", subject, Signature{Payload: good.Payload, Base64: "%%%"}, "not base64"},
		{"garbage in base64", subject, Signature{Payload: good.Payload, Base64: "AAAA"}, "not by a trusted key"},
		{"base64 without end", subject, Signature{Payload: good.Payload, Base64: strings.Repeat("A", 4<<20)}, "of over 1024 characters"},
		{"broken layer", subject, Signature{broken: errors.New("cracked")}, "cracked"},
		{"payload that is not JSON", subject, signBytes(t, s, "hello"), "not JSON"},
		{"payload with more behind it", subject, signBytes(t, s, string(good.Payload)+"{}"), "not JSON"},
		{"oversized payload", subject, signBytes(t, s, string(good.Payload)+strings.Repeat(" ", maxPayload)), "payload of over"},
		{"null payload", subject, signBytes(t, s, "null"), "not an object"},
		{"empty payload", subject, signBytes(t, s, "{}"), "incomplete"},
		{"deeply nested payload", subject, signBytes(t, s, strings.Repeat(`{"critical":`, 3000)+"1"+strings.Repeat("}", 3000)), "unknown member"},
		{"wrong type", subject, signBytes(t, s, payloadWith(t, kind, "atomic container signature")), "of type"},
		{"no type", subject, signBytes(t, s, payloadWith(t, `,"type":"`+kind+`"`, "")), "incomplete"},
		{"type that is no string", subject, signBytes(t, s, payloadWith(t, `"`+kind+`"`, "7")), "type"},
		{"no reference", subject, signBytes(t, s, payloadWith(t, `"docker-reference":"registry.example/lib"`, "")), "incomplete"},
		{"unknown member", subject, signBytes(t, s, payloadWith(t, image, image+`,"until":"2020"`)), "unknown member"},
		{"member in another case", subject, signBytes(t, s, payloadWith(t, `"critical"`, `"Critical"`)), "unknown member"},
		{"repeated digest", subject, signBytes(t, s, payloadWith(t, image, strings.Replace(image, "{", `{"docker-manifest-digest":"sha256:00",`, 1))), "repeated member"},
		{"repeated image", subject, signBytes(t, s, payloadWith(t, image, image+","+image)), "repeated member"},
		{"repeated critical", subject, signBytes(t, s, payloadWith(t, `"optional":null`, `"critical":{}`)), "repeated member"},
		{"digest in another case", subject, signBytes(t, s, payloadWith(t, "sha256:", "SHA256:")), "for the digest"},
		{"SHA-512 subject", sha512, signBytes(t, s, string(signed512)), "only sha256"},
		{"malformed subject", Subject{Digest: "sha256:00"}, good, "invalid"},
		{"subject without digest", Subject{}, good, "invalid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ids, err := s.Verifier().Verify(t.Context(), tt.subject, []Signature{tt.sig})
			if !errors.Is(err, ErrUntrusted) || errors.Is(err, ErrUnsigned) || ids != nil {
				t.Fatalf("got %v, %v", ids, err)
			}
			if !strings.Contains(err.Error(), tt.says) || len(err.Error()) > 1000 {
				t.Fatalf("%q is missing in %v", tt.says, err)
			}
		})
	}
}

func TestVerifyAcceptsPayloadsOfOthers(t *testing.T) {
	s := testSigner(t)
	for name, payload := range map[string]string{
		"optional members":   payloadWith(t, "null", `{"creator":"someone","timestamp":1700000000,"creator":"again"}`),
		"no optional":        payloadWith(t, `,"optional":null`, ""),
		"spaces":             payloadWith(t, ":", " :\n\t"),
		"tag in reference":   payloadWith(t, "registry.example/lib", "registry.example/lib:v1.2.3"),
		"escapes":            payloadWith(t, "sha256:", `\u0073ha256:`),
		"another repository": payloadWith(t, "registry.example/lib", ""),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.Verifier().Verify(t.Context(), subject, []Signature{signBytes(t, s, payload)}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestOneGoodSignatureIsEnough(t *testing.T) {
	s, stranger := testSigner(t), testSigner(t)
	good := mustSign(t, s)
	bad := []Signature{
		{},
		{Payload: good.Payload, Base64: "%%%"},
		mustSign(t, stranger),
		signBytes(t, s, "hello"),
		{broken: errors.New("cracked")},
	}
	for i := range len(bad) + 1 {
		sigs := slices.Insert(slices.Clone(bad), i, good)
		ids, err := s.Verifier().Verify(t.Context(), subject, sigs)
		if err != nil || !slices.Equal(ids, []string{s.KeyID()}) {
			t.Fatalf("good one at %d: got %v, %v", i, ids, err)
		}
	}
}

func TestVerifyWithoutSignaturesIsUnsigned(t *testing.T) {
	_, err := testSigner(t).Verifier().Verify(t.Context(), subject, nil)
	if !errors.Is(err, ErrUnsigned) || errors.Is(err, ErrUntrusted) {
		t.Fatal(err)
	}
}

func TestNoKeysAcceptNothing(t *testing.T) {
	s := testSigner(t)
	if _, err := new(Keys).Verify(t.Context(), subject, []Signature{mustSign(t, s)}); !errors.Is(err, ErrUntrusted) {
		t.Fatal(err)
	}
}

func TestVerifyBoundsItsReasons(t *testing.T) {
	s := testSigner(t)
	var sigs []Signature
	for i := range 1000 {
		sigs = append(sigs, signBytes(t, s, strings.Repeat("x", i+1)))
		sigs[i].broken = errors.New(strings.Repeat("x", i%50))
	}
	_, err := s.Verifier().Verify(t.Context(), subject, sigs)
	if !errors.Is(err, ErrUntrusted) || len(err.Error()) > 1000 || !strings.Contains(err.Error(), "1000 found") {
		t.Fatal(err)
	}
}

func TestVerifyStopsWhenCancelled(t *testing.T) {
	s := testSigner(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Verifier().Verify(ctx, subject, []Signature{mustSign(t, s)}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestSkipVerifyAcceptsEverything(t *testing.T) {
	var v Verifier = SkipVerify{}
	if ids, err := v.Verify(t.Context(), subject, nil); err != nil || ids != nil {
		t.Fatal(ids, err)
	}
	if v.Rule("").Fingerprint == new(Keys).Rule("").Fingerprint {
		t.Fatal("has the fingerprint of a verifier that checks something")
	}
}

func FuzzPayload(f *testing.F) {
	f.Add([]byte(payloadWith(f, "null", "null")))
	f.Add([]byte(payloadWith(f, "null", `{"a":[1,{"b":null}]}`)))
	f.Add([]byte(`{"critical":{"critical":{}}}`))
	f.Add([]byte(`{"critical":{"type":"x","type":"y"},"optional":1}`))
	f.Add([]byte("null"))
	s := testSigner(f)
	f.Fuzz(func(t *testing.T, payload []byte) {
		if checkPayload(payload, subject.Digest) != nil || len(payload) > maxPayload {
			return
		}
		// What the strict reader accepts, cosign must accept.
		if _, err := s.Verifier().Verify(t.Context(), subject, []Signature{signBytes(t, s, string(payload))}); err != nil {
			t.Fatal(err)
		}
	})
}
