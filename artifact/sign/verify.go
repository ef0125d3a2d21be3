package sign

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/static"

	"github.com/modferry/modferry/registry/safetext"
)

const (
	// maxBase64 bounds a signature. The longest ECDSA P-256 one, of 72 bytes, has 96
	// characters, and one by a certificate's RSA key of 4096 bits has 684.
	maxBase64 = 1024

	// maxReasons bounds the reasons given in one error.
	maxReasons = 5
)

// Verify implements [Verifier]: it returns the IDs of the keys with a valid signature, in the order in which the keys
// were given. An ID is the sha256 digest of a public key's DER form.
func (k *Keys) Verify(ctx context.Context, s Subject, sigs []Signature) ([]string, error) {
	if err := checkDigest(s.Digest); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	if len(sigs) == 0 {
		return nil, fmt.Errorf("%s is %w", s.Digest, ErrUnsigned)
	}
	valid := make(map[string]bool, len(k.list))
	var reasons []error
	for _, sig := range sigs {
		ids, err := k.check(ctx, s, sig)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		for _, id := range ids {
			valid[id] = true
		}
		if err != nil {
			reasons = append(reasons, err)
		}
	}
	if len(valid) == 0 {
		return nil, fmt.Errorf("%w for %s, %d found: %s", ErrUntrusted, s.Digest, len(sigs), describe(reasons))
	}
	ids := make([]string, 0, len(valid))
	for _, key := range k.list {
		if valid[key.id] {
			ids = append(ids, key.id)
		}
	}
	return ids, nil
}

// check returns the keys that made the signature for the subject, or the reason why there is none.
func (k *Keys) check(ctx context.Context, s Subject, sig Signature) ([]string, error) {
	if err := checkForm(sig); err != nil {
		return nil, err
	}
	var ids []string
	reason := errors.New("not by a trusted key")
	for _, key := range k.list {
		switch signed, err := key.check(ctx, sig, s.Digest); {
		case err == nil:
			ids = append(ids, key.id)
		case signed:
			reason = fmt.Errorf("by the trusted key %s, but %w", key.id, err)
		case key.verifier == nil && !errors.Is(err, errNoCertificate):
			reason = fmt.Errorf("not by the trusted identity %s: %s", key.id, safetext.Lines([]byte(err.Error())))
		}
	}
	if len(ids) == 0 {
		return nil, reason
	}
	return ids, nil
}

// checkForm refuses what is no signature before any key is tried.
func checkForm(sig Signature) error {
	switch {
	case sig.unread != nil:
		return sig.unread
	case len(sig.Payload) == 0:
		return errors.New("no payload")
	case sig.Format == Bundle && len(sig.Payload) > maxBundle:
		return fmt.Errorf("bundle of over %d bytes", maxBundle)
	case sig.Format == Bundle:
		_, err := parseBundle(sig.Payload)
		return err
	case len(sig.Payload) > maxPayload:
		return fmt.Errorf("payload of over %d bytes", maxPayload)
	case sig.Base64 == "":
		return errors.New("no signature over the payload")
	case len(sig.Base64) > maxBase64:
		return fmt.Errorf("of over %d characters", maxBase64)
	}
	if _, err := base64.StdEncoding.DecodeString(sig.Base64); err != nil {
		return fmt.Errorf("not base64: %w", err)
	}
	return nil
}

// check verifies a signature with one key. It also reports whether the key made the signature: then an error is about
// what the payload says.
func (k key) check(ctx context.Context, sig Signature, d digest.Digest) (signed bool, err error) {
	if sig.Format == Bundle {
		return k.checkBundle(sig.Payload, d)
	}
	if k.verifier == nil {
		return k.checkCertificate(sig, d)
	}
	image, err := static.NewSignature(sig.Payload, sig.Base64)
	if err != nil {
		return false, err
	}
	return k.checkClassic(ctx, image, d)
}

// checkClassic lets cosign verify a signature.
func (k key) checkClassic(ctx context.Context, sig oci.Signature, d digest.Digest) (signed bool, err error) {
	// Without a ClaimVerifier cosign would not compare the digest.
	claims := func(sig oci.Signature, hash v1.Hash, annotations map[string]any) error {
		signed = true
		data, err := sig.Payload()
		if err != nil {
			return err
		}
		if err := checkPayload(data, d); err != nil {
			return err
		}
		return cosign.SimpleClaimVerifier(sig, hash, annotations)
	}
	hash := v1.Hash{Algorithm: d.Algorithm().String(), Hex: d.Encoded()}
	_, err = cosign.VerifyImageSignature(ctx, sig, hash, &cosign.CheckOpts{
		SigVerifier:   k.verifier,
		ClaimVerifier: claims,
		IgnoreTlog:    true,
		Offline:       true,
	})
	return signed, err
}

// describe joins the reasons, equal ones once and not more than the bound.
func describe(reasons []error) string {
	var texts []string
	for _, r := range reasons {
		if text := r.Error(); !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	if len(texts) > maxReasons {
		texts = append(texts[:maxReasons], "and more")
	}
	return strings.Join(texts, "; ")
}
