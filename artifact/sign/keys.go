package sign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/modferry/modferry/artifact/userfile"
)

// maxKeyFile bounds a file of keys, in bytes.
const maxKeyFile = 1 << 20

// Keys is a [Verifier] that trusts some public keys, and identities: a valid signature by any of them counts. The zero
// value trusts none and accepts nothing. It may be used concurrently.
type Keys struct {
	list        []key  // no key twice
	fingerprint string // of all
}

// key is a trusted public key, or an identity that certificates have.
type key struct {
	id       string              // of a public key the sha256 digest of its DER form (SubjectPublicKeyInfo, RFC 5280)
	name     string              // of an identity, for people; of a public key its ID
	verifier signature.Verifier  // of classic signatures; nil of an identity
	bundles  *verify.Verifier    // of bundles
	policy   verify.PolicyOption // who has to have made them
}

// LoadKeys reads public keys from PEM files like cosign.pub, each with one or more
// keys. env://NAME is what the environment variable NAME holds, as cosign has it. A file without a key is an error, as is
// anything in a file that is not an ECDSA P-256 public key: a key that cannot be used is never passed over.
func LoadKeys(files ...string) (*Keys, error) {
	if len(files) == 0 {
		return nil, errors.New("no public key is given: nothing would be trusted")
	}
	all := new(Keys)
	for _, file := range files {
		data, err := readKeyFile(file)
		if err != nil {
			return nil, fmt.Errorf("public key: %w", err)
		}
		k, err := ParseKeys(data)
		if err != nil {
			return nil, fmt.Errorf("public key %s: %w", file, err)
		}
		all.add(k.list...)
	}
	return all, nil
}

// Union returns a verifier that trusts whom any of those trusts.
func Union(all ...*Keys) *Keys {
	union := new(Keys)
	for _, k := range all {
		union.add(k.list...)
	}
	return union
}

// ParseKeys is [LoadKeys] for the content of a file. Text around the PEM blocks is ignored.
func ParseKeys(data []byte) (*Keys, error) {
	keys, begun := new(Keys), bytes.Count(data, []byte("-----BEGIN "))
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		begun--
		pub, err := parsePublicKey(block)
		if err != nil {
			return nil, err
		}
		k, err := newKey(pub)
		if err != nil {
			return nil, err
		}
		keys.add(k)
	}
	if begun != 0 { // pem.Decode passes over what it cannot decode
		return nil, errors.New("there is a damaged PEM block")
	}
	if len(keys.list) == 0 {
		return nil, errors.New("there is no PEM block: a public key begins with -----BEGIN PUBLIC KEY-----")
	}
	return keys, nil
}

// Deny implements [Verifier]. It refuses nothing.
func (k *Keys) Deny(Subject) error { return nil }

// Rule implements [Verifier]. Its fingerprint depends on the set of keys, not on their order.
func (k *Keys) Rule(string) Rule { return Rule{Fingerprint: k.fingerprint} }

func (k *Keys) add(keys ...key) {
	for _, n := range keys {
		if !slices.ContainsFunc(k.list, func(o key) bool { return o.id == n.id }) {
			k.list = append(k.list, n)
		}
	}
	ids := make([]string, 0, len(k.list))
	for _, key := range k.list {
		ids = append(ids, key.id)
	}
	slices.Sort(ids)
	k.fingerprint = "keys:" + digest.FromString(strings.Join(ids, "\n")).String()
}

// parsePublicKey says what a block is when it is none of what we need.
func parsePublicKey(block *pem.Block) (crypto.PublicKey, error) {
	switch {
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, errors.New("this is a private key; give the public one, which cosign and keygen call cosign.pub")
	case block.Type != string(cryptoutils.PublicKeyPEMType):
		return nil, fmt.Errorf("this is a %.60q, not a %q", block.Type, cryptoutils.PublicKeyPEMType)
	}
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("not a usable public key: %w", err)
	}
	return pub, nil
}

// newKey refuses every kind of key with which cosign does not verify by default what was signed by default.
func newKey(pub crypto.PublicKey) (key, error) {
	p256, ok := pub.(*ecdsa.PublicKey)
	if !ok || p256.Curve != elliptic.P256() {
		return key{}, fmt.Errorf("this key, %T, is not supported: only ECDSA P-256 ones are", pub)
	}
	verifier, err := signature.LoadECDSAVerifier(p256, crypto.SHA256)
	if err != nil {
		return key{}, err
	}
	der, err := cryptoutils.MarshalPublicKeyToDER(pub)
	if err != nil {
		return key{}, err
	}
	unlimited := root.NewExpiringKey(verifier, time.Time{}, time.Time{})
	bundles, err := verify.NewVerifier(root.NewTrustedPublicKeyMaterial(
		func(string) (root.TimeConstrainedVerifier, error) { return unlimited, nil }), verify.WithNoObserverTimestamps())
	if err != nil {
		return key{}, err
	}
	id := digest.FromBytes(der).String()
	return key{id: id, name: id, verifier: verifier, bundles: bundles, policy: verify.WithKey()}, nil
}

// environment is what precedes the name of an environment variable that holds a key, as cosign has it.
const environment = "env://"

// readKeyFile reads a file of bounded size, or an environment variable. Its errors name it.
func readKeyFile(file string) ([]byte, error) {
	name, ok := strings.CutPrefix(file, environment)
	if !ok {
		return userfile.ReadAny(file, maxKeyFile)
	}
	value := os.Getenv(name)
	if value == "" {
		return nil, fmt.Errorf("the environment variable %s is not set, or empty", name)
	}
	return []byte(value), nil
}
