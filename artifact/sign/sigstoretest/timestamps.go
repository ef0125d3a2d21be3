package sigstoretest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/digitorus/timestamp"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
)

// timestamper is a timestamp authority that answers requests, RFC 3161 over HTTP.
type timestamper struct {
	root.SigstoreTimestampingAuthority
	key *ecdsa.PrivateKey
}

func newTimestamper() (*timestamper, error) {
	anchor, anchorKey, err := ca.GenerateRootCa()
	if err != nil {
		return nil, err
	}
	intermediate, intermediateKey, err := ca.GenerateTSAIntermediate(anchor, anchorKey)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf, err := ca.GenerateTSALeafCert(time.Now().Add(-5*time.Minute), key, intermediate, intermediateKey)
	if err != nil {
		return nil, err
	}
	return &timestamper{key: key, SigstoreTimestampingAuthority: root.SigstoreTimestampingAuthority{
		Root: anchor, Intermediates: []*x509.Certificate{intermediate}, Leaf: leaf, URI: "https://timestamps.example",
		ValidityPeriodStart: time.Now().Add(-time.Hour), ValidityPeriodEnd: time.Now().Add(time.Hour),
	}}, nil
}

// ServeHTTP answers with a timestamp for the digest in a request.
func (s *timestamper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	q, err := timestamp.ParseRequest(data)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := (&timestamp.Timestamp{
		HashAlgorithm: q.HashAlgorithm, HashedMessage: q.HashedMessage, Nonce: q.Nonce, Time: time.Now(),
		Policy: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}, AddTSACertificate: q.Certificates,
	}).CreateResponseWithOpts(s.Leaf, s.key, crypto.SHA256)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/timestamp-reply")
	w.WriteHeader(http.StatusCreated)
	w.Write(answer)
}

// Authority writes what cosign needs to sign with a certificate, and what is needed to verify that, to dir: the private key
// leaf.key (PEM, not encrypted), its certificate leaf.pem, in which issuer vouches for subject, the authorities above it in
// chain.pem, and trusted_root.json, which demands timestamps of the handler that it returns.
func Authority(dir, subject, issuer string) (timestamps http.Handler, err error) {
	sigstore, err := ca.NewVirtualSigstore()
	if err != nil {
		return nil, err
	}
	stamps, err := newTimestamper()
	if err != nil {
		return nil, err
	}
	leaf, key, err := sigstore.GenerateLeafCert(subject, issuer)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key.(*ecdsa.PrivateKey))
	if err != nil {
		return nil, err
	}
	fulcio := sigstore.FulcioCertificateAuthorities()[0].(*root.FulcioCertificateAuthority)
	trusted, err := root.NewTrustedRoot(root.TrustedRootMediaType01, sigstore.FulcioCertificateAuthorities(), nil,
		[]root.TimestampingAuthority{&stamps.SigstoreTimestampingAuthority}, nil)
	if err != nil {
		return nil, err
	}
	data, err := trusted.MarshalJSON()
	if err != nil {
		return nil, err
	}
	write := func(name string, data []byte) error { return os.WriteFile(filepath.Join(dir, name), data, 0o600) }
	return stamps, errors.Join(
		write("leaf.key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})),
		write("leaf.pem", encode(leaf)),
		write("chain.pem", append(encode(fulcio.Intermediates[0]), encode(fulcio.Root)...)),
		write("trusted_root.json", data),
	)
}

func encode(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}
