package sumdb

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
)

// Media types of a snapshot. It is no image, so that image policies leave it alone.
const (
	ArtifactType    = "application/vnd.modferry.sumdb.snapshot.v1"
	MediaTypeConfig = "application/vnd.modferry.sumdb.snapshot.config.v1+json"

	mediaTypeHead     = "application/vnd.modferry.sumdb.head.v1"
	mediaTypeEdge     = "application/vnd.modferry.sumdb.edge.v1"
	mediaTypeSpine    = "application/vnd.modferry.sumdb.spine.v1"
	mediaTypeFrontier = "application/vnd.modferry.sumdb.frontier.v1"
)

// Annotations on the manifest, besides [artifact.AnnotationFormat].
const (
	AnnotationLog  = "dev.modferry.sumdb.log"  // name of the log
	AnnotationSize = "dev.modferry.sumdb.size" // N in decimal
	AnnotationRoot = "dev.modferry.sumdb.root" // root hash in base64
)

// LatestTag is the tag of the newest snapshot.
const LatestTag = "latest"

// HeadTag returns the tag of the snapshot at a head of n records, "head-<n>". Its
// content never changes.
func HeadTag(n int64) string { return "head-" + strconv.FormatInt(n, 10) }

// ParseHeadTag is the reverse of [HeadTag]; ok is false for any other tag.
func ParseHeadTag(tag string) (n int64, ok bool) {
	digits, ok := strings.CutPrefix(tag, "head-")
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n < 1 || n > MaxRecords || HeadTag(n) != tag {
		return 0, false
	}
	return n, true
}

// config is the config blob of a snapshot.
type config struct {
	Log      string        `json:"log"`
	Key      string        `json:"key"`
	Size     int64         `json:"size"`
	Root     string        `json:"root"`
	Captured string        `json:"captured,omitempty"` // YYYY-MM-DD
	Previous digest.Digest `json:"previous,omitempty"`
	Earlier  []string      `json:"earlier"` // signed notes, oldest first
}

// An Image is a snapshot as it is pushed: the blobs, in this order, then the
// manifest.
type Image struct {
	Descriptor ocispec.Descriptor // of the manifest
	Raw        []byte             // the manifest
	Blobs      []artifact.Blob    // config, then layers
}

// Pack returns the snapshot as an OCI manifest with its blobs. Equal snapshots
// give equal bytes. The error matches [artifact.ErrLimit].
func (s *Snapshot) Pack() (*Image, error) {
	data, err := s.config()
	if err != nil {
		return nil, err
	}
	blobs := []artifact.Blob{artifact.NewBlob(MediaTypeConfig, data)}
	layers := []ocispec.Descriptor{}
	for i, section := range s.sections() {
		b := artifact.NewBlob(section.mediaType, section.data)
		blobs = append(blobs, b)
		layers = append(layers, b.Descriptor)
		if i == 0 {
			layers[0].Data = section.data // the note
		}
	}
	raw, err := json.Marshal(ocispec.Manifest{
		Versioned:    specs.Versioned{SchemaVersion: 2},
		MediaType:    ocispec.MediaTypeImageManifest,
		ArtifactType: ArtifactType,
		Config:       blobs[0].Descriptor,
		Layers:       layers,
		Annotations: map[string]string{
			artifact.AnnotationFormat: artifact.FormatVersion,
			AnnotationLog:             s.log.Name(),
			AnnotationSize:            strconv.FormatInt(s.head.N, 10),
			AnnotationRoot:            s.head.Hash.String(),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("checksum snapshot of %s: %w", s.log.Name(), err)
	}
	if len(raw) > artifact.MaxManifest {
		return nil, tooLarge("manifest of the checksum snapshot of "+s.log.Name()+", in bytes", int64(len(raw)), artifact.MaxManifest)
	}
	desc := artifact.NewBlob(ocispec.MediaTypeImageManifest, raw).Descriptor
	desc.ArtifactType = ArtifactType
	return &Image{Descriptor: desc, Raw: raw, Blobs: blobs}, nil
}

// config returns the config blob.
func (s *Snapshot) config() ([]byte, error) {
	c := config{
		Log: s.log.Name(), Key: s.log.Key(), Size: s.head.N, Root: s.head.Hash.String(),
		Previous: s.previous, Earlier: make([]string, len(s.earlier)),
	}
	for i, h := range s.earlier {
		c.Earlier[i] = string(h.Note)
	}
	if !s.captured.IsZero() {
		c.Captured = s.captured.Format(time.DateOnly)
	}
	data, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("checksum snapshot of %s: %w", s.log.Name(), err)
	}
	if len(data) > maxConfig {
		return nil, tooLarge("config of the checksum snapshot of "+s.log.Name()+", in bytes", int64(len(data)), maxConfig)
	}
	return data, nil
}

// A section is the content of one layer.
type section struct {
	mediaType string
	data      []byte
}

// sections returns the layers of the snapshot.
func (s *Snapshot) sections() []section {
	return sections(s.head.Note, s.edge, s.spine.Bytes(), s.frontier.tiles)
}

// sections returns the layers for the given content, which they share. What is
// empty has no layer.
func sections(note, edge, spine, frontier []byte) []section {
	list := []section{{mediaTypeHead, note}}
	if len(edge) > 0 {
		list = append(list, section{mediaTypeEdge, edge})
	}
	list = append(list, chunks(mediaTypeSpine, spine)...)
	return append(list, chunks(mediaTypeFrontier, frontier)...)
}

func chunks(mediaType string, data []byte) []section {
	var list []section
	for len(data) > 0 {
		n := min(ChunkSize, len(data))
		list = append(list, section{mediaType, data[:n:n]})
		data = data[n:]
	}
	return list
}
