package sign

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/cosign/v2/pkg/types"

	"github.com/modferry/modferry/artifact"
)

// Tag returns the tag of the .sig image with the signatures for a manifest:
// sha256-<hex>.sig. For a digest of another kind it is none that a registry accepts.
func Tag(d digest.Digest) string {
	return strings.Replace(d.String(), ":", "-", 1) + ".sig"
}

// Append returns the .sig image, to be pushed to the tag [Tag], with one more signature; of the blobs it has those
// that are new. existing is the present .sig manifest, or nil if there is none. What it holds is kept: signatures
// are added, never replaced. The same input gives the same bytes. An existing
// manifest that [Parse] refuses is an error here too, as is a result that it would refuse.
func Append(existing []byte, sig Signature) (*artifact.Image, error) {
	if sig.Format != Classic {
		return nil, fmt.Errorf("signature to add: a %s is not stored so", sig.Format)
	}
	if err := checkForm(sig); err != nil {
		return nil, fmt.Errorf("signature to add: %w", err)
	}
	return add(existing, []Signature{sig})
}

// Merge is [Append] for the signatures of a copy elsewhere. Those that existing has are left out, and those that are
// broken. It returns nil if there is none to add.
func Merge(existing []byte, sigs []Signature) (*artifact.Image, error) {
	var have []Signature
	if existing != nil {
		var err error
		if have, err = Parse(existing); err != nil {
			return nil, err
		}
	}
	var missing []Signature
	for _, sig := range sigs {
		same := func(s Signature) bool { return s.Base64 == sig.Base64 && s.Descriptor.Digest == sig.Descriptor.Digest }
		if checkForm(sig) == nil && !slices.ContainsFunc(have, same) {
			missing = append(missing, sig)
			have = append(have, sig)
		}
	}
	if missing == nil {
		return nil, nil
	}
	return add(existing, missing)
}

// add is Append for several signatures.
func add(existing []byte, sigs []Signature) (*artifact.Image, error) {
	m := &image{
		Manifest: ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest},
		Config:   &ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig},
	}
	if existing != nil {
		var err error
		if m, err = parseImage(existing); err != nil {
			return nil, err
		}
	}
	if len(m.Layers)+len(sigs) > maxLayers {
		return nil, fmt.Errorf("%w: there are %d signatures already, and %d more", artifact.ErrLimit, len(m.Layers), len(sigs))
	}
	var blobs []artifact.Blob
	for _, sig := range sigs {
		payload := artifact.NewBlob(types.SimpleSigningMediaType, sig.Payload)
		if err := m.addLayer(payload.Descriptor, sig); err != nil {
			return nil, err
		}
		blobs = append(blobs, payload)
	}
	config, renewed, err := m.renewConfig()
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	if err := artifact.CheckSize("signature manifest", int64(len(raw)), artifact.MaxManifest); err != nil {
		return nil, err
	}
	if renewed {
		blobs = append(blobs, config)
	}
	return &artifact.Image{Raw: raw, Descriptor: artifact.NewBlob(m.mediaType(), raw).Descriptor, Blobs: blobs}, nil
}

// addLayer adds a signature with its payload inlined, which saves the readers a request.
func (m *image) addLayer(d ocispec.Descriptor, sig Signature) error {
	d.Data = sig.Payload
	d.Annotations = maps.Clone(sig.Annotations)
	if d.Annotations == nil {
		d.Annotations = make(map[string]string, 1)
	}
	d.Annotations[static.SignatureAnnotationKey] = sig.Base64
	raw, err := json.Marshal(d)
	m.Layers = append(m.Layers, raw)
	return err
}

// Parse returns the signatures of a .sig manifest, of at most 4 MiB: the first 32, and in front of them one that stands
// for those that were not read, if there are more. A layer that is broken or no signature gives one that verifiers count
// as broken, and does not affect the others. Errors match [artifact.ErrCorrupt] or [artifact.ErrLimit].
func Parse(manifest []byte) ([]Signature, error) {
	m, err := parseImage(manifest)
	if err != nil {
		return nil, err
	}
	sigs := make([]Signature, 0, min(len(m.Layers), maxLayers)+1)
	if n := len(m.Layers); n > maxLayers {
		sigs = append(sigs, Unread(fmt.Errorf("of %d signatures only the first %d were read", n, maxLayers)))
		m.Layers = m.Layers[:maxLayers]
	}
	for _, raw := range m.Layers {
		s, err := parseLayer(raw)
		if err != nil {
			s = Signature{broken: err}
		}
		sigs = append(sigs, s)
	}
	return sigs, nil
}

func parseLayer(raw json.RawMessage) (Signature, error) {
	d, data, err := parseDescriptor(raw, maxPayload)
	if err != nil {
		return Signature{}, err
	}
	s := Signature{Descriptor: d, Annotations: d.Annotations, Base64: d.Annotations[static.SignatureAnnotationKey]}
	if s.Base64 == "" {
		return Signature{}, fmt.Errorf("no annotation %s", static.SignatureAnnotationKey)
	}
	if s.describes(data) {
		s.Payload = data
	}
	return s, nil
}

// parseDescriptor reads the descriptor of content of at most limit bytes, and the content if that is inlined.
func parseDescriptor(raw json.RawMessage, limit int64) (d ocispec.Descriptor, data []byte, err error) {
	var parsed struct {
		ocispec.Descriptor
		Data json.RawMessage `json:"data"` // apart, so that bad base64 breaks nothing else
	}
	if err := json.Unmarshal(raw, &parsed); err != nil {
		return d, nil, err
	}
	if d = parsed.Descriptor; d.Size <= 0 || d.Size > limit {
		return d, nil, fmt.Errorf("%d bytes, not 1 to %d", d.Size, limit)
	}
	if json.Unmarshal(parsed.Data, &data) != nil {
		data = nil
	}
	return d, data, d.Digest.Validate()
}

func (s Signature) describes(payload []byte) bool {
	d := s.Descriptor
	return int64(len(payload)) == d.Size && d.Digest.Algorithm().FromBytes(payload) == d.Digest
}

// Fetch reports whether the payload has to be fetched, as the blob s.Descriptor.
func (s Signature) Fetch() bool { return s.Payload == nil && s.broken == nil && s.unread == nil }

// SetPayload sets the payload of a signature for which [Signature.Fetch] asked, or why it cannot be had. With an
// error, or another payload than the one described, the signature counts as broken.
func (s *Signature) SetPayload(payload []byte, err error) {
	if err == nil && !s.describes(payload) {
		err = errors.New("payload does not match its digest and size")
	}
	s.Payload, s.broken = payload, err
}
