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

	// ErrUntrusted: there are signatures, but none that counts, or too few.
	ErrUntrusted = errors.New("no trusted signature")

	// ErrForbidden: the trust policy refuses it, whoever signed it.
	ErrForbidden = errors.New("forbidden by the trust policy")

	// ErrPassword: the password does not open the private key.
	ErrPassword = errors.New("wrong password")
)

// A Format is a form in which a signature is stored.
type Format int

// The formats.
const (
	Classic Format = iota // in the image with the tag [Tag], as every reader of cosign's signatures knows it
	Bundle                // a sigstore bundle in a referrer of the manifest, as cosign v3 writes it by default
)

// String returns the format's name.
func (f Format) String() string { return [...]string{"classic", "bundle"}[f] }

// A Signature is one signature found with a manifest. Nothing about it has been checked.
type Signature struct {
	Format      Format
	Descriptor  ocispec.Descriptor // of the payload, in the layer that it was stored in
	Payload     []byte             // the signed bytes, or the bundle; nil if they are not known yet, see Fetch
	Base64      string             // the signature over Payload in standard base64; of a bundle, it is in there
	Annotations map[string]string  // of the layer that it was stored in; not signed

	broken error // why checking it is no use
	unread error // why there is nothing to check
}

// Unread stands for what could not be read, or was not. It counts for nothing, and verifiers tell why.
func Unread(why error) Signature { return Signature{unread: why} }

// A Subject is what signatures are to vouch for.
type Subject struct {
	// Module is for rules that depend on it; [Keys] ignores it. No module has the path of a snapshot or an index.
	Module module.Version
	Digest digest.Digest // of the manifest, sha256
}

// A Verifier decides whose signatures count for which module, and what is not to be used whoever signed it. Only with
// time, as keys expire, it may decide otherwise.
type Verifier interface {
	// Verify returns the names of the keys that vouch for the subject, each once and in a fixed order. Signatures
	// that do not count do no harm to those that do. The error matches [ErrForbidden] for what Deny refuses,
	// [ErrUnsigned] when there is no signature, and [ErrUntrusted] when too few count; its text then has a reason for
	// each, up to a bound.
	Verify(ctx context.Context, s Subject, sigs []Signature) ([]string, error)

	// Explain decides as Verify does, tells why, and looks at every signature. The error is that of a cancelled context.
	Explain(ctx context.Context, s Subject, sigs []Signature) (*Explanation, error)

	// Deny returns why a subject is refused whatever its signatures are, nil if it is not: an error that matches
	// [ErrForbidden]. Without a digest it is asked about the version, and without a version about the module, none of
	// whose versions may be used then.
	Deny(s Subject) error

	// Rule returns what counts for a module.
	Rule(path string) Rule
}

// Rule is what a [Verifier] demands of the versions of a module.
type Rule struct {
	Name    string  // what the policy calls it; "" if it is the only one
	Records Records // what the checksum database has to say of them

	// Fingerprint identifies what is demanded and who is trusted. What Verify accepted may be taken for accepted for
	// as long as the fingerprint stays the same and Deny refuses it not.
	Fingerprint string
}

// Records says which versions need a record of the checksum database that a snapshot in the store confirms. A record
// that contradicts a version is never accepted.
type Records string

// What can be demanded.
const (
	RecordsDefault   Records = ""          // what the options of the program say
	RecordsRequired  Records = "required"  // all; without a snapshot none is accepted
	RecordsIfPresent Records = "ifPresent" // all, where the store has a snapshot
	RecordsNone      Records = "none"      // none: the database is not asked about them
)

// SkipVerify is a [Verifier] that accepts everything, unsigned content included.
type SkipVerify struct{}

// Verify accepts, and names no key.
func (SkipVerify) Verify(context.Context, Subject, []Signature) ([]string, error) { return nil, nil }

// Explain accepts, and looks at no signature.
func (SkipVerify) Explain(context.Context, Subject, []Signature) (*Explanation, error) {
	return new(Explanation), nil
}

// Deny refuses nothing.
func (SkipVerify) Deny(Subject) error { return nil }

// Rule has a fingerprint that differs from that of every verifier that checks something.
func (SkipVerify) Rule(string) Rule { return Rule{Fingerprint: "insecure-skip-verify"} }

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
