package sumdb

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact"
)

// A Manifest is the manifest of a snapshot. What it says about the log is as
// trustworthy as the signature on the manifest; [Manifest.Head] and [Read] check it.
type Manifest struct {
	Log    string    // name of the log
	Tree   tlog.Tree // size and root of the head
	Config ocispec.Descriptor
	Layers []ocispec.Descriptor // head, edge, spine, frontier
}

// ParseManifest parses the manifest of a snapshot. Errors match
// [ErrNotSnapshot], [artifact.ErrCorrupt] or [artifact.ErrLimit].
func ParseManifest(data []byte) (*Manifest, error) {
	if len(data) > artifact.MaxManifest {
		return nil, tooLarge("manifest, in bytes", int64(len(data)), artifact.MaxManifest)
	}
	var raw ocispec.Manifest
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotSnapshot, err)
	}
	switch {
	case raw.SchemaVersion != 2,
		raw.MediaType != ocispec.MediaTypeImageManifest,
		raw.ArtifactType != ArtifactType,
		raw.Config.MediaType != MediaTypeConfig:
		return nil, fmt.Errorf("%w: it is of type %q", ErrNotSnapshot, raw.ArtifactType)
	case raw.Annotations[artifact.AnnotationFormat] != artifact.FormatVersion:
		return nil, fmt.Errorf("%w: format %q is not known here", ErrNotSnapshot, raw.Annotations[artifact.AnnotationFormat])
	}
	m := &Manifest{Log: raw.Annotations[AnnotationLog], Config: raw.Config, Layers: raw.Layers}
	if err := m.parseTree(raw.Annotations); err != nil {
		return nil, err
	}
	return m, m.checkLayers()
}

func (m *Manifest) parseTree(annotations map[string]string) error {
	size, err1 := strconv.ParseInt(annotations[AnnotationSize], 10, 64)
	root, err2 := tlog.ParseHash(annotations[AnnotationRoot])
	if err := errors.Join(err1, err2); err != nil {
		return corrupt("checksum snapshot: size and root in its annotations: %v", err)
	}
	if size < 1 {
		return corrupt("checksum snapshot: a head of %d records", size)
	}
	if size > MaxRecords {
		return tooLarge("records in the checksum snapshot", size, MaxRecords)
	}
	m.Tree = tlog.Tree{N: size, Hash: root}
	return nil
}

// checkLayers checks what can be known without the earlier heads: number, order,
// digests, and that no layer is larger than one of its kind can be.
func (m *Manifest) checkLayers() error {
	if len(m.Layers) < 1 || len(m.Layers) > maxLayers {
		return corrupt("checksum snapshot: %d layers", len(m.Layers))
	}
	order := []string{mediaTypeHead, mediaTypeEdge, mediaTypeSpine, mediaTypeFrontier}
	limits := []int64{MaxNote, TileSize, ChunkSize, ChunkSize}
	at := 0
	for i, d := range m.Layers {
		kind := slices.Index(order, d.MediaType)
		if kind < at || (kind == 0) != (i == 0) {
			return corrupt("checksum snapshot: layer %d of type %q is out of place", i, d.MediaType)
		}
		at = kind
		if err := checkDescriptor(d, limits[kind]); err != nil {
			return err
		}
	}
	return checkDescriptor(m.Config, maxConfig)
}

func checkDescriptor(d ocispec.Descriptor, limit int64) error {
	if err := d.Digest.Validate(); err != nil || d.Digest.Algorithm() != digest.SHA256 {
		return corrupt("checksum snapshot: digest %q is not sha256", d.Digest)
	}
	if d.Size < 1 {
		return corrupt("checksum snapshot: %s of %d bytes", d.MediaType, d.Size)
	}
	if d.Size > limit {
		return tooLarge("checksum snapshot: "+d.MediaType+", in bytes", d.Size, limit)
	}
	return nil
}

// Head returns the signed head that is inlined in the manifest; ok is false if
// there is none. It is checked against the manifest and the log's key, but
// nothing is known yet about the rest of the snapshot. Errors are those of
// [Log.OpenHead], and [artifact.ErrCorrupt].
func (m *Manifest) Head(log *Log) (h Head, ok bool, err error) {
	d := m.Layers[0]
	if d.Data == nil {
		return Head{}, false, nil
	}
	if int64(len(d.Data)) != d.Size || digest.FromBytes(d.Data) != d.Digest {
		return Head{}, false, corrupt("checksum snapshot: the inlined head does not match its digest")
	}
	h, err = m.openHead(log, d.Data)
	return h, err == nil, err
}

// openHead checks the note that the manifest's first layer holds.
func (m *Manifest) openHead(log *Log, note []byte) (Head, error) {
	if m.Log != log.Name() {
		return Head{}, fmt.Errorf("checksum snapshot is of %s, not of %s: %w", m.Log, log.Name(), artifact.ErrIdentity)
	}
	head, err := log.OpenHead(note)
	if err != nil {
		return Head{}, err
	}
	if head.Tree != m.Tree {
		return Head{}, corrupt("checksum snapshot of %s: the signed head of %d records is not the one in the annotations", m.Log, head.N)
	}
	return head, nil
}

// parseConfig parses the config blob, and checks it against head and the log's key.
func parseConfig(log *Log, head Head, data []byte) (c config, earlier []Head, err error) {
	if err := json.Unmarshal(data, &c); err != nil {
		return config{}, nil, corrupt("checksum snapshot of %s: config: %v", log.Name(), err)
	}
	if c.Log != log.Name() || c.Key != log.Key() || c.Size != head.N || c.Root != head.Hash.String() {
		return config{}, nil, corrupt("checksum snapshot of %s: the config is about another log or head", log.Name())
	}
	if c.Previous != "" && c.Previous.Validate() != nil {
		return config{}, nil, corrupt("checksum snapshot of %s: config: previous snapshot %q is no digest", log.Name(), c.Previous)
	}
	if len(c.Earlier) > MaxEarlier {
		return config{}, nil, tooLarge("earlier heads in the checksum snapshot of "+log.Name(), int64(len(c.Earlier)), MaxEarlier)
	}
	for _, note := range c.Earlier {
		h, err := log.OpenHead([]byte(note))
		if err != nil {
			return config{}, nil, err
		}
		earlier = append(earlier, h)
	}
	return c, earlier, nil
}
