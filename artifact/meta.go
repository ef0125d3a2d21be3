package artifact

import (
	"fmt"
	"io"
	"path"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"
	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/artifact/goproxy"
)

// A Meta is the content of a meta layer.
type Meta struct {
	// Info and GoMod are the .info and .mod files, byte for byte as upstream
	// had them. Info names the manifest's version, GoMod has its sum.
	Info, GoMod []byte

	// SBOM is the CycloneDX document, nil if there is none.
	SBOM []byte

	// SumDB is the checksum database record and Tiles are complete level-0 tiles of that database by their entry
	// name, sumdb/<log>/tile/8/0/…. Of both only the form is checked here. Nil if there are none.
	SumDB []byte
	Tiles map[string][]byte
}

// ReadMeta reads the meta layer, as stored: gzipped or a plain tar. It reads
// layer to its end and checks size, digest, names and the sum of the go.mod
// file. The error matches [ErrCorrupt] or [ErrLimit], or is the one that reading failed with.
func (m *Manifest) ReadMeta(layer io.Reader) (*Meta, error) {
	meta, err := readEntries(m.Module, m.Meta, layer)
	if err == nil {
		err = meta.check(m)
	}
	if err != nil {
		return nil, fmt.Errorf("meta layer: %w", err)
	}
	return meta, nil
}

// readEntries reads a layer of v's small files.
func readEntries(v module.Version, d ocispec.Descriptor, layer io.Reader) (*Meta, error) {
	tree, err := goproxy.Base(v)
	if err != nil {
		return nil, err
	}
	l, err := newLayerReader(layer, d, MaxMeta)
	if err != nil {
		return nil, err
	}
	defer l.close()
	var meta Meta
	seen := make(map[string]bool)
	for {
		h, err := l.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, l.fault(err)
		}
		if !isRegular(h) || seen[h.Name] {
			return nil, l.fault(fmt.Errorf("unexpected entry %q", h.Name))
		}
		seen[h.Name] = true
		if err := meta.readEntry(l, tree, h.Name, h.Size); err != nil {
			return nil, err
		}
	}
	if err := l.finish(); err != nil {
		return nil, err
	}
	return &meta, nil
}

// readEntry reads one entry of the layer into the field that its name says.
func (meta *Meta) readEntry(l *layerReader, tree, name string, size int64) error {
	field, limit := (*[]byte)(nil), int64(0)
	switch name {
	case tree + ".info":
		field, limit = &meta.Info, maxInfo
	case tree + ".mod":
		field, limit = &meta.GoMod, modzip.MaxGoMod
	case tree + ".cdx.json":
		field, limit = &meta.SBOM, MaxMeta
	case tree + ".sumdb":
		field, limit = &meta.SumDB, maxRecord
	}
	if field == nil && !isTile(name, size) || field == &meta.SumDB && size == 0 {
		return l.fault(fmt.Errorf("unexpected entry %q of %d bytes", name, size))
	}
	if field != nil {
		if err := CheckSize(path.Base(name), size, limit); err != nil {
			return err
		}
	}
	data, err := io.ReadAll(l)
	switch {
	case err != nil:
		return l.fault(err)
	case field != nil:
		*field = data
	case meta.Tiles == nil:
		meta.Tiles = map[string][]byte{name: data}
	default:
		meta.Tiles[name] = data
	}
	return nil
}

// check checks what must be there against the manifest.
func (meta *Meta) check(m *Manifest) error {
	if meta.Info == nil || meta.GoMod == nil {
		return fmt.Errorf("%w: .info or .mod is missing", ErrCorrupt)
	}
	if _, err := parseInfo(m.Module, meta.Info); err != nil {
		return err
	}
	sum, err := GoModSum(meta.GoMod)
	if err != nil {
		return err
	}
	if sum != m.GoModSum {
		return fmt.Errorf("%w: go.mod file has the sum %s instead of %s", ErrCorrupt, sum, m.GoModSum)
	}
	return nil
}

// isTile reports whether name and size are those of a complete level-0 tile of height 8.
func isTile(name string, size int64) bool {
	rest, ok := strings.CutPrefix(name, "sumdb/")
	if !ok {
		return false
	}
	log, tile, ok := strings.Cut(rest, "/tile/")
	if !ok || module.CheckImportPath(log) != nil {
		return false
	}
	t, err := tlog.ParseTilePath("tile/" + tile)
	return err == nil && t.H == 8 && t.L == 0 && t.W == 1<<8 && size == int64(t.W)*tlog.HashSize
}
