package artifact

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
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

	// SumDB and Tiles are evidence that the checksum database has the version: see [Evidence]. Nil if there is none.
	SumDB []byte
	Tiles map[string][]byte
}

// An Artifact is a module version ready to be pushed: its blobs are config, meta layer and, for a full
// version, zip layer, in this order.
type Artifact struct {
	Image

	// Manifest is Raw, parsed.
	Manifest *Manifest

	// What it was built of; zip is nil for a mod-only version.
	files Files
	info  *info
	zip   *packedZip
}

// Build packages a module version. Equal files give equal artifacts.
//
// It checks that the files belong to the module version and are well formed: the .info names the version, the go.mod
// file parses, the zip is one that the go command accepts, and the zip's own go.mod file is the one given. A zip
// without a go.mod file must come with the one that the go command makes up for it, which declares the module path.
// (The path declared otherwise may differ: a fork is used under the original's path with a replace directive.) The
// errors about content match [ErrCorrupt] or [ErrLimit].
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
	if f.ZipFile == "" {
		return pack(f, info, nil)
	}
	zip, err := packZip(f, info.time())
	switch {
	case err != nil:
		return nil, err
	case zip.hasGoMod && !bytes.Equal(zip.goMod, f.GoMod):
		return nil, fmt.Errorf("%w: the go.mod file in the module zip differs from the .mod file", ErrCorrupt)
	case !zip.hasGoMod && declared != f.Module.Path:
		return nil, fmt.Errorf("%w: the module zip has no go.mod file, so the .mod file must declare %q, not %q", ErrCorrupt, f.Module.Path, declared)
	}
	return pack(f, info, zip)
}

// declaredPath returns the module path in the go.mod file, which may be missing.
func declaredPath(goMod []byte) (string, error) {
	if err := CheckSize("go.mod file", int64(len(goMod)), modzip.MaxGoMod); err != nil {
		return "", err
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
	packedLayer
	licenses []string // SPDX identifiers, sorted
}

// packZip makes the zip layer and checks the zip meanwhile.
func packZip(f Files, mtime time.Time) (*packedZip, error) {
	tree, err := goproxy.Base(f.Module)
	if err != nil {
		return nil, err
	}
	var (
		z packedZip
		g errgroup.Group
	)
	g.Go(func() (err error) {
		z.packedLayer, err = packZipLayer(f.ZipFile, tree+".zip", mtime)
		return err
	})
	g.Go(func() (err error) {
		z.checkedZip, err = checkZip(f.Module, f.ZipFile)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	r, err := zip.OpenReader(f.ZipFile)
	if err != nil {
		return nil, corruptZip(err)
	}
	defer r.Close()
	z.licenses, err = FindLicenses(&r.Reader, f.Module)
	return &z, err
}

// WithoutLicenses returns the artifact that a modferry makes which does not look for licences, as older ones do not.
func (a *Artifact) WithoutLicenses() (*Artifact, error) {
	if a.zip == nil || a.zip.licenses == nil {
		return a, nil
	}
	z := *a.zip
	z.licenses = nil
	b, err := pack(a.files, a.info, &z)
	if err != nil {
		return nil, fmt.Errorf("packaging %s: %w", a.files.Module, err)
	}
	return b, nil
}

// With returns the artifact that [Build] makes of the same zip and go.mod with another .info file, of the same time, and
// other checksum database evidence, which may be nil. The zip is not read again.
func (a *Artifact) With(infoFile, sumDB []byte, tiles map[string][]byte) (*Artifact, error) {
	f := a.files
	f.Info, f.SumDB, f.Tiles = infoFile, sumDB, tiles
	info, err := parseInfo(f.Module, f.Info)
	if err == nil && !info.time().Equal(a.info.time()) {
		err = errors.New("the zip layer has the time of the .info file, which is another one")
	}
	var b *Artifact
	if err == nil {
		b, err = pack(f, info, a.zip)
	}
	if err != nil {
		return nil, fmt.Errorf("packaging %s: %w", f.Module, err)
	}
	return b, nil
}

// pack makes the artifact of files that belong together.
func pack(f Files, info *info, zip *packedZip) (*Artifact, error) {
	var licenses []string
	if zip != nil {
		licenses = zip.licenses
	}
	meta, err := packMeta(f, info.time(), licenses)
	if err != nil {
		return nil, err
	}
	goModSum, err := GoModSum(f.GoMod)
	if err != nil {
		return nil, err
	}
	annotations := info.annotations(f.Module)
	annotations[AnnotationGoModSum] = goModSum
	configType, layers, diffIDs := MediaTypeGoModConfig, []Blob{meta.blob}, []digest.Digest{meta.diffID}
	if zip != nil {
		annotations[AnnotationSum] = zip.sum
		if expression := LicenseExpression(licenses); expression != "" {
			annotations[ocispec.AnnotationLicenses] = expression
		}
		configType, layers, diffIDs = ocispec.MediaTypeImageConfig, append(layers, zip.blob), append(diffIDs, zip.diffID)
	}
	created := info.time()
	config, err := json.Marshal(ocispec.Image{ // of no system: it cannot be run
		Created:  &created,
		Platform: ocispec.Platform{OS: "linux", Architecture: "unknown"},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: diffIDs},
	})
	if err != nil {
		return nil, err
	}
	image, err := NewImage("", annotations, NewBlob(configType, config), layers...)
	if err != nil {
		return nil, err
	}
	// What cannot be read back must not be published.
	parsed, err := ParseManifest(image.Raw)
	if err != nil {
		return nil, err
	}
	return &Artifact{Image: *image, Manifest: parsed, files: f, info: info, zip: zip}, nil
}

// packMeta makes the meta layer.
func packMeta(f Files, mtime time.Time, licenses []string) (packedLayer, error) {
	tree, err := goproxy.Base(f.Module)
	if err != nil {
		return packedLayer{}, err
	}
	evidence, err := evidenceFiles(tree, f.SumDB, f.Tiles)
	if err != nil {
		return packedLayer{}, err
	}
	files := []tarFile{{tree + ".info", f.Info}, {tree + ".mod", f.GoMod}}
	if f.ZipFile != "" {
		bom, err := sbom(f.Module, licenses)
		if err != nil {
			return packedLayer{}, err
		}
		files = append(files, tarFile{tree + ".cdx.json", bom})
	}
	return packLayer(mtime, append(files, evidence...))
}
