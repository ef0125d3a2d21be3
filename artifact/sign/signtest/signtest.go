// Package signtest has signers for tests.
package signtest

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/modferry/modferry/artifact/sign"
)

// signers have a key each. Making one is slow, by intention of who invented the
// key file's format, so that tests share them.
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
	password := []byte("secret")
	private, _, err := sign.Generate(password)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "cosign.key")
	if err := os.WriteFile(file, private, 0o600); err != nil {
		return nil, err
	}
	return sign.LoadSigner(file, func() ([]byte, error) { return password, nil })
}
