package sign

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/modferry/modferry/registry/safetext"
)

const (
	// maxBase64 bounds a signature. The longest ECDSA P-256 one, of 72 bytes, has 96
	// characters, and one by a certificate's RSA key of 4096 bits has 684.
	maxBase64 = 1024

	// maxReasons bounds the reasons given in one error.
	maxReasons = 5
)

// Verify implements [Verifier]: it returns who made the valid signatures, in the order in which the keys were given. Of a
// public key that is its ID, the sha256 digest of its DER form, and of an identity the subject of the certificate with its
// issuer in parentheses.
func (k *Keys) Verify(ctx context.Context, s Subject, sigs []Signature) ([]string, error) {
	if err := checkDigest(s.Digest); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	if len(sigs) == 0 {
		return nil, fmt.Errorf("%s is %w", s.Digest, ErrUnsigned)
	}
	valid := make(signers)
	var reasons []error
	for _, sig := range sigs {
		by, err := k.check(s, sig)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		valid.add(by)
		if err != nil {
			reasons = append(reasons, err)
		}
	}
	var signers []string
	for _, key := range k.list {
		for _, signer := range valid[key.id] {
			if !slices.Contains(signers, signer) {
				signers = append(signers, signer)
			}
		}
	}
	if len(signers) == 0 {
		return nil, fmt.Errorf("%w for %s, %d found: %s", ErrUntrusted, s.Digest, len(sigs), describe(reasons))
	}
	return signers, nil
}

// Explain implements [Verifier].
func (k *Keys) Explain(ctx context.Context, s Subject, sigs []Signature) (*Explanation, error) {
	e := &Explanation{Rule: k.Rule(s.Module.Path), Needs: "one of the keys given"}
	e.Keys, e.Err = k.Verify(ctx, s, sigs)
	for _, sig := range sigs {
		f := Finding{Format: sig.Format.String()}
		if by, err := k.check(s, sig); err == nil {
			f.Signer, f.Keys, f.Counts = by.signer, []string{by.signer}, true
		} else {
			f.Why = err.Error()
		}
		e.Signatures = append(e.Signatures, f)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return e, nil
}

// maker is who made a signature.
type maker struct {
	signer string   // one of the keys' ID, or who the certificate is for
	ids    []string // of the keys that count as its maker: several identities may cover one certificate
}

// check returns who made the signature for the subject, or the reason why that is nobody who is trusted.
func (k *Keys) check(s Subject, sig Signature) (maker, error) {
	if err := checkForm(sig); err != nil {
		return maker{}, err
	}
	var by maker
	reason := errors.New("not by a trusted key")
	for _, key := range k.list {
		switch signer, err := key.check(sig, s.Digest); {
		case err == nil:
			by.signer, by.ids = signer, append(by.ids, key.id)
		case signer != "":
			reason = fmt.Errorf("by the trusted key %s, but %w", signer, err)
		case key.verifier == nil && !errors.Is(err, errNoCertificate):
			reason = fmt.Errorf("not by the trusted identity %s: %s", key.name, safetext.Lines([]byte(err.Error())))
		}
	}
	if len(by.ids) == 0 {
		return maker{}, reason
	}
	return by, nil
}

// checkForm refuses what is no signature before any key is tried.
func checkForm(sig Signature) error {
	switch {
	case sig.unread != nil:
		return sig.unread
	case sig.broken != nil:
		return fmt.Errorf("broken: %w", sig.broken)
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

// check verifies a signature with one key. It returns who made it if the key did, also with an error: then that is about
// what the payload says.
func (k key) check(sig Signature, d digest.Digest) (signer string, err error) {
	switch {
	case sig.Format == Bundle:
		return k.checkBundle(sig.Payload, d)
	case k.verifier == nil:
		return k.checkCertificate(sig, d)
	}
	raw, err := base64.StdEncoding.DecodeString(sig.Base64)
	if err == nil {
		err = k.verifier.VerifySignature(bytes.NewReader(raw), bytes.NewReader(sig.Payload))
	}
	if err != nil {
		return "", err
	}
	return k.id, checkPayload(sig.Payload, d)
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
