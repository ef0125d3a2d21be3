package artifact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact/goproxy"
)

// Files are the files of a module version, byte for byte as upstream has them.
type Files struct {
	// Module is the path and the canonical version.
	Module module.Version

	// Info and GoMod are the contents of the .info and .mod files.
	Info, GoMod []byte

	// ZipFile names the module zip. It must stay as it is for as long as the
	// artifact's blobs are opened. Empty for a mod-only version.
	ZipFile string

	// SumDB and Tiles are evidence that the checksum database has the version:
	// see [Evidence]. Nil if there is none.
	SumDB []byte
	Tiles map[string][]byte
}

// An Artifact is a module version ready to be pushed.
type Artifact struct {
	// Manifest is Raw, parsed.
	Manifest *Manifest

	// Descriptor and Raw are the manifest to push.
	Descriptor ocispec.Descriptor
	Raw        []byte

	// Blobs are config, meta layer and, for a full version, zip layer, in this order.
	Blobs []Blob

	files     Files         // it was built of
	zipDiffID digest.Digest // of the zip layer; "" = there is none
}

// Build packages a module version. Equal files give equal artifacts.
//
// It checks that the files belong to the module version and are well formed:
// the .info names the version, the go.mod file parses, the zip is one that the
// go command accepts, and the zip's own go.mod file is the one given. A zip without a
// go.mod file must come with the one that the go command makes up for it,
// which declares the module path. (The path declared otherwise may differ:
// a fork is used under the original's path with a replace directive.)
// The errors about content match [ErrCorrupt] or [ErrLimit].
//
// The zip is never held in memory. Its bytes are read once for all digests of
// the layer, and its entries once for its sum, at the same time.
func Build(f Files) (*Artifact, error) {
	a, err := build(f)
	if err != nil {
		return nil, fmt.Errorf("packaging %s: %w", f.Module, err)
	}
	return a, nil
}

func build(f Files) (*Artifact, error) {
	if err := goproxy.Check(f.Module); err != nil {
		return nil, err
	}
	info, err := parseInfo(f.Module, f.Info)
	if err != nil {
		return nil, err
	}
	declared, err := declaredPath(f.GoMod)
	if err != nil {
		return nil, err
	}
	goModSum, err := GoModSum(f.GoMod)
	if err != nil {
		return nil, err
	}
	tree, err := goproxy.Base(f.Module)
	if err != nil {
		return nil, err
	}
	p, err := newPacker(f, tree, info, goModSum)
	if err != nil {
		return nil, err
	}
	if f.ZipFile != "" {
		zip, err := packZip(f, tree, info.time())
		if err != nil {
			return nil, err
		}
		switch {
		case zip.hasGoMod && !bytes.Equal(zip.goMod, f.GoMod):
			return nil, fmt.Errorf("%w: the go.mod file in the module zip differs from the .mod file", ErrCorrupt)
		case !zip.hasGoMod && declared != f.Module.Path:
			return nil, fmt.Errorf("%w: the module zip has no go.mod file, so the .mod file must declare %q, not %q", ErrCorrupt, f.Module.Path, declared)
		}
		p.sum = zip.sum
		p.add(zip.blob, zip.diffID)
	}
	return p.pack(f)
}

// declaredPath returns the module path in the go.mod file, which may be missing.
func declaredPath(goMod []byte) (string, error) {
	if len(goMod) > modzip.MaxGoMod {
		return "", fmt.Errorf("go.mod file: %d bytes, at most %d are accepted: %w", len(goMod), modzip.MaxGoMod, ErrLimit)
	}
	f, err := modfile.ParseLax("go.mod", goMod, nil)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if f.Module == nil {
		return "", nil
	}
	return f.Module.Mod.Path, nil
}

// A packedZip is a checked zip as a layer.
type packedZip struct {
	checkedZip
	blob   Blob
	diffID digest.Digest
}

