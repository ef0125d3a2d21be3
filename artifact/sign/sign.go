package sign

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"
)

// Errors of verifying and of loading keys, for errors.Is.
var (
	// ErrUnsigned: there is no signature at all.
	ErrUnsigned = errors.New("not signed")

	// ErrUntrusted: there are signatures, but none that counts.
	ErrUntrusted = errors.New("no trusted signature")

	// ErrPassword: the password does not open the private key.
	ErrPassword = errors.New("wrong password")
)

// A Signature is one signature found with a manifest. Nothing about it has been checked.
type Signature struct {
	Descriptor  ocispec.Descriptor // of the payload, in the layer that it was stored in
	Payload     []byte             // the signed bytes; nil if they are not known yet, see Fetch
	Base64      string             // the signature over Payload in standard base64
	Annotations map[string]string  // of the layer that it was stored in; not signed

	broken error // why checking it is no use
}

// A Subject is what signatures are to vouch for.
type Subject struct {
	Module module.Version // for rules that depend on the module; [Keys] ignores it
	Digest digest.Digest  // of the manifest, sha256
}

// A Verifier decides whose signatures count.
type Verifier interface {
	// Verify returns the names of the keys that vouch for the subject, each once and in a fixed order. One valid
	// signature is enough, whatever the others are. The error matches [ErrUnsigned] when there is no signature, and
	// [ErrUntrusted] when none counts; its text then has a reason for each, up to a bound.
	Verify(ctx context.Context, s Subject, sigs []Signature) ([]string, error)

	// Fingerprint identifies what is trusted. A verdict may be remembered for as
	// long as the fingerprint stays the same.
	Fingerprint() string
}

// SkipVerify is a [Verifier] that accepts everything, unsigned content included.
type SkipVerify struct{}

// Verify accepts, and names no key.
func (SkipVerify) Verify(context.Context, Subject, []Signature) ([]string, error) { return nil, nil }

// Fingerprint differs from that of every verifier that checks something.
func (SkipVerify) Fingerprint() string { return "insecure-skip-verify" }

// checkDigest refuses what cosign cannot sign: anything but sha256. There is no
// tag for the signatures of other digests either, they are too long for one.
func checkDigest(d digest.Digest) error {
	if err := d.Validate(); err != nil {
		return fmt.Errorf("%w: %.80q", err, d.String())
	}
	if d.Algorithm() != digest.SHA256 {
		return fmt.Errorf("%s digests cannot be signed, only sha256 ones", d.Algorithm())
	}
	return nil
}
