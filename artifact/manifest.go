package artifact

import (
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

// A Manifest says which module version an image manifest holds and where its parts are. The fields of one that
// [ParseManifest] or [Build] returned agree with each other and keep to the limits of this package.
type Manifest struct {
	// Module is what the annotations say. Compare it with what was asked for: see Identify.
	Module module.Version

	// Sum and GoModSum are the h1: sums of the zip and the go.mod file. Sum is empty for a mod-only version.
	Sum, GoModSum string

	// Config, Meta and Zip describe the blobs. Zip is nil for a mod-only version.
	Config, Meta ocispec.Descriptor
	Zip          *ocispec.Descriptor

	// Annotations are all annotations of the manifest.
	Annotations map[string]string
}

// ParseManifest parses an image manifest. The error matches [ErrNotModule] if it is not the manifest of a module
// version, and [ErrLimit] if it or a blob it describes is larger than accepted. Whether it is the manifest that was
// asked for is for the caller to check: by its digest, and with [Manifest.Identify].
func ParseManifest(data []byte) (*Manifest, error) {
	im, err := ParseImage(data, "", ErrNotModule)
	if err != nil {
		return nil, err
	}
	a := im.Annotations
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
	if !IsSum(m.GoModSum) || !m.ModOnly() && !IsSum(m.Sum) || m.ModOnly() && m.Sum != "" {
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
	if err := CheckSize("config", m.Config.Size, maxConfig); err != nil {
		return err
	}
	m.Meta = layers[0]
	if err := checkLayer("meta layer", m.Meta, MaxMeta); err != nil {
		return err
	}
	if want == 2 {
		zip := layers[1] // a pointer into layers would keep the meta layer for as long as this is kept
		m.Zip = &zip
		return checkLayer("zip layer", *m.Zip, maxZipLayer)
	}
	return nil
}

func checkLayer(name string, d ocispec.Descriptor, limit int64) error {
	if d.MediaType != ocispec.MediaTypeImageLayerGzip && d.MediaType != ocispec.MediaTypeImageLayer {
		return notModule("unexpected media type %q of the %s", d.MediaType, name)
	}
	return CheckSize(name, d.Size, limit)
}

func notModule(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrNotModule}, args...)...)
}

// ModOnly reports whether only .info and .mod are stored, without the zip.
func (m *Manifest) ModOnly() bool { return m.Zip == nil }

// Tag returns the tag that the manifest is stored under: [Tag] of its version, or [ModTag] if it is mod-only.
func (m *Manifest) Tag() (string, error) {
	if m.ModOnly() {
		return ModTag(m.Module.Version)
	}
	return Tag(m.Module.Version)
}

// Identify checks that the manifest is of the module version want. A signature does not cover the name that a
// manifest was found under, so this must be asked of every manifest. The error matches [ErrIdentity].
func (m *Manifest) Identify(want module.Version) error { return Identify(m.Module, want) }

// Identify checks that what was found for the module version want says that it is about that one. The error
// names both and matches [ErrIdentity].
func Identify(found, want module.Version) error {
	if found != want {
		return fmt.Errorf("%w: manifest found for %s belongs to %s: it was re-tagged or copied to the wrong repository",
			ErrIdentity, want, found)
	}
	return nil
}

// SameModule reports whether m and o hold the same module content: path, version and both sums are equal. Their
// digests may differ, for instance by what upstreams said in their .info files.
func (m *Manifest) SameModule(o *Manifest) bool {
	return m.Module == o.Module && m.Sum == o.Sum && m.GoModSum == o.GoModSum
}

// InlineMeta returns the meta layer as stored, if the manifest carries it (ok).
// The error matches [ErrCorrupt] if what it carries is not what it describes.
func (m *Manifest) InlineMeta() (data []byte, ok bool, err error) { return Inlined(m.Meta) }
