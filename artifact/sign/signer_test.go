package sign

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

func TestGeneratedKeysSignAndVerify(t *testing.T) {
	for _, password := range []string{"", "secret"} {
		private, public, err := Generate([]byte(password))
		if err != nil {
			t.Fatal(err)
		}
		s, err := LoadSigner(writeFile(t, "cosign.key", private), func() ([]byte, error) { return []byte(password), nil })
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(s.PublicKey(), public) {
			t.Error("the public keys differ")
		}
		keys, err := LoadKeys(writeFile(t, "cosign.pub", public))
		if err != nil {
			t.Fatal(err)
		}
		if keys.Rule("").Fingerprint != s.Verifier().Rule("").Fingerprint {
			t.Error("the verifiers differ")
		}
		ids, err := keys.Verify(t.Context(), subject, []Signature{mustSign(t, s)})
		if err != nil || !slices.Equal(ids, []string{s.KeyID()}) {
			t.Fatalf("got %v, %v", ids, err)
		}
	}
}

func TestLoadSignerReadsKeysOfCosign(t *testing.T) {
	s, err := LoadSigner("testdata/encrypted.pem", func() ([]byte, error) { return []byte(password), nil })
	if err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile("testdata/cosign.pub")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.PublicKey(), public) || s.KeyID() != pinnedKeyID {
		t.Fatalf("got key %s", s.KeyID())
	}
	old := bytes.ReplaceAll(seal(t, newECDSA(t, elliptic.P256()), ""), []byte("SIGSTORE"), []byte("COSIGN"))
	if _, err := LoadSigner(writeFile(t, "cosign.key", old), nil); err != nil {
		t.Fatal("key of an older cosign:", err)
	}
}

func TestLoadSignerTellsAWrongPassword(t *testing.T) {
	for _, wrong := range []string{"", "correct hors"} {
		_, err := LoadSigner("testdata/encrypted.pem", func() ([]byte, error) { return []byte(wrong), nil })
		if !errors.Is(err, ErrPassword) || !strings.Contains(err.Error(), "testdata/encrypted.pem") {
			t.Fatal(err)
		}
	}
	if _, err := LoadSigner("testdata/encrypted.pem", nil); !errors.Is(err, ErrPassword) {
		t.Fatal(err)
	}
	damaged := writeFile(t, "cosign.key", []byte("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\ne30K\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"))
	if _, err := LoadSigner(damaged, nil); !errors.Is(err, ErrPassword) || !strings.Contains(err.Error(), "or the file is damaged") {
		t.Fatal(err)
	}
	noTerminal := errors.New("no terminal")
	_, err := LoadSigner("testdata/encrypted.pem", func() ([]byte, error) { return nil, noTerminal })
	if !errors.Is(err, noTerminal) || errors.Is(err, ErrPassword) {
		t.Fatal(err)
	}
}

func TestLoadSignerRefusesOtherFilesBeforeItAsks(t *testing.T) {
	pem := func(kind, body string) []byte {
		return []byte("-----BEGIN " + kind + "-----\n" + body + "\n-----END " + kind + "-----\n")
	}
	for name, tt := range map[string]struct {
		data []byte
		says string
	}{
		"nothing":     {nil, "no PEM block"},
		"public key":  {publicPEM(t, newECDSA(t, elliptic.P256()).Public()), "public key"},
		"unencrypted": {pem("PRIVATE KEY", "AAAA"), "not encrypted"},
		"SSH key":     {pem("OPENSSH PRIVATE KEY", "AAAA"), "OPENSSH"},
		"too large":   {make([]byte, maxKeyFile+1), "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := LoadSigner(writeFile(t, "cosign.key", tt.data), func() ([]byte, error) {
				t.Error("asked for a password")
				return nil, nil
			})
			if err == nil || !strings.Contains(err.Error(), tt.says) || errors.Is(err, ErrPassword) {
				t.Fatalf("got %v, want %q", err, tt.says)
			}
		})
	}
	if _, err := LoadSigner("/nonexistent/cosign.key", nil); !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}

func TestLoadSignerRefusesKeysThatDoNotInteroperate(t *testing.T) {
	for _, data := range [][]byte{seal(t, newECDSA(t, elliptic.P384()), ""), seal(t, newEd25519(t), "")} {
		_, err := LoadSigner(writeFile(t, "cosign.key", data), nil)
		if err == nil || !strings.Contains(err.Error(), "only ECDSA P-256 ones") {
			t.Fatal(err)
		}
	}
}

func TestSignWritesThePayloadOfCosign(t *testing.T) {
	want, err := os.ReadFile("testdata/payload.json")
	if err != nil {
		t.Fatal(err)
	}
	sig, err := testSigner(t).Sign(t.Context(), cosignSubject.Digest, cosignReference)
	if err != nil || !bytes.Equal(sig.Payload, want) {
		t.Fatalf("got %s, %v; want %s", sig.Payload, err, want)
	}
}

func TestSignRefuses(t *testing.T) {
	s := testSigner(t)
	for _, d := range []digest.Digest{"", "sha256:00", digest.SHA512.FromString("x"), "latest"} {
		if _, err := s.Sign(t.Context(), d, "registry.example/lib"); err == nil || !strings.Contains(err.Error(), "digest") {
			t.Errorf("signed %q", d)
		}
	}
	if _, err := s.Sign(t.Context(), subject.Digest, ""); err == nil || !strings.Contains(err.Error(), "the name of its repository is missing") {
		t.Error("signed without a reference")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Sign(ctx, subject.Digest, "registry.example/lib"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func FuzzParseSigner(f *testing.F) {
	f.Add(seal(f, newECDSA(f, elliptic.P256()), ""))
	f.Add([]byte("-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\ne30K\n-----END ENCRYPTED COSIGN PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := parseSigner(data, nil); err == nil && len(s.PublicKey()) == 0 {
			t.Fatal("a signer without a key")
		}
	})
}
