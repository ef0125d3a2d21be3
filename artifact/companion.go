package artifact

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Companions are small artifacts in a module's repository, beside its versions.
// They are no images, so that image policies leave them alone:
//
//	manifest  the artifact type; annotations of format and of what it is about
//	config    {}
//	layer     one, always carried inside the manifest
type companionType struct{ artifact, config string }

// A CompanionImage is a companion ready to be pushed: the blobs, then the manifest.
type CompanionImage struct {
	Descriptor ocispec.Descriptor // of the manifest
	Raw        []byte             // the manifest
	Blobs      []Blob             // config and layer, each content once
}

// build packages a companion. The format is added to the annotations.
func (t companionType) build(annotations map[string]string, layer Blob) (*CompanionImage, error) {
	config := NewBlob(t.config, []byte("{}"))
	blobs := []Blob{config}
	if layer.Descriptor.Digest != config.Descriptor.Digest {
		blobs = append(blobs, layer)
	}
	inlined := layer.Descriptor
	var err error
	if inlined.Data, err = readBlob(layer); err != nil {
		return nil, err
	}
	annotations[AnnotationFormat] = FormatVersion
	raw, err := json.Marshal(ocispec.Manifest{
		Versioned:    specs.Versioned{SchemaVersion: 2},
		MediaType:    ocispec.MediaTypeImageManifest,
		ArtifactType: t.artifact,
		Config:       config.Descriptor,
		Layers:       []ocispec.Descriptor{inlined},
		Annotations:  annotations,
	})
	if err != nil {
		return nil, err
	}
	d := NewBlob(ocispec.MediaTypeImageManifest, raw).Descriptor
	d.ArtifactType = t.artifact
	return &CompanionImage{Descriptor: d, Raw: raw, Blobs: blobs}, nil
}

// parse returns the annotations of a companion and its layer, which it carries. The
// error matches ErrCorrupt or ErrLimit.
func (t companionType) parse(manifest []byte) (annotations map[string]string, layer ocispec.Descriptor, err error) {
	if len(manifest) > MaxManifest {
		return nil, layer, fmt.Errorf("manifest: %d bytes, at most %d are accepted: %w", len(manifest), MaxManifest, ErrLimit)
	}
	var im ocispec.Manifest
	if err := json.Unmarshal(manifest, &im); err != nil {
		return nil, layer, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	switch format := im.Annotations[AnnotationFormat]; {
	case im.SchemaVersion != 2 || im.MediaType != ocispec.MediaTypeImageManifest || im.ArtifactType != t.artifact || im.Config.MediaType != t.config:
		return nil, layer, fmt.Errorf("%w: the manifest is of type %q", ErrCorrupt, im.ArtifactType)
	case format != FormatVersion:
		return nil, layer, fmt.Errorf("%w: format %q, known is %q: a newer modferry may read it", ErrCorrupt, format, FormatVersion)
	case len(im.Layers) != 1:
		return nil, layer, fmt.Errorf("%w: %d layers instead of 1", ErrCorrupt, len(im.Layers))
	}
	layer = im.Layers[0]
	if err := errors.Join(checkBlob("config", im.Config, maxConfig), checkBlob("layer", layer, MaxInlineMeta)); err != nil {
		return nil, layer, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if int64(len(layer.Data)) != layer.Size || digest.FromBytes(layer.Data) != layer.Digest {
		return nil, layer, fmt.Errorf("%w: the manifest does not carry the layer it describes", ErrCorrupt)
	}
	return im.Annotations, layer, nil
}
