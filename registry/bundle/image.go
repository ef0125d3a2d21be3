package bundle

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry/bundle/ustar"
)

// volumeConfig is the config of a volume's image. It makes its digest differ from that of any file of an item.
type volumeConfig struct {
	Bundle Sum `json:"bundle"`
	Volume int `json:"volume"`
}

// newImage returns the image of a volume: its manifest and its config; lines is its layer.
func newImage(bundle Sum, volume int, lines File) (manifest, config artifact.Blob, err error) {
	raw, err := json.Marshal(volumeConfig{bundle, volume})
	if err != nil {
		return manifest, config, err
	}
	config = artifact.NewBlob(MediaTypeConfig, raw)
	raw, err = json.Marshal(ocispec.Manifest{
		Versioned:    specs.Versioned{SchemaVersion: 2},
		MediaType:    ocispec.MediaTypeImageManifest,
		ArtifactType: ArtifactType,
		Config:       config.Descriptor,
		Layers:       []ocispec.Descriptor{{MediaType: MediaTypeLines, Digest: lines.Digest.Digest(), Size: lines.Size}},
		Annotations:  map[string]string{artifact.AnnotationFormat: artifact.FormatVersion},
	})
	return artifact.NewBlob(ocispec.MediaTypeImageManifest, raw), config, err
}

// parseImage returns what the manifest of a volume's image refers to.
func parseImage(raw []byte) (config, lines File, err error) {
	im, err := artifact.ParseImage(raw, ArtifactType, artifact.ErrCorrupt)
	if err == nil && (im.Config.MediaType != MediaTypeConfig || len(im.Layers) != 1 || im.Layers[0].MediaType != MediaTypeLines) {
		err = artifact.ErrCorrupt
	}
	if err == nil {
		config, err = fileOf(im.Config)
	}
	if err == nil {
		lines, err = fileOf(im.Layers[0])
	}
	if err != nil {
		return config, lines, fmt.Errorf("%w: %w", ErrNoBundle, err)
	}
	if err := artifact.CheckSize("config of the volume", config.Size, maxLine); err != nil {
		return config, lines, err
	}
	return config, lines, artifact.CheckSize("bundle manifest", lines.Size, maxLines)
}

// links are the blobs that an image manifest lists, each once; none of an index.
func links(raw []byte) (files []File, err error) {
	var m struct {
		Config *ocispec.Descriptor  `json:"config"`
		Layers []ocispec.Descriptor `json:"layers"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("%w: a manifest is no JSON object: %w", artifact.ErrCorrupt, err)
	}
	if m.Config != nil {
		m.Layers = append([]ocispec.Descriptor{*m.Config}, m.Layers...)
	}
	seen := make(map[Sum]bool)
	for _, d := range m.Layers {
		f, err := fileOf(d)
		if err != nil {
			return nil, err
		}
		if !seen[f.Digest] {
			seen[f.Digest] = true
			files = append(files, f)
		}
	}
	return files, nil
}

func fileOf(d ocispec.Descriptor) (File, error) {
	s, err := SumOf(d.Digest)
	if err != nil || d.Size < 0 || d.Size > ustar.MaxFile {
		return File{}, fmt.Errorf("%w: %d bytes with the digest %.80q", artifact.ErrCorrupt, d.Size, string(d.Digest))
	}
	return File{Digest: s, Size: d.Size}, nil
}

// readSmall reads a file that fits into memory, and checks it.
func readSmall(r io.Reader, f File) ([]byte, error) {
	data := make([]byte, f.Size)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("%w: %s is cut off: %w", artifact.ErrCorrupt, f.name(), err)
	}
	if Sum(sha256.Sum256(data)) != f.Digest {
		return nil, fmt.Errorf("%w: the content of %s is another one", artifact.ErrCorrupt, f.name())
	}
	return data, nil
}
