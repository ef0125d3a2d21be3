// Package signtest has keys and signers for tests.
package signtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/modferry/modferry/artifact/sign"
)

// Password is the password of the private keys.
const Password = "correct horse"

// WriteKeyPair writes prefix.key and prefix.pub, as keygen does. A prefix with the same last element gets the same keys
// for as long as the process lives, and they are encrypted with the least effort that cosign accepts: tests use
// many.
func WriteKeyPair(prefix string) error {
	made, _ := pairs.LoadOrStore(filepath.Base(prefix), sync.OnceValues(newPair))
	p, err := made.(func() (pair, error))()
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(prefix+".key", p.private, 0o600), os.WriteFile(prefix+".pub", p.public, 0o644))
}

// pairs has functions that return a pair, by name.
var pairs sync.Map

// pair is the content of cosign.key and cosign.pub, and the private key.
type pair struct {
	private, public []byte
	key             *ecdsa.PrivateKey
}

func newPair() (p pair, err error) {
	if p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return p, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		return p, err
	}
	sealed, err := encrypted.EncryptWithCustomKDFParameters(private, []byte(Password), encrypted.Legacy)
	if err != nil {
		return p, err
	}
	p.private = pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED SIGSTORE PRIVATE KEY", Bytes: sealed})
	p.public, err = cryptoutils.MarshalPublicKeyToPEM(p.key.Public())
	return p, err
}

// signers have a key each. Making one takes long enough for tests to share them.
var signers = [...]func() (signer, error){
	sync.OnceValues(newSigner), sync.OnceValues(newSigner), sync.OnceValues(newSigner),
}

type signer struct {
	*sign.Signer
	key *ecdsa.PrivateKey
}

// Signer returns one of three signers.
func Signer(t testing.TB, i int) *sign.Signer {
	t.Helper()
	return load(t, i).Signer
}

func load(t testing.TB, i int) signer {
	t.Helper()
	s, err := signers[i]()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newSigner() (signer, error) {
	dir, err := os.MkdirTemp("", "signer")
	if err != nil {
		return signer{}, err
	}
	defer os.RemoveAll(dir)
	p, err := newPair()
	if err != nil {
		return signer{}, err
	}
	file := filepath.Join(dir, "cosign.key")
	if err := os.WriteFile(file, p.private, 0o600); err != nil {
		return signer{}, err
	}
	s, err := sign.LoadSigner(file, func() ([]byte, error) { return []byte(Password), nil })
	return signer{s, p.key}, err
}

// Bundle returns a sigstore bundle with a statement that one of the signers has signed, whatever it says.
func Bundle(t testing.TB, i int, statement string) sign.Signature {
	t.Helper()
	const payloadType = "application/vnd.in-toto+json"
	sum := sha256.Sum256(dsse.PAE(payloadType, []byte(statement)))
	sig, err := load(t, i).key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := json.Marshal(map[string]any{
		"mediaType":            sign.BundleType,
		"verificationMaterial": map[string]any{"publicKey": map[string]string{"hint": "test"}},
		"dsseEnvelope": map[string]any{
			"payload": []byte(statement), "payloadType": payloadType, "signatures": []any{map[string]any{"sig": sig}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return sign.Signature{Format: sign.Bundle, Payload: bundle}
}

// Attestation returns what cosign attest makes: a bundle that says something about a manifest, signed by one of the
// signers.
func Attestation(t testing.TB, i int, d digest.Digest) sign.Signature {
	t.Helper()
	return Bundle(t, i, `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"`+d.Encoded()+`"}}],`+
		`"predicateType":"https://slsa.dev/provenance/v1","predicate":{"buildDefinition":{}}}`)
}