// packZip makes the zip layer and checks the zip meanwhile.
func packZip(f Files, tree string, mtime time.Time) (*packedZip, error) {
	st, err := os.Stat(f.ZipFile)
	if err != nil {
		return nil, err
	}
	if st.Size() > MaxZip {
		return nil, fmt.Errorf("module zip: %d bytes, at most %d are accepted: %w", st.Size(), MaxZip, ErrLimit)
	}
	layer, err := newZipLayer(f.ZipFile, tree+".zip", st.Size(), mtime)
	if err != nil {
		return nil, err
	}
	var (
		z packedZip
		g errgroup.Group
	)
	g.Go(func() (err error) {
		z.blob, z.diffID, err = layer.blob()
		return err
	})
	g.Go(func() (err error) {
		z.checkedZip, err = checkZip(f.Module, f.ZipFile)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return &z, nil
}

// A packer collects what the manifest refers to.
type packer struct {
	module   module.Version
	info     *info
	sum      string // empty for a mod-only version
	goModSum string
	layers   []Blob
	diffIDs  []digest.Digest
}

// newPacker returns one that has the meta layer.
func newPacker(f Files, tree string, info *info, goModSum string) (*packer, error) {
	meta, metaID, err := metaBlob(f, tree, info.time())
	if err != nil {
		return nil, err
	}
	p := &packer{module: f.Module, info: info, goModSum: goModSum}
	p.add(meta, metaID)
	return p, nil
}

func (p *packer) add(layer Blob, diffID digest.Digest) {
	p.layers = append(p.layers, layer)
	p.diffIDs = append(p.diffIDs, diffID)
}

// pack makes the artifact of files.
func (p *packer) pack(f Files) (*Artifact, error) {
	config, err := p.config()
	if err != nil {
		return nil, err
	}
	m := ocispec.Manifest{
		Versioned:   specs.Versioned{SchemaVersion: 2},
		MediaType:   ocispec.MediaTypeImageManifest,
		Config:      config.Descriptor,
		Annotations: p.annotations(),
	}
	for _, layer := range p.layers {
		m.Layers = append(m.Layers, layer.Descriptor)
	}
	if m.Layers[0].Size <= MaxInlineMeta {
		if m.Layers[0].Data, err = readBlob(p.layers[0]); err != nil {
			return nil, err
		}
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	// What cannot be read back must not be published.
	parsed, err := ParseManifest(raw)
	if err != nil {
		return nil, err
	}
	a := &Artifact{
		files:    f,
		Manifest: parsed,
		Descriptor: ocispec.Descriptor{
			MediaType: ocispec.MediaTypeImageManifest,
			Digest:    digest.FromBytes(raw),
			Size:      int64(len(raw)),
		},
		Raw:   raw,
		Blobs: append([]Blob{config}, p.layers...),
	}
	if p.sum != "" {
		a.zipDiffID = p.diffIDs[1]
	}
	return a, nil
}

// config returns the image config. There is no system that the image is for: it cannot be run.
func (p *packer) config() (Blob, error) {
	created := p.info.time()
	data, err := json.Marshal(ocispec.Image{
		Created:  &created,
		Platform: ocispec.Platform{OS: "linux", Architecture: "unknown"},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: p.diffIDs},
	})
	if err != nil {
		return Blob{}, err
	}
	mediaType := ocispec.MediaTypeImageConfig
	if p.sum == "" {
		mediaType = MediaTypeGoModConfig
	}
	return NewBlob(mediaType, data), nil
}

func (p *packer) annotations() map[string]string {
	a := map[string]string{
		AnnotationFormat:          FormatVersion,
		AnnotationModule:          p.module.Path,
		AnnotationVersion:         p.module.Version,
		AnnotationGoModSum:        p.goModSum,
		ocispec.AnnotationTitle:   p.module.Path,
		ocispec.AnnotationVersion: p.module.Version,
	}
	known := func(key, value string) {
		if value != "" {
			a[key] = value
		}
	}
	known(AnnotationSum, p.sum)
	known(ocispec.AnnotationSource, p.info.source())
	known(ocispec.AnnotationRevision, p.info.revision())
	if !p.info.Time.IsZero() {
		a[ocispec.AnnotationCreated] = p.info.time().Format(time.RFC3339)
	}
	return a
}
