package sign

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/opencontainers/go-digest"
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

// A SignatureImage is a .sig image, ready to be pushed to the tag [Tag].
type SignatureImage struct {
	Raw        []byte             // the manifest
	Descriptor ocispec.Descriptor // of Raw
	Blobs      []artifact.Blob    // to push before it: those that are new
}

// Append returns the .sig image with one more signature. existing is the
// present .sig manifest, or nil if there is none. What it holds is kept: signatures
// are added, never replaced. The same input gives the same bytes. An existing
// manifest that [Parse] refuses is an error here too, as is a result that it would refuse.
func Append(existing []byte, sig Signature) (*SignatureImage, error) {
	if err := checkForm(sig); err != nil {
		return nil, fmt.Errorf("signature to add: %w", err)
	}
	m := newImage()
	if existing != nil {
		var err error
		if m, err = parseImage(existing); err != nil {
			return nil, err
		}
	}
	if len(m.layers) >= maxLayers {
		return nil, fmt.Errorf("%w: there are %d signatures already", artifact.ErrLimit, len(m.layers))
	}
	payload := artifact.NewBlob(types.SimpleSigningMediaType, sig.Payload)
	if err := m.addLayer(payload.Descriptor, sig); err != nil {
		return nil, err
	}
	config, renewed, err := m.config()
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(m.members)
	if err != nil {
		return nil, err
	}
	if len(raw) > artifact.MaxManifest {
		return nil, fmt.Errorf("%w: signature manifest of %d bytes", artifact.ErrLimit, len(raw))
	}
	blobs := []artifact.Blob{payload}
	if renewed {
		blobs = append(blobs, config)
	}
	return &SignatureImage{Raw: raw, Descriptor: artifact.NewBlob(m.mediaType, raw).Descriptor, Blobs: blobs}, nil
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
	if err != nil {
		return err
	}
	m.layers = append(m.layers, raw)
	return m.encode("layers", m.layers)
}

// A Layer is one layer of a .sig manifest: a signature whose payload is inlined,
// is still to be fetched, or cannot be had.
type Layer struct {
	Descriptor  ocispec.Descriptor // of the payload, without its Data
	Annotations map[string]string
	Signature   string // in base64
	Payload     []byte // nil if not inlined, or not with the right digest and size
	Err         error  // why the layer is no usable signature; a caller may set it
}

// Parse returns the layers of a .sig manifest, of at most 4 MiB and 128 layers. A
// layer that is broken or no signature has its Err set and does not affect the
// others. Errors match [artifact.ErrCorrupt] or [artifact.ErrLimit].
func Parse(manifest []byte) ([]Layer, error) {
	m, err := parseImage(manifest)
	if err != nil {
		return nil, err
	}
	layers := make([]Layer, 0, len(m.layers))
	for _, raw := range m.layers {
		l, err := parseLayer(raw)
		if err != nil {
			l = Layer{Err: err}
		}
		layers = append(layers, l)
	}
	return layers, nil
}

func parseLayer(raw json.RawMessage) (Layer, error) {
	var d struct {
		ocispec.Descriptor
		Data json.RawMessage `json:"data"` // apart, so that bad base64 breaks nothing else
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return Layer{}, err
	}
	if err := d.Digest.Validate(); err != nil {
		return Layer{}, err
	}
	if d.Size <= 0 || d.Size > maxPayload {
		return Layer{}, fmt.Errorf("payload of %d bytes, not 1 to %d", d.Size, maxPayload)
	}
	l := Layer{Descriptor: d.Descriptor, Annotations: d.Annotations, Signature: d.Annotations[static.SignatureAnnotationKey]}
	if l.Signature == "" {
		return Layer{}, fmt.Errorf("no annotation %s", static.SignatureAnnotationKey)
	}
	var data []byte
	if json.Unmarshal(d.Data, &data) == nil && l.checkPayload(data) == nil {
		l.Payload = data
	}
	return l, nil
}

func (l Layer) checkPayload(data []byte) error {
	if int64(len(data)) != l.Descriptor.Size || l.Descriptor.Digest.Algorithm().FromBytes(data) != l.Descriptor.Digest {
		return errors.New("payload does not match its digest and size")
	}
	return nil
}

// Fetch reports whether the payload has to be fetched, as the blob l.Descriptor.
func (l Layer) Fetch() bool { return l.Payload == nil && l.Err == nil }

// With returns the layer's signature. The payload is the one fetched if
// [Layer.Fetch] asked for it, else it is ignored. A layer with an error gives a
// signature that verifiers count as broken, with that error as the reason.
func (l Layer) With(payload []byte) Signature {
	if l.Fetch() {
		l.Payload, l.Err = payload, l.checkPayload(payload)
	}
	return Signature{Payload: l.Payload, Base64: l.Signature, Annotations: l.Annotations, broken: l.Err}
}
