package artifact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Blob is content to push.
type Blob struct {
	// Descriptor has the media type, digest and size of the content.
	Descriptor ocispec.Descriptor

	data []byte
	open func() (io.ReadCloser, error) // for content that is not in data
}

// NewBlob returns a blob with the given content, which must not be modified afterwards.
func NewBlob(mediaType string, data []byte) Blob {
	return Blob{
		Descriptor: ocispec.Descriptor{
			MediaType: mediaType,
			Digest:    digest.FromBytes(data),
			Size:      int64(len(data)),
		},
		data: data,
	}
}

// BlobFrom returns the blob that d describes, whose content open reads from its beginning, any number of times. Whoever
// stores it holds the content against d.
func BlobFrom(d ocispec.Descriptor, open func() (io.ReadCloser, error)) Blob {
	return Blob{Descriptor: d, open: open}
}

// Open returns a reader of the content from its beginning. It may be called any number of times, also concurrently. A
// zip layer is read from the zip file as it is needed; the error says so if that file is no longer the one the blob
// was made of, as far as its size tells.
func (b Blob) Open() (io.ReadCloser, error) {
	if b.open != nil {
		return b.open()
	}
	return io.NopCloser(bytes.NewReader(b.data)), nil
}

// An Image is a manifest with its blobs, ready to be pushed: the blobs, then the manifest.
type Image struct {
	Descriptor ocispec.Descriptor // of the manifest
	Raw        []byte             // the manifest
	Blobs      []Blob             // config, then layers, each content once
}

// NewImage returns an image of the given parts. It adds the format to the annotations, and carries the first
// layer inside the manifest as well if it has at most [MaxInlineMeta] bytes. Equal parts give equal images.
// The error matches [ErrLimit] if the manifest is too large.
func NewImage(artifactType string, annotations map[string]string, config Blob, layers ...Blob) (*Image, error) {
	annotations[AnnotationFormat] = FormatVersion
	m := ocispec.Manifest{
		Versioned:    specs.Versioned{SchemaVersion: 2},
		MediaType:    ocispec.MediaTypeImageManifest,
		ArtifactType: artifactType,
		Config:       config.Descriptor,
		Annotations:  annotations,
	}
	image := &Image{Blobs: []Blob{config}}
	pushed := map[digest.Digest]bool{config.Descriptor.Digest: true}
	for _, layer := range layers {
		m.Layers = append(m.Layers, layer.Descriptor)
		if d := layer.Descriptor.Digest; !pushed[d] {
			pushed[d] = true
			image.Blobs = append(image.Blobs, layer)
		}
	}
	if m.Layers[0].Size <= MaxInlineMeta {
		m.Layers[0].Data = layers[0].data
	}
	var err error
	if image.Raw, err = json.Marshal(m); err != nil {
		return nil, err
	}
	if err := checkManifestSize(image.Raw); err != nil {
		return nil, err
	}
	image.Descriptor = NewBlob(m.MediaType, image.Raw).Descriptor
	image.Descriptor.ArtifactType = artifactType
	return image, nil
}

// ParseImage parses the manifest of an image of ours that has the given artifact type. It checks the form of all
// there is in such an image, but knows no limits except the manifest's. The error matches [ErrLimit], or else the error wrong.
func ParseImage(manifest []byte, artifactType string, wrong error) (*ocispec.Manifest, error) {
	if err := checkManifestSize(manifest); err != nil {
		return nil, err
	}
	var im struct {
		ocispec.Manifest
		Manifests json.RawMessage `json:"manifests"` // of an index that pretends
	}
	if err := json.Unmarshal(manifest, &im); err != nil {
		return nil, fmt.Errorf("%w: %w", wrong, err)
	}
	switch format := im.Annotations[AnnotationFormat]; {
	case im.SchemaVersion != 2 || im.MediaType != ocispec.MediaTypeImageManifest || im.Manifests != nil:
		return nil, fmt.Errorf("%w: not an OCI image manifest but %q", wrong, im.MediaType)
	case format == "":
		return nil, fmt.Errorf("%w: annotation %s is missing", wrong, AnnotationFormat)
	case format != FormatVersion:
		return nil, fmt.Errorf("%w: format %q, known is %q: a newer modferry may read it", wrong, format, FormatVersion)
	case im.ArtifactType != artifactType:
		return nil, fmt.Errorf("%w: unexpected artifact type %q", wrong, im.ArtifactType)
	case len(im.Layers) == 0:
		return nil, fmt.Errorf("%w: there is no layer", wrong)
	}
	for _, d := range append([]ocispec.Descriptor{im.Config}, im.Layers...) {
		if d.Digest.Validate() != nil || d.Digest.Algorithm() != digest.SHA256 || d.Size <= 0 {
			return nil, fmt.Errorf("%w: %q of %d bytes with the digest %q, which must be SHA-256",
				wrong, d.MediaType, d.Size, d.Digest)
		}
	}
	return &im.Manifest, nil
}

func checkManifestSize(manifest []byte) error {
	return CheckSize("manifest", int64(len(manifest)), MaxManifest)
}

// CheckSize returns an error that matches [ErrLimit] if something has more bytes than the limit.
func CheckSize(name string, size, limit int64) error {
	if size > limit {
		return fmt.Errorf("%s: %d bytes, at most %d are accepted: %w", name, size, limit, ErrLimit)
	}
	return nil
}

// ReadAll reads all of r, whose name is for the error. More than limit bytes are [ErrLimit].
func ReadAll(r io.Reader, name string, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: more than %d bytes: %w", name, limit, ErrLimit)
	}
	return data, err
}

// Inlined returns the content of a blob that the manifest with its descriptor carries; ok is false if it does not.
// The error matches [ErrCorrupt] if what it carries is not what it describes.
func Inlined(d ocispec.Descriptor) (data []byte, ok bool, err error) {
	if d.Data == nil {
		return nil, false, nil
	}
	if int64(len(d.Data)) != d.Size || digest.FromBytes(d.Data) != d.Digest {
		return nil, false, fmt.Errorf("blob inside the manifest: %w: it does not match its digest and size", ErrCorrupt)
	}
	return d.Data, true, nil
}

// parseCompanion parses the manifest of a companion: a small artifact in a module's repository, beside its versions.
// Companions are no images, so that image policies leave them alone:
//
//	manifest  the artifact type; annotations of format and of what it is about
//	config    {}
//	layer     one, always carried inside the manifest
//
// It returns what the annotations say and the layer. The error matches ErrCorrupt or ErrLimit.
func parseCompanion(manifest []byte, artifactType, configType string) (about map[string]string, layer ocispec.Descriptor, err error) {
	im, err := ParseImage(manifest, artifactType, ErrCorrupt)
	if err != nil {
		return nil, layer, err
	}
	if im.Config.MediaType != configType || len(im.Layers) != 1 {
		return nil, layer, fmt.Errorf("%w: config of type %q, %d layers", ErrCorrupt, im.Config.MediaType, len(im.Layers))
	}
	layer = im.Layers[0]
	if _, ok, err := Inlined(layer); err != nil || !ok {
		return nil, layer, fmt.Errorf("%w: the manifest does not carry the layer it describes", ErrCorrupt)
	}
	return im.Annotations, layer, nil
}
