package artifact

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact/goproxy"
)

// With returns the artifact that [Build] makes of the same zip and go.mod with another .info file, of the same time, and
// other checksum database evidence, which may be nil. The zip is not read again.
func (a *Artifact) With(infoFile, sumDB []byte, tiles map[string][]byte) (*Artifact, error) {
	f := a.files
	f.Info, f.SumDB, f.Tiles = infoFile, sumDB, tiles
	b, err := a.with(f)
	if err != nil {
		return nil, fmt.Errorf("packaging %s: %w", f.Module, err)
	}
	return b, nil
}

func (a *Artifact) with(f Files) (*Artifact, error) {
	ours, err := parseInfo(f.Module, a.files.Info)
	if err != nil {
		return nil, err
	}
	info, err := parseInfo(f.Module, f.Info)
	if err != nil {
		return nil, err
	}
	if !info.time().Equal(ours.time()) {
		return nil, errors.New("the zip layer has the time of the .info file, which is another one")
	}
	tree, err := goproxy.Base(f.Module)
	if err != nil {
		return nil, err
	}
	p, err := newPacker(f, tree, info, a.Manifest.GoModSum)
	if err != nil {
		return nil, err
	}
	p.sum = a.Manifest.Sum
	if a.zipDiffID != "" {
		p.add(a.Blobs[2], a.zipDiffID)
	}
	return p.pack(f)
}

// metaBlob returns the meta layer.
func metaBlob(f Files, tree string, mtime time.Time) (b Blob, diffID digest.Digest, err error) {
	evidence, err := evidenceFiles(tree, f.SumDB, f.Tiles)
	if err != nil {
		return Blob{}, "", err
	}
	files := []tarFile{{tree + ".info", f.Info}, {tree + ".mod", f.GoMod}}
	if f.ZipFile != "" {
		bom, err := sbom(f.Module)
		if err != nil {
			return Blob{}, "", err
		}
		files = append(files, tarFile{tree + ".cdx.json", bom})
	}
	return packLayer(mtime, append(files, evidence...))
}

// packLayer returns a layer of small files.
func packLayer(mtime time.Time, files []tarFile) (b Blob, diffID digest.Digest, err error) {
	plain, err := writeTar(mtime, files...)
	if err != nil {
		return Blob{}, "", err
	}
	var stored bytes.Buffer
	if _, err := stored.ReadFrom(newFramer(bytes.NewReader(plain), int64(len(plain)))); err != nil {
		return Blob{}, "", err
	}
	return NewBlob(ocispec.MediaTypeImageLayerGzip, stored.Bytes()), digest.FromBytes(plain), nil
}
