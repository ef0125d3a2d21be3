package sign

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
)

// BundleType is the media type of a sigstore bundle, v0.3, and the artifact type of the manifest that carries one.
const BundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"

// maxBundle bounds a sigstore bundle, in bytes.
const maxBundle = 512 << 10

// Annotations by which cosign tells what is in a bundle without reading it.
const (
	annotationContent   = "dev.sigstore.bundle.content"
	annotationPredicate = "dev.sigstore.bundle.predicateType"
)

// IsBundle reports whether a manifest says that it carries a sigstore bundle: a signature, or an attestation.
func IsBundle(manifest []byte) bool {
	var m ocispec.Manifest
	if json.Unmarshal(manifest, &m) != nil {
		return false
	}
	return cmp.Or(m.ArtifactType, m.Config.MediaType) == BundleType && m.Subject != nil && len(m.Layers) > 0 && m.Layers[0].MediaType == BundleType
}

// Referrer returns the image that carries a signature made by [Signer.SignBundle], to be pushed by digest. It refers to the
// manifest that was signed, subject, of which media type, digest and size count. The bundle is inlined as well, which
// saves the readers a request.
func Referrer(subject ocispec.Descriptor, sig Signature) (*artifact.Image, error) {
	if sig.Format != Bundle || len(sig.Payload) == 0 || len(sig.Payload) > maxBundle {
		return nil, fmt.Errorf("signature to add: not a bundle of at most %d bytes", maxBundle)
	}
	bundle, config := artifact.NewBlob(BundleType, sig.Payload), artifact.NewBlob(ocispec.MediaTypeEmptyJSON, []byte("{}"))
	layer := bundle.Descriptor
	layer.Data = sig.Payload
	raw, err := json.Marshal(ocispec.Manifest{
		Versioned:    specs.Versioned{SchemaVersion: 2},
		MediaType:    ocispec.MediaTypeImageManifest,
		ArtifactType: BundleType,
		Config:       config.Descriptor,
		Layers:       []ocispec.Descriptor{layer},
		Subject:      &ocispec.Descriptor{MediaType: cmp.Or(subject.MediaType, ocispec.MediaTypeImageManifest), Digest: subject.Digest, Size: subject.Size},
		Annotations:  map[string]string{annotationContent: "dsse-envelope", annotationPredicate: predicateType(sig.Payload)},
	})
	if err != nil {
		return nil, err
	}
	return &artifact.Image{
		Raw: raw, Descriptor: artifact.NewBlob(ocispec.MediaTypeImageManifest, raw).Descriptor, Blobs: []artifact.Blob{config, bundle},
	}, nil
}

// ParseReferrer returns the signature, or the attestation, in a manifest of which [IsBundle] is true. One that is broken,
// or too large, gives a signature that verifiers count as broken.
func ParseReferrer(manifest []byte) Signature {
	var m struct {
		Layers []json.RawMessage `json:"layers"`
	}
	if err := json.Unmarshal(manifest, &m); err != nil || len(m.Layers) == 0 {
		return Signature{Format: Bundle, broken: errors.New("the manifest has no layer")}
	}
	d, data, err := parseDescriptor(m.Layers[0], maxBundle)
	if err != nil {
		return Signature{Format: Bundle, broken: err}
	}
	s := Signature{Format: Bundle, Descriptor: d}
	if s.describes(data) {
		s.Payload = data
	}
	return s
}
