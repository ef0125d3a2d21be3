// Package signtest has keys and signers for tests.
package signtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"

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

// pair is the content of cosign.key and cosign.pub.
type pair struct{ private, public []byte }

func newPair() (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return pair{}, err
	}
	sealed, err := encrypted.EncryptWithCustomKDFParameters(private, []byte(Password), encrypted.Legacy)
	if err != nil {
		return pair{}, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	return pair{
		private: pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED SIGSTORE PRIVATE KEY", Bytes: sealed}),
		public:  pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
	}, err
}

// signers have a key each. Making one takes long enough for tests to share them.
var signers = [...]func() (*sign.Signer, error){
	sync.OnceValues(newSigner), sync.OnceValues(newSigner), sync.OnceValues(newSigner),
}

// Signer returns one of three signers.
func Signer(t testing.TB, i int) *sign.Signer {
	t.Helper()
	s, err := signers[i]()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newSigner() (*sign.Signer, error) {
	dir, err := os.MkdirTemp("", "signer")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	p, err := newPair()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "cosign.key")
	if err := os.WriteFile(file, p.private, 0o600); err != nil {
		return nil, err
	}
	return sign.LoadSigner(file, func() ([]byte, error) { return []byte(Password), nil })
}
