package sign

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	cosignbundle "github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
)

// promiseBundle is the version of bundles that has, as annotations of classic signatures do, a log's promise to include
// an entry in place of the proof that it did.
const promiseBundle = "application/vnd.dev.sigstore.bundle+json;version=0.1"

// errNoCertificate: the signature was made with a key.
var errNoCertificate = errors.New("it has no certificate")

// classicBundle makes a bundle of a classic signature that has a certificate, from the annotations beside it: one rule
// says what certificates are worth, for both formats.
func classicBundle(sig Signature) (*bundle.Bundle, error) {
	material, err := classicMaterial(sig.Annotations)
	if err != nil {
		return nil, err
	}
	raw, err := base64.StdEncoding.DecodeString(sig.Base64)
	if err != nil {
		return nil, err
	}
	sum, err := hex.DecodeString(digest.FromBytes(sig.Payload).Encoded())
	if err != nil {
		return nil, err
	}
	b := &protobundle.Bundle{
		MediaType:            promiseBundle,
		VerificationMaterial: material,
		Content: &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
			MessageDigest: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: sum},
			Signature:     raw,
		}},
	}
	if material.GetX509CertificateChain() != nil {
		b.MediaType = BundleType
		return bundle.NewBundle(b, bundle.AllowCertificateChain())
	}
	return bundle.NewBundle(b)
}

// classicMaterial reads what annotations have to verify a signature with: a certificate, and what shows that it was valid.
// Certificates above it are left out where there is a log entry: the version of bundles that has promises has no chains.
func classicMaterial(notes map[string]string) (*protobundle.VerificationMaterial, error) {
	text := notes[static.CertificateAnnotationKey]
	if text == "" {
		return nil, errNoCertificate
	}
	certs, err := cryptoutils.UnmarshalCertificatesFromPEM([]byte(text))
	if err != nil || len(certs) == 0 {
		return nil, fmt.Errorf("certificate: %w", errors.Join(err, errNoCertificate))
	}
	chain, err := authorities(notes[static.ChainAnnotationKey])
	if err != nil {
		return nil, fmt.Errorf("certificates above: %w", err)
	}
	var stamp cosignbundle.RFC3161Timestamp
	if text := notes[static.RFC3161TimestampAnnotationKey]; text != "" {
		if err := json.Unmarshal([]byte(text), &stamp); err != nil {
			return nil, fmt.Errorf("timestamp: %w", err)
		}
	}
	b, err := cosignbundle.MakeProtobufBundle("", certs[0].Raw, nil, stamp.SignedRFC3161Timestamp)
	if err != nil {
		return nil, err
	}
	material := b.VerificationMaterial
	if material.TlogEntries, err = logEntries(notes[static.BundleAnnotationKey]); err != nil {
		return nil, fmt.Errorf("log entry: %w", err)
	}
	if len(chain) > 0 && material.TlogEntries == nil {
		all := append([]*protocommon.X509Certificate{material.GetCertificate()}, chain...)
		material.Content = &protobundle.VerificationMaterial_X509CertificateChain{
			X509CertificateChain: &protocommon.X509CertificateChain{Certificates: all},
		}
	}
	return material, nil
}

// authorities reads the annotation with the certificates above the signer's, "" for none, but for those that are their
// own authority: whom to trust is for the trusted root to say.
func authorities(text string) (chain []*protocommon.X509Certificate, err error) {
	if text == "" {
		return nil, nil
	}
	certs, err := cryptoutils.UnmarshalCertificatesFromPEM([]byte(text))
	if err != nil {
		return nil, err
	}
	for _, c := range certs {
		if !bytes.Equal(c.RawIssuer, c.RawSubject) {
			chain = append(chain, &protocommon.X509Certificate{RawBytes: c.Raw})
		}
	}
	return chain, nil
}

// checkCertificate verifies a classic signature with an identity. See check.
func (k key) checkCertificate(sig Signature, d digest.Digest) (signer string, err error) {
	b, err := classicBundle(sig)
	if err != nil {
		return "", err
	}
	result, err := k.bundles.Verify(b, verify.NewPolicy(verify.WithArtifact(bytes.NewReader(sig.Payload)), k.policy))
	if err != nil {
		return "", err
	}
	return k.signer(result), checkPayload(sig.Payload, d)
}

// logEntries reads the annotation with the entry in a log, "" for none.
func logEntries(text string) ([]*protorekor.TransparencyLogEntry, error) {
	if text == "" {
		return nil, nil
	}
	var entry struct {
		SignedEntryTimestamp []byte
		Payload              struct {
			Body           []byte `json:"body"`
			IntegratedTime int64  `json:"integratedTime"`
			LogIndex       int64  `json:"logIndex"`
			LogID          string `json:"logID"`
		}
	}
	if err := json.Unmarshal([]byte(text), &entry); err != nil {
		return nil, err
	}
	var kind struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := json.Unmarshal(entry.Payload.Body, &kind); err != nil {
		return nil, err
	}
	logID, err := hex.DecodeString(entry.Payload.LogID)
	if err != nil {
		return nil, err
	}
	return []*protorekor.TransparencyLogEntry{{
		LogIndex:          entry.Payload.LogIndex,
		LogId:             &protocommon.LogId{KeyId: logID},
		KindVersion:       &protorekor.KindVersion{Kind: kind.Kind, Version: kind.APIVersion},
		IntegratedTime:    entry.Payload.IntegratedTime,
		InclusionPromise:  &protorekor.InclusionPromise{SignedEntryTimestamp: entry.SignedEntryTimestamp},
		CanonicalizedBody: entry.Payload.Body,
	}}, nil
}
