package sign

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	in_toto "github.com/in-toto/attestation/go/v1"
	"github.com/opencontainers/go-digest"
	cosignbundle "github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/types"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature/dsse"
	"github.com/sigstore/sigstore/pkg/signature/options"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/modferry/modferry/artifact"
)

// newStatement returns the in-toto statement that cosign signs for the manifest d in a bundle. Its predicate is empty: it
// is the type that says what the statement means.
func newStatement(d digest.Digest) ([]byte, error) {
	type subject struct {
		Digest map[string]string `json:"digest"`
	}
	return json.Marshal(struct {
		Type          string    `json:"_type"`
		Subject       []subject `json:"subject"`
		PredicateType string    `json:"predicateType"`
		Predicate     struct{}  `json:"predicate"`
	}{
		Type:          in_toto.StatementTypeUri,
		Subject:       []subject{{map[string]string{d.Algorithm().String(): d.Encoded()}}},
		PredicateType: types.CosignSignPredicateType,
	})
}

// SignBundle signs a manifest as cosign v3 does, in the bundle format: with a statement in a DSSE envelope, and with neither
// a certificate nor a log entry. The digest must be a sha256 one. Where the manifest is, is not part of what is signed.
func (s *Signer) SignBundle(ctx context.Context, d digest.Digest) (Signature, error) {
	data, err := s.signBundle(ctx, d)
	if err != nil {
		return Signature{}, fmt.Errorf("signing %s: %w", d, err)
	}
	return Signature{Format: Bundle, Payload: data}, nil
}

func (s *Signer) signBundle(ctx context.Context, d digest.Digest) ([]byte, error) {
	if err := cmp.Or(context.Cause(ctx), checkDigest(d)); err != nil {
		return nil, err
	}
	statement, err := newStatement(d)
	if err != nil {
		return nil, err
	}
	envelope, err := dsse.WrapSigner(s.signer, types.IntotoPayloadType).SignMessage(bytes.NewReader(statement), options.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	pub, err := s.key.verifier.PublicKey()
	if err != nil {
		return nil, err
	}
	return cosignbundle.MakeNewBundle(pub, nil, statement, envelope, nil, nil)
}

// parseBundle reads a bundle of v0.3 that has an in-toto statement.
func parseBundle(data []byte) (*bundle.Bundle, error) {
	b := new(bundle.Bundle)
	bundle.AllowCertificateChain()(b) // as cosign v3 stores that of a private authority
	if err := b.UnmarshalJSON(data); err != nil {
		return nil, fmt.Errorf("not a sigstore bundle: %w", err)
	}
	envelope := b.GetDsseEnvelope()
	switch {
	case b.MediaType != BundleType:
		return nil, fmt.Errorf("a sigstore bundle of type %.80q, not %s", b.MediaType, BundleType)
	case envelope == nil:
		return nil, errors.New("the bundle has no in-toto statement")
	case len(envelope.Payload) > maxPayload:
		return nil, fmt.Errorf("%w: statement of over %d bytes", artifact.ErrLimit, maxPayload)
	case envelope.PayloadType != types.IntotoPayloadType:
		return nil, fmt.Errorf("the bundle has a payload of type %.80q, not an in-toto statement", envelope.PayloadType)
	}
	return b, nil
}

// predicateType returns what a bundle says its statement is, "" if that cannot be told; nothing of it is verified.
func predicateType(data []byte) string {
	b, err := parseBundle(data)
	if err != nil {
		return ""
	}
	var s in_toto.Statement
	if protojson.Unmarshal(b.GetDsseEnvelope().GetPayload(), &s) != nil {
		return ""
	}
	return s.GetPredicateType()
}

// checkBundle verifies a bundle with one key. See check.
func (k key) checkBundle(data []byte, d digest.Digest) (signer string, err error) {
	b, err := parseBundle(data)
	if err != nil {
		return "", err
	}
	sum, err := hex.DecodeString(d.Encoded())
	if err != nil {
		return "", err
	}
	if k.verifier == nil && b.GetVerificationMaterial().GetPublicKey() != nil {
		return "", errNoCertificate
	}
	result, err := k.bundles.Verify(b, verify.NewPolicy(verify.WithArtifactDigest(d.Algorithm().String(), sum), k.policy))
	if err != nil {
		if result, other := k.bundles.Verify(b, verify.NewPolicy(verify.WithoutArtifactUnsafe(), k.policy)); other == nil {
			return k.signer(result), errors.New("for another digest")
		}
		return "", err
	}
	return k.signer(result), checkStatement(result.Statement)
}

// signer returns who made what was verified with a key.
func (k key) signer(result *verify.VerificationResult) string {
	if cert := result.Signature.Certificate; cert != nil {
		return Identity{Subject: cert.SubjectAlternativeName, Issuer: cert.Issuer}.name()
	}
	return k.id
}

// checkStatement refuses what does not say that somebody signs for a manifest: an attestation says something about it.
func checkStatement(s *in_toto.Statement) error {
	if s.GetType() != in_toto.StatementTypeUri || s.GetPredicateType() != types.CosignSignPredicateType {
		return fmt.Errorf("an attestation is not a signature: predicate type %.80q", s.GetPredicateType())
	}
	return nil
}
