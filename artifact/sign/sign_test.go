package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	"golang.org/x/mod/module"
)

const password = "correct horse"

// subject is what the tests sign.
var subject = Subject{
	Module: module.Version{Path: "corp.example/lib", Version: "v1.2.3"},
	Digest: digest.FromString("a manifest"),
}

// The files in testdata were written by the cosign CLI: encrypted.pem and cosign.pub, and cosign.sig.json, signed
// with encrypted.pem by version 2 and then with the key of second.pub by version 3.
const (
	pinnedKeyID     = "sha256:68b582a3c48582bcb06792845f2763492657682ee28f1c402b68b2e6e123b9f4" // openssl pkey -pubin -in cosign.pub -outform DER | sha256sum
	cosignReference = "127.0.0.1:5871/lib"
)

// cosignSubject is what cosign.sig.json is for.
var cosignSubject = Subject{
	Digest: "sha256:89d9cebff58990ce6c8bb176259c17ad8be50750d5bdc50fc53481e39fd9f040",
}

// testSigner makes a key pair. Encrypting it would take most of the time of a test.
func testSigner(t testing.TB) *Signer {
	t.Helper()
	raw, err := signature.LoadECDSASigner(newECDSA(t, elliptic.P256()), crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSigner(raw)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// seal encrypts a private key of any kind as cosign does.
func seal(t testing.TB, priv crypto.PrivateKey, password string) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	box, err := encrypted.EncryptWithCustomKDFParameters(der, []byte(password), encrypted.Legacy)
	if err != nil {
		t.Fatal(err)
	}
	return cryptoutils.PEMEncode("ENCRYPTED SIGSTORE PRIVATE KEY", box)
}

// mustSign signs the subject.
func mustSign(t testing.TB, s *Signer) Signature {
	t.Helper()
	sig, err := s.Sign(t.Context(), subject.Digest, "registry.example/golang/corp.example/lib")
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// signBytes signs any payload.
func signBytes(t testing.TB, s *Signer, payload string) Signature {
	t.Helper()
	raw, err := s.signer.SignMessage(strings.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	return Signature{Payload: []byte(payload), Base64: base64.StdEncoding.EncodeToString(raw)}
}

// payloadWith returns a payload for the subject with some text replaced.
func payloadWith(t testing.TB, old, new string) string {
	t.Helper()
	data, err := newPayload(subject.Digest, "registry.example/lib")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), old) {
		t.Fatalf("%s is not in %s", old, data)
	}
	return strings.Replace(string(data), old, new, 1)
}

func writeFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func publicPEM(t testing.TB, pub crypto.PublicKey) []byte {
	t.Helper()
	data, err := cryptoutils.MarshalPublicKeyToPEM(pub)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func newEd25519(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return priv
}

func newECDSA(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	priv, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return priv
}
