package sumdb

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

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
	im, err := artifact.ParseImage(data, ArtifactType, ErrNotSnapshot)
	if err != nil {
		return nil, err
	}
	if im.Config.MediaType != MediaTypeConfig {
		return nil, fmt.Errorf("%w: its config is of type %q", ErrNotSnapshot, im.Config.MediaType)
	}
	m := &Manifest{Log: im.Annotations[AnnotationLog], Config: im.Config, Layers: im.Layers}
	if err := m.parseTree(im.Annotations); err != nil {
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
		return fmt.Errorf("checksum snapshot of %d records, at most %d are accepted: %w", size, int64(MaxRecords), artifact.ErrLimit)
	}
	m.Tree = tlog.Tree{N: size, Hash: root}
	return nil
}

// checkLayers checks what bounds the reading of a snapshot whose heads are not known yet.
func (m *Manifest) checkLayers() error {
	if len(m.Layers) > maxLayers {
		return corrupt("checksum snapshot: %d layers", len(m.Layers))
	}
	limit := int64(MaxNote)
	for _, d := range m.Layers {
		if err := artifact.CheckSize("checksum snapshot: "+d.MediaType, d.Size, limit); err != nil {
			return err
		}
		limit = ChunkSize
	}
	return artifact.CheckSize("checksum snapshot: "+m.Config.MediaType, m.Config.Size, maxConfig)
}

// Head returns the signed head, which the manifest carries. It is checked against the manifest and the log's key, but
// nothing is known yet about the rest of the snapshot. Errors are those of
// [Log.OpenHead], and [artifact.ErrCorrupt] or, for a snapshot of another log, [artifact.ErrIdentity].
func (m *Manifest) Head(log *Log) (Head, error) {
	if m.Log != log.Name() {
		return Head{}, fmt.Errorf("checksum snapshot is of %s, not of %s: %w", m.Log, log.Name(), artifact.ErrIdentity)
	}
	note, ok, err := artifact.Inlined(m.Layers[0])
	if err != nil {
		return Head{}, fmt.Errorf("checksum snapshot of %s: %w", m.Log, err)
	}
	if !ok {
		return Head{}, corrupt("checksum snapshot of %s: the manifest does not carry the signed head", m.Log)
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
		return config{}, nil, fmt.Errorf("checksum snapshot of %s: %d earlier heads, at most %d are accepted: %w",
			log.Name(), len(c.Earlier), MaxEarlier, artifact.ErrLimit)
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
