package artifact

import (
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

// A Manifest says which module version an image manifest holds and where its
// parts are. The fields of one that [ParseManifest] or [Build] returned agree
// with each other and keep to the limits of this package.
type Manifest struct {
	// Module is what the annotations say. Compare it with what was asked
	// for: see Identify.
	Module module.Version

	// Sum and GoModSum are the h1: sums of the zip and the go.mod file. Sum
	// is empty for a mod-only version.
	Sum, GoModSum string

	// Config, Meta and Zip describe the blobs. Zip is nil for a mod-only version.
	Config, Meta ocispec.Descriptor
	Zip          *ocispec.Descriptor

	// Annotations are all annotations of the manifest.
	Annotations map[string]string
}

// ParseManifest parses an image manifest. The error matches [ErrNotModule] if
// it is not the manifest of a module version, and [ErrLimit] if it or a blob it
// describes is larger than accepted. Whether it is the manifest that was asked
// for is for the caller to check: by its digest, and with [Manifest.Identify].
func ParseManifest(data []byte) (*Manifest, error) {
	if len(data) > MaxManifest {
		return nil, fmt.Errorf("manifest: %d bytes, at most %d are accepted: %w", len(data), MaxManifest, ErrLimit)
	}
	var im struct {
		ocispec.Manifest
		Manifests json.RawMessage `json:"manifests"` // of an index that pretends
	}
	if err := json.Unmarshal(data, &im); err != nil {
		return nil, notModule("%w", err)
	}
	a := im.Annotations
	switch format := a[AnnotationFormat]; {
	case im.SchemaVersion != 2 || im.MediaType != ocispec.MediaTypeImageManifest || im.Manifests != nil:
		return nil, notModule("not an OCI image manifest but %q", im.MediaType)
	case format == "":
		return nil, notModule("annotation %s is missing", AnnotationFormat)
	case format != FormatVersion:
		return nil, notModule("format %q, known is %q: a newer modferry may read it", format, FormatVersion)
	case im.ArtifactType != "":
		return nil, notModule("unexpected artifact type %q", im.ArtifactType)
	}
	m := &Manifest{
		Module:      module.Version{Path: a[AnnotationModule], Version: a[AnnotationVersion]},
		Sum:         a[AnnotationSum],
		GoModSum:    a[AnnotationGoModSum],
		Config:      im.Config,
		Annotations: a,
	}
	if err := goproxy.Check(m.Module); err != nil {
		return nil, notModule("%w", err)
	}
	if err := m.setLayers(im.Layers); err != nil {
		return nil, err
	}
	if !isSum(m.GoModSum) || !m.ModOnly() && !isSum(m.Sum) || m.ModOnly() && m.Sum != "" {
		return nil, notModule("annotations %s %q and %s %q are not the sums of a module version",
			AnnotationSum, m.Sum, AnnotationGoModSum, m.GoModSum)
	}
	return m, nil
}

// setLayers checks the blobs' descriptors. The config's media type says which layers there must be.
func (m *Manifest) setLayers(layers []ocispec.Descriptor) error {
	want := 0
	switch m.Config.MediaType {
	case ocispec.MediaTypeImageConfig:
		want = 2
	case MediaTypeGoModConfig:
		want = 1
	default:
		return notModule("unexpected config media type %q", m.Config.MediaType)
	}
	if len(layers) != want {
		return notModule("%d layers instead of %d", len(layers), want)
	}
	if err := checkBlob("config", m.Config, maxConfig); err != nil {
		return err
	}
	m.Meta = layers[0]
	if err := checkLayer("meta layer", m.Meta, MaxMeta); err != nil {
		return err
	}
	if want == 2 {
		m.Zip = &layers[1]
		return checkLayer("zip layer", *m.Zip, maxZipLayer)
	}
	return nil
}

func checkLayer(name string, d ocispec.Descriptor, limit int64) error {
	if d.MediaType != ocispec.MediaTypeImageLayerGzip && d.MediaType != ocispec.MediaTypeImageLayer {
		return notModule("unexpected media type %q of the %s", d.MediaType, name)
	}
	return checkBlob(name, d, limit)
}

func checkBlob(name string, d ocispec.Descriptor, limit int64) error {
	if err := d.Digest.Validate(); err != nil {
		return notModule("digest %q of the %s: %w", d.Digest, name, err)
	}
	if d.Digest.Algorithm() != digest.SHA256 {
		return notModule("digest %q of the %s is not SHA-256", d.Digest, name)
	}
	if d.Size <= 0 {
		return notModule("size %d of the %s", d.Size, name)
	}
	if d.Size > limit {
		return fmt.Errorf("%s: %d bytes, at most %d are accepted: %w", name, d.Size, limit, ErrLimit)
	}
	return nil
}

func notModule(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrNotModule}, args...)...)
}

// ModOnly reports whether only .info and .mod are stored, without the zip.
func (m *Manifest) ModOnly() bool { return m.Zip == nil }

// Tag returns the tag that the manifest is stored under: [Tag] of its
// version, or [ModTag] if it is mod-only.
func (m *Manifest) Tag() (string, error) {
	if m.ModOnly() {
		return ModTag(m.Module.Version)
	}
	return Tag(m.Module.Version)
}

// Identify checks that the manifest is of the module version want. The error
// is an [*IdentityError]. A signature does not cover the name that a manifest
// was found under, so this must be asked of every manifest.
func (m *Manifest) Identify(want module.Version) error {
	if m.Module != want {
		return &IdentityError{Want: want, Got: m.Module}
	}
	return nil
}

// SameModule reports whether m and o hold the same module content: path,
// version and both sums are equal. Their digests may differ, for instance by
// what upstreams said in their .info files.
func (m *Manifest) SameModule(o *Manifest) bool {
	return m.Module == o.Module && m.Sum == o.Sum && m.GoModSum == o.GoModSum
}

// InlineMeta returns the meta layer as stored, if the manifest carries it (ok).
// The error matches [ErrCorrupt] if what it carries is not what it describes.
func (m *Manifest) InlineMeta() (data []byte, ok bool, err error) {
	data = m.Meta.Data
	if data == nil {
		return nil, false, nil
	}
	if int64(len(data)) != m.Meta.Size || digest.FromBytes(data) != m.Meta.Digest {
		return nil, false, fmt.Errorf("meta layer inside the manifest: %w: it does not match its digest and size", ErrCorrupt)
	}
	return data, true, nil
}
