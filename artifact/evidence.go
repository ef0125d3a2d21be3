package artifact

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

// Media types of evidence that is stored apart.
const (
	ArtifactTypeEvidence    = "application/vnd.modferry.sumdb.evidence.v1"
	MediaTypeEvidenceConfig = "application/vnd.modferry.sumdb.evidence.config.v1+json"
)

// Evidence is what proves, together with a snapshot of the checksum database, that the database has a module version.
// It belongs into the meta layer. A version that was stored without it keeps its manifest, because tags never change;
// it gets a companion in the same repository, one for both its full and its mod-only form:
//
//	manifest  artifactType ArtifactTypeEvidence; annotations of format, module and version
//	config    {}
//	layer     a meta layer with nothing but evidence, always carried inside the manifest
//
// Only the form is checked in this package.
type Evidence struct {
	// Module is the module version.
	Module module.Version

	// Record is the checksum database record, at most 64 KiB.
	Record []byte

	// Tiles holds the complete level-0 tile with the record's hash under its
	// entry name, sumdb/<log>/tile/8/0/…, or nothing.
	Tiles map[string][]byte
}

// EvidenceTag returns the tag of the companion with the evidence for a version, "sumdb-" and the version's tag. It is
// not the tag of any version. It fails as [Tag] does.
func EvidenceTag(version string) (string, error) { return tagOf(evidencePrefix, version, "") }

const evidencePrefix = "sumdb-"

// ParseEvidenceTag returns the version whose [EvidenceTag] is tag. It returns ok = false for every other tag.
func ParseEvidenceTag(tag string) (version string, ok bool) {
	tag, ok = strings.CutPrefix(tag, evidencePrefix)
	version, modOnly, isVersion := ParseTag(tag)
	return version, ok && isVersion && !modOnly
}

// BuildEvidence packages the companion with evidence. Equal evidence gives equal
// images. Errors match [ErrCorrupt] or [ErrLimit].
func BuildEvidence(e Evidence) (*Image, error) {
	if err := goproxy.Check(e.Module); err != nil {
		return nil, err
	}
	if len(e.Record) == 0 {
		return nil, fmt.Errorf("%w: there is no record", ErrCorrupt)
	}
	tree, err := goproxy.Base(e.Module)
	if err != nil {
		return nil, err
	}
	files, err := evidenceFiles(tree, e.Record, e.Tiles)
	if err != nil {
		return nil, err
	}
	layer, err := packLayer(time.Unix(0, 0).UTC(), files)
	if err != nil {
		return nil, err
	}
	annotations := map[string]string{AnnotationModule: e.Module.Path, AnnotationVersion: e.Module.Version}
	return NewImage(ArtifactTypeEvidence, annotations, NewBlob(MediaTypeEvidenceConfig, []byte("{}")), layer.blob)
}

// evidenceFiles returns evidence as entries of a layer.
func evidenceFiles(tree string, record []byte, tiles map[string][]byte) ([]tarFile, error) {
	if err := CheckSize("checksum database record", int64(len(record)), maxRecord); err != nil {
		return nil, err
	}
	switch {
	case len(tiles) > 1:
		return nil, fmt.Errorf("%d tiles of the checksum database, at most 1 is accepted: %w", len(tiles), ErrLimit)
	case len(record) == 0 && len(tiles) > 0:
		return nil, fmt.Errorf("%w: a tile of the checksum database without a record", ErrCorrupt)
	case len(record) == 0:
		return nil, nil
	}
	files := []tarFile{{tree + ".sumdb", record}}
	for name, tile := range tiles {
		if !isTile(name, int64(len(tile))) {
			return nil, fmt.Errorf("%w: %q of %d bytes is not a complete level-0 tile", ErrCorrupt, name, len(tile))
		}
		files = append(files, tarFile{name, tile})
	}
	return files, nil
}

// ParseEvidence reads a companion from its manifest, all of it. The error matches [ErrCorrupt] or [ErrLimit]. Whether
// it is about the module version asked for is for the caller to check.
func ParseEvidence(manifest []byte) (*Evidence, error) {
	a, layer, err := parseCompanion(manifest, ArtifactTypeEvidence, MediaTypeEvidenceConfig)
	if err != nil {
		return nil, err
	}
	m := module.Version{Path: a[AnnotationModule], Version: a[AnnotationVersion]}
	if err := errors.Join(goproxy.Check(m), checkLayer("layer", layer, MaxInlineMeta)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	meta, err := readEntries(m, layer, bytes.NewReader(layer.Data))
	switch {
	case err != nil:
		return nil, err
	case len(meta.SumDB) == 0 || meta.Info != nil || meta.GoMod != nil || meta.SBOM != nil:
		return nil, fmt.Errorf("%w: the layer has not just a record", ErrCorrupt)
	case len(meta.Tiles) > 1:
		return nil, fmt.Errorf("%w: the layer has %d tiles", ErrCorrupt, len(meta.Tiles))
	}
	return &Evidence{Module: m, Record: meta.SumDB, Tiles: meta.Tiles}, nil
}
