package sumdb

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

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

// HeadTag returns the tag of the snapshot at a head of n records, "head-<n>". Its content never changes.
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

// Pack returns the snapshot, which was not opened, as it is pushed. Equal snapshots give equal bytes. The error matches
// [artifact.ErrLimit].
func (s *Snapshot) Pack() (*artifact.Image, error) {
	data, err := s.config()
	if err != nil {
		return nil, err
	}
	if _, err := s.spine.all(); err != nil {
		return nil, err
	}
	var layers []artifact.Blob
	for _, section := range s.sections() {
		layers = append(layers, artifact.NewBlob(section.mediaType, section.data))
	}
	image, err := artifact.NewImage(ArtifactType, map[string]string{
		AnnotationLog:  s.log.Name(),
		AnnotationSize: strconv.FormatInt(s.head.N, 10),
		AnnotationRoot: s.head.Hash.String(),
	}, artifact.NewBlob(MediaTypeConfig, data), layers...)
	if err != nil {
		return nil, fmt.Errorf("checksum snapshot of %s: %w", s.log.Name(), err)
	}
	return image, nil
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
	return data, artifact.CheckSize("config of the checksum snapshot of "+s.log.Name(), int64(len(data)), maxConfig)
}

// A section is the content of one layer.
type section struct {
	mediaType string
	data      []byte // nil: a chunk of the spine that is kept elsewhere
}

func (s section) size() int64 {
	if s.data == nil {
		return ChunkSize
	}
	return int64(len(s.data))
}

// sections returns the layers of the snapshot, which share its content. What is empty has no layer.
func (s *Snapshot) sections() []section {
	list := []section{{mediaTypeHead, s.head.Note}}
	if len(s.edge) > 0 {
		list = append(list, section{mediaTypeEdge, s.edge})
	}
	for range (s.spine.size - int64(len(s.spine.held))) / ChunkSize {
		list = append(list, section{mediaTypeSpine, nil})
	}
	list = append(list, chunks(mediaTypeSpine, s.spine.held)...)
	return append(list, chunks(mediaTypeFrontier, s.frontier.tiles)...)
}

func chunks(mediaType string, data []byte) []section {
	var list []section
	for chunk := range slices.Chunk(data, ChunkSize) {
		list = append(list, section{mediaType, chunk})
	}
	return list
}
