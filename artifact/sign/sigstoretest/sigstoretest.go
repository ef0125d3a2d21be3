// Package sigstoretest is a sigstore for tests: a certificate authority, a transparency log and a timestamp authority,
// made anew and offline, and what people sign with them.
package sigstoretest

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/modferry/modferry/artifact/sign"
)

// Sigstore is one, which nobody trusts who does not have its root.
type Sigstore struct {
	tb testing.TB
	ca *ca.VirtualSigstore
}

// New makes a sigstore.
func New(tb testing.TB) *Sigstore {
	tb.Helper()
	made, err := ca.NewVirtualSigstore()
	if err != nil {
		tb.Fatal(err)
	}
	return &Sigstore{tb: tb, ca: made}
}

// Parts are what besides the certificate authority a root names, or a signature has.
type Parts struct {
	Log        bool // the transparency log, an entry in it
	Timestamps bool // the timestamp authority, a timestamp
	CTLog      bool // the certificate transparency log; no certificate here has anything of it
	Chain      bool // of a root, the anchor of the authority alone; of a signature, what is between that and the certificate
}

// WriteRoot writes a trusted_root.json.
func (s *Sigstore) WriteRoot(file string, names Parts) {
	s.tb.Helper()
	var authorities []root.TimestampingAuthority
	var logs, ctLogs map[string]*root.TransparencyLog
	if names.Timestamps {
		authorities = s.ca.TimestampingAuthorities()
	}
	if names.Log {
		logs = binaryIDs(s.tb, s.ca.RekorLogs())
	}
	if names.CTLog {
		ctLogs = binaryIDs(s.tb, s.ca.CTLogs())
	}
	issuers := s.ca.FulcioCertificateAuthorities()
	if names.Chain {
		anchor := *s.authority()
		anchor.Intermediates = nil
		issuers = []root.CertificateAuthority{&anchor}
	}
	made, err := root.NewTrustedRoot(root.TrustedRootMediaType01, issuers, ctLogs, authorities, logs)
	s.check(err)
	data, err := json.Marshal(made)
	if err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	s.check(err)
}

// binaryIDs mends the IDs of logs, which are hexadecimal in sigstore-go's fake, and binary in the file.
func binaryIDs(tb testing.TB, logs map[string]*root.TransparencyLog) map[string]*root.TransparencyLog {
	for _, log := range logs {
		id, err := hex.DecodeString(string(log.ID))
		if err != nil {
			tb.Fatal(err)
		}
		log.ID = id
	}
	return logs
}

// Statement is an in-toto statement about a manifest, with any type of predicate; cosign's own makes it a signature.
func Statement(d digest.Digest, predicateType string) []byte {
	return []byte(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"` + d.Encoded() + `"}}],` +
		`"predicateType":"` + predicateType + `","predicate":{}}`)
}

// Bundle returns a signed statement as a sigstore bundle: subject has a certificate in which issuer vouches for it.
func (s *Sigstore) Bundle(subject, issuer string, statement []byte, has Parts) sign.Signature {
	s.tb.Helper()
	made, err := s.ca.AttestAtTime(subject, issuer, statement, time.Now().Add(time.Minute), true)
	s.check(err)
	content, err := made.SignatureContent()
	s.check(err)
	envelope := content.EnvelopeContent().RawEnvelope()
	payload, err := envelope.DecodeB64Payload()
	s.check(err)
	material := &protobundle.VerificationMaterial{
		Content: &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: s.certificate(made).Raw}},
	}
	if has.Chain {
		material.Content = &protobundle.VerificationMaterial_X509CertificateChain{X509CertificateChain: &protocommon.X509CertificateChain{
			Certificates: []*protocommon.X509Certificate{{RawBytes: s.certificate(made).Raw}, {RawBytes: s.authority().Intermediates[0].Raw}},
		}}
	}
	if has.Log {
		material.TlogEntries = []*protorekor.TransparencyLogEntry{s.entry(made)}
	}
	if has.Timestamps {
		material.TimestampVerificationData = &protobundle.TimestampVerificationData{
			Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: s.timestamp(made)}},
		}
	}
	data, err := protojson.Marshal(&protobundle.Bundle{
		MediaType: sign.BundleType, VerificationMaterial: material,
		Content: &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
			Payload: payload, PayloadType: envelope.PayloadType, Signatures: []*protodsse.Signature{{Sig: content.Signature()}},
		}},
	})
	s.check(err)
	return sign.Signature{Format: sign.Bundle, Payload: data}
}

// Classic returns a payload signed in the classic format, with the annotations that cosign v2 gives it.
func (s *Sigstore) Classic(subject, issuer string, payload []byte, has Parts) sign.Signature {
	s.tb.Helper()
	made, err := s.ca.SignAtTime(subject, issuer, payload, time.Now().Add(time.Minute))
	s.check(err)
	content, err := made.SignatureContent()
	s.check(err)
	const prefix = "dev.sigstore.cosign/"
	notes := map[string]string{prefix + "certificate": string(encode(s.certificate(made)))}
	if has.Chain {
		notes[prefix+"chain"] = string(encode(s.authority().Intermediates[0])) + string(encode(s.authority().Root))
	}
	if has.Log {
		e := s.entry(made)
		notes[prefix+"bundle"] = s.json(map[string]any{
			"SignedEntryTimestamp": e.InclusionPromise.SignedEntryTimestamp,
			"Payload": map[string]any{
				"body": e.CanonicalizedBody, "integratedTime": e.IntegratedTime, "logIndex": e.LogIndex, "logID": hex.EncodeToString(e.LogId.KeyId),
			},
		})
	}
	if has.Timestamps {
		notes[prefix+"rfc3161timestamp"] = s.json(map[string]any{"SignedRFC3161Timestamp": s.timestamp(made)})
	}
	return sign.Signature{Payload: payload, Base64: base64.StdEncoding.EncodeToString(content.Signature()), Annotations: notes}
}

func (s *Sigstore) check(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatal(err)
	}
}

func (s *Sigstore) authority() *root.FulcioCertificateAuthority {
	return s.ca.FulcioCertificateAuthorities()[0].(*root.FulcioCertificateAuthority)
}

func (s *Sigstore) json(v any) string {
	data, err := json.Marshal(v)
	s.check(err)
	return string(data)
}

func (s *Sigstore) certificate(e *ca.TestEntity) *x509.Certificate {
	content, err := e.VerificationContent()
	s.check(err)
	return content.Certificate()
}

func (s *Sigstore) timestamp(e *ca.TestEntity) []byte {
	stamps, err := e.Timestamps()
	s.check(err)
	return stamps[0]
}

// entry returns the entry in the log, with what sigstore-go's fake leaves out: what kind it is, and the log's promise.
func (s *Sigstore) entry(e *ca.TestEntity) *protorekor.TransparencyLogEntry {
	entries, err := e.TlogEntries()
	s.check(err)
	entry := entries[0].TransparencyLogEntry()
	var body struct{ APIVersion, Kind string }
	s.check(json.Unmarshal(entry.CanonicalizedBody, &body))
	entry.KindVersion = &protorekor.KindVersion{Kind: body.Kind, Version: body.APIVersion}
	promise, err := s.ca.RekorSignPayload(tlog.RekorPayload{
		Body:           base64.StdEncoding.EncodeToString(entry.CanonicalizedBody),
		IntegratedTime: entry.IntegratedTime,
		LogIndex:       entry.LogIndex,
		LogID:          hex.EncodeToString(entry.LogId.KeyId),
	})
	s.check(err)
	entry.InclusionPromise = &protorekor.InclusionPromise{SignedEntryTimestamp: promise}
	return entry
}
