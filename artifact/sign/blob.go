package sign

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/sigstore/sigstore/pkg/signature/options"
)

// SignBlob signs content that is no manifest, and returns the signature as cosign sign-blob writes it: Base64, which
// cosign verify-blob takes.
func (s *Signer) SignBlob(ctx context.Context, content []byte) (string, error) {
	raw, err := s.signer.SignMessage(bytes.NewReader(content), options.WithContext(ctx))
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}

// VerifyBlob returns the ID of the key that signed content, given the signature as [Signer.SignBlob] and cosign
// sign-blob write it. Space around it does not matter. The error matches [ErrUntrusted].
func (k *Keys) VerifyBlob(content, signature []byte) (keyID string, err error) {
	signature = bytes.TrimSpace(signature)
	if len(signature) > maxBase64 {
		return "", fmt.Errorf("%w: too long for ECDSA P-256", ErrUntrusted)
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(string(signature))
	if err != nil {
		return "", fmt.Errorf("%w: not base64: %w", ErrUntrusted, err)
	}
	for _, key := range k.list {
		if key.verifier != nil && key.verifier.VerifySignature(bytes.NewReader(raw), bytes.NewReader(content)) == nil {
			return key.id, nil
		}
	}
	return "", fmt.Errorf("%w: %w", ErrUntrusted, errors.New("not by a trusted key, or the content was changed"))
}
