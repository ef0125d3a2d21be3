package sign

import (
	"cmp"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
)

const (
	// maxLayers bounds the signatures that are read of one manifest. Each costs a check per key, and
	// a request where the payload is not inlined.
	maxLayers = 32

	mediaTypeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	mediaTypeDockerConfig   = "application/vnd.docker.container.image.v1+json"
)

// image is a .sig manifest, whose layers are left as they are, so that they survive an append.
type image struct {
	ocispec.Manifest
	Config *ocispec.Descriptor `json:"config"`
	Layers []json.RawMessage   `json:"layers"`
}

func parseImage(manifest []byte) (*image, error) {
	if err := artifact.CheckSize("signature manifest", int64(len(manifest)), artifact.MaxManifest); err != nil {
		return nil, err
	}
	m := new(image)
	if err := json.Unmarshal(manifest, m); err != nil {
		return nil, fmt.Errorf("%w: signature manifest: %w", artifact.ErrCorrupt, err)
	}
	switch {
	case m.Config == nil: // an index, or JSON of another sort
		return nil, fmt.Errorf("%w: signature manifest without config", artifact.ErrCorrupt)
	case m.mediaType() != ocispec.MediaTypeImageManifest && m.mediaType() != mediaTypeDockerManifest:
		return nil, fmt.Errorf("%w: signature manifest of media type %.80q", artifact.ErrCorrupt, m.MediaType)
	}
	return m, nil
}

// mediaType is that of the manifest, which need not say it.
func (m *image) mediaType() string { return cmp.Or(m.MediaType, ocispec.MediaTypeImageManifest) }

// renewConfig makes the image config anew, which lists the layers once more: cosign and image tools count on the two
// lists being equal. It is rebuilt from the layers and not fetched, since their content is not compressed: its digest
// is the diff ID. A config of another kind says nothing about layers and stays as it is (ok is false).
func (m *image) renewConfig() (b artifact.Blob, ok bool, err error) {
	if m.Config.MediaType != ocispec.MediaTypeImageConfig && m.Config.MediaType != mediaTypeDockerConfig {
		return b, false, nil
	}
	config := v1.ConfigFile{RootFS: v1.RootFS{Type: "layers"}}
	for i, raw := range m.Layers {
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
	b = artifact.NewBlob(m.Config.MediaType, data)
	m.Config = &b.Descriptor
	return b, true, nil
}

func layerDigest(raw json.RawMessage) (v1.Hash, error) {
	var d struct{ Digest string }
	if err := json.Unmarshal(raw, &d); err != nil {
		return v1.Hash{}, err
	}
	return v1.NewHash(d.Digest)
}
