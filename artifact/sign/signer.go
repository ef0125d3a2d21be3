package sign

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"
)

// A Signer signs with a private key. It may be used concurrently.
type Signer struct {
	// Format says in which forms signatures are to be stored that are made for a store; none is Classic alone. It must
	// not be changed while the signer is used.
	Format []Format

	signer signature.Signer
	key    key
	public []byte
}

// LoadSigner reads and decrypts a private key file like cosign.key, or env://NAME. The password is asked for once,
// and only if the file holds an encrypted key; a nil function stands for the empty password. An error that matches
// [ErrPassword] means that the password does not fit or that the file is damaged: the encryption cannot tell the two
// apart.
func LoadSigner(file string, password func() ([]byte, error)) (*Signer, error) {
	data, err := readKeyFile(file)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	s, err := parseSigner(data, password)
	if err != nil {
		return nil, fmt.Errorf("private key %s: %w", file, err)
	}
	return s, nil
}

func parseSigner(data []byte, password func() ([]byte, error)) (*Signer, error) {
	if err := checkSealed(data); err != nil {
		return nil, err
	}
	var secret []byte
	if password != nil {
		var err error
		if secret, err = password(); err != nil {
			return nil, fmt.Errorf("password: %w", err)
		}
	}
	signer, err := cosign.LoadPrivateKey(data, secret, nil)
	if err != nil {
		return nil, fmt.Errorf("%w, or the file is damaged: %w", ErrPassword, err)
	}
	return newSigner(signer)
}

func newSigner(signer signature.Signer, o ...signature.PublicKeyOption) (*Signer, error) {
	pub, err := signer.PublicKey(o...)
	if err != nil {
		return nil, err
	}
	k, err := newKey(pub)
	if err != nil {
		return nil, err
	}
	public, err := cryptoutils.MarshalPublicKeyToPEM(pub)
	if err != nil {
		return nil, err
	}
	return &Signer{signer: signer, key: k, public: public}, nil
}

// checkSealed says what is wrong with a file for which no password will do.
func checkSealed(data []byte) error {
	block, _ := pem.Decode(data)
	if block == nil {
		return errors.New("there is no PEM block: cosign's begin with -----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----")
	}
	switch block.Type {
	case cosign.CosignPrivateKeyPemType, cosign.SigstorePrivateKeyPemType:
	case string(cryptoutils.PublicKeyPEMType):
		return errors.New("this is a public key; signing needs the private one, which cosign and keygen call cosign.key")
	case cosign.PrivateKeyPemType, cosign.ECPrivateKeyPemType, cosign.RSAPrivateKeyPemType:
		return errors.New("this key is not encrypted as cosign's are: convert it with cosign import-key-pair")
	default:
		return fmt.Errorf("this is a %.60q, not a %q", block.Type, cosign.SigstorePrivateKeyPemType)
	}
	return nil
}

// Formats returns the forms in which signatures are to be stored, at least one.
func (s *Signer) Formats() []Format {
	if len(s.Format) == 0 {
		return []Format{Classic}
	}
	return s.Format
}

// Sign signs a manifest as cosign v2 does, in the classic format. The digest must be a sha256 one. The reference is what
// others know the manifest's repository by, registry/repository; it is part of what is signed.
func (s *Signer) Sign(ctx context.Context, d digest.Digest, reference string) (Signature, error) {
	if err := context.Cause(ctx); err != nil {
		return Signature{}, err
	}
	if err := checkDigest(d); err != nil {
		return Signature{}, err
	}
	if reference == "" {
		return Signature{}, fmt.Errorf("signing %s: the name of its repository is missing", d)
	}
	data, err := newPayload(d, reference)
	if err != nil {
		return Signature{}, err
	}
	raw, err := s.signer.SignMessage(bytes.NewReader(data), options.WithContext(ctx))
	if err != nil {
		return Signature{}, fmt.Errorf("signing %s: %w", d, err)
	}
	return Signature{Payload: data, Base64: base64.StdEncoding.EncodeToString(raw)}, nil
}

// KeyID returns the name under which [Keys] report signatures of this signer.
func (s *Signer) KeyID() string { return s.key.id }

// Verifier returns a verifier that trusts this signer alone.
func (s *Signer) Verifier() *Keys {
	k := new(Keys)
	k.add(s.key)
	return k
}

// PublicKey returns the public key as PEM, the content of cosign.pub.
func (s *Signer) PublicKey() []byte { return bytes.Clone(s.public) }

// Generate makes a key pair: the contents of cosign.key, encrypted with the
// password, and of cosign.pub. An empty password is allowed, as it is for cosign.
func Generate(password []byte) (private, public []byte, err error) {
	pair, err := cosign.GenerateKeyPair(func(bool) ([]byte, error) { return password, nil })
	if err != nil {
		return nil, nil, fmt.Errorf("generating a key pair: %w", err)
	}
	return pair.PrivateBytes, pair.PublicBytes, nil
}
