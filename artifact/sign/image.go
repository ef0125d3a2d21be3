package sign

import (
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
)

const (
	// maxLayers bounds the signatures of one manifest. Each costs a check per key, and
	// a request where the payload is not inlined.
	maxLayers = 128

	mediaTypeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	mediaTypeDockerConfig   = "application/vnd.docker.container.image.v1+json"
)

// image is a .sig manifest of which only the parts that are needed were
// decoded, so that everything else survives an append.
type image struct {
	members   map[string]json.RawMessage
	mediaType string
	layers    []json.RawMessage
}

// noSignatures is a .sig manifest without any.
const noSignatures = `{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageManifest +
	`","config":{"mediaType":"` + ocispec.MediaTypeImageConfig + `"}}`

func parseImage(manifest []byte) (*image, error) {
	if err := artifact.CheckSize("signature manifest", int64(len(manifest)), artifact.MaxManifest); err != nil {
		return nil, err
	}
	m := &image{mediaType: ocispec.MediaTypeImageManifest}
	if err := json.Unmarshal(manifest, &m.members); err != nil {
		return nil, fmt.Errorf("%w: signature manifest: %w", artifact.ErrCorrupt, err)
	}
	if len(m.members["config"]) == 0 { // an index, or JSON of another sort
		return nil, fmt.Errorf("%w: signature manifest without config", artifact.ErrCorrupt)
	}
	if err := m.decode("mediaType", &m.mediaType); err != nil {
		return nil, err
	}
	if m.mediaType != ocispec.MediaTypeImageManifest && m.mediaType != mediaTypeDockerManifest {
		return nil, fmt.Errorf("%w: signature manifest of media type %.80q", artifact.ErrCorrupt, m.mediaType)
	}
	if err := m.decode("layers", &m.layers); err != nil {
		return nil, err
	}
	if len(m.layers) > maxLayers {
		return nil, fmt.Errorf("%w: %d signatures, at most %d are read", artifact.ErrLimit, len(m.layers), maxLayers)
	}
	return m, nil
}

// decode leaves to alone when there is no such member.
func (m *image) decode(member string, to any) error {
	data, ok := m.members[member]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(data, to); err != nil {
		return fmt.Errorf("%w: signature manifest: %s: %w", artifact.ErrCorrupt, member, err)
	}
	return nil
}

// encode sets a member.
func (m *image) encode(member string, from any) error {
	data, err := json.Marshal(from)
	if err != nil {
		return err
	}
	m.members[member] = data
	return nil
}

// config renews the image config, which lists the layers once more: cosign and image tools count on the two lists
// being equal. It is rebuilt from the layers and not fetched, since their content is not compressed: its digest is
// the diff ID. A config of another kind says nothing about layers and stays as it is (ok is false).
func (m *image) config() (b artifact.Blob, ok bool, err error) {
	var old ocispec.Descriptor
	if err := m.decode("config", &old); err != nil {
		return b, false, err
	}
	if old.MediaType != ocispec.MediaTypeImageConfig && old.MediaType != mediaTypeDockerConfig {
		return b, false, nil
	}
	config := v1.ConfigFile{RootFS: v1.RootFS{Type: "layers"}}
	for i, raw := range m.layers {
		diffID, err := layerDigest(raw)
		if err != nil {
			return b, false, fmt.Errorf("%w: layer %d of the signature manifest: %w", artifact.ErrCorrupt, i, err)
		}
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, diffID)
		config.History = append(config.History, v1.History{})
	}
	data, err := json.Marshal(config)
	if err != nil {
		return b, false, err
	}
	b = artifact.NewBlob(old.MediaType, data)
	return b, true, m.encode("config", b.Descriptor)
}

func layerDigest(raw json.RawMessage) (v1.Hash, error) {
	var d struct{ Digest string }
	if err := json.Unmarshal(raw, &d); err != nil {
		return v1.Hash{}, err
	}
	return v1.NewHash(d.Digest)
}
