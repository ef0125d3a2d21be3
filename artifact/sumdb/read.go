package sumdb

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A BlobFunc reads a blob of the repository that the manifest is in. It may be
// called concurrently. What it returns is checked here.
type BlobFunc func(ctx context.Context, d ocispec.Descriptor) ([]byte, error)

// Read reads a snapshot and checks everything: the manifest's limits, all sizes and digests, and what every
// [Snapshot] promises. The signature on the manifest is the caller's business, and so is whether the snapshot is
// older than one seen before ([Snapshot.Compare]). Nothing is allocated that the log's own signature does not vouch
// for, beyond the limits on config and note.
//
// Errors match [ErrNotSnapshot], [ErrSignature], [ErrForked] when earlier heads
// contradict the head, [artifact.ErrIdentity] for a snapshot of another log,
// [artifact.ErrCorrupt] or [artifact.ErrLimit]; or they come from read.
func Read(ctx context.Context, log *Log, manifest []byte, read BlobFunc) (*Snapshot, error) {
	return Open(ctx, log, manifest, read, nil)
}

// Open is [Read] for who keeps the blobs, and does not want most of the snapshot in memory, which is the spine: its whole
// chunks are read once, to check them, and then by tiles, as these are needed, with part. Should part fail, or the blob
// have changed, the blob is read once more. With part = nil all is in memory.
func Open(ctx context.Context, log *Log, manifest []byte, read BlobFunc, part PartFunc) (*Snapshot, error) {
	m, err := ParseManifest(manifest)
	if err != nil {
		return nil, err
	}
	head, err := m.Head(log)
	if err != nil {
		return nil, err
	}
	data, err := readBlob(ctx, read, m.Config)
	if err != nil {
		return nil, err
	}
	c, earlier, err := parseConfig(log, head, data)
	if err != nil {
		return nil, err
	}
	s := newSnapshot(log, head, earlier)
	s.previous = c.Previous
	if c.Captured != "" {
		if s.captured, err = time.Parse(time.DateOnly, c.Captured); err != nil {
			return nil, corrupt("checksum snapshot of %s: config: %v", log.Name(), err)
		}
	}
	var apart int64
	if part != nil {
		apart = s.spine.size / ChunkSize
	}
	s.spine.held = make([]byte, s.spine.size-apart*ChunkSize)
	layers := s.sections()
	if err := m.checkSections(layers); err != nil {
		return nil, err
	}
	first := slices.IndexFunc(layers, func(l section) bool { return l.data == nil })
	if apart > 0 {
		s.spine.apart, s.spine.part, s.spine.read = m.Layers[first:][:apart], part, read
		s.spine.sums = make([][sha256.Size]byte, apart*ChunkSize/TileSize)
	}
	err = each(ctx, len(layers), nil, func(ctx context.Context, i int) error {
		if i == 0 {
			return nil // the head is there
		}
		data, err := readBlob(ctx, read, m.Layers[i])
		if layers[i].data == nil {
			copy(s.levels[0][(i-first)*ChunkSize/TileWidth:], hashTiles(data))
			copy(s.spine.sums[(i-first)*ChunkSize/TileSize:], sumTiles(data))
		} else {
			copy(layers[i].data, data)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	copy(s.levels[0][apart*ChunkSize/TileWidth:], hashTiles(s.spine.held))
	return s, s.check()
}

// checkSections checks that the layers are exactly these, as far as the manifest tells.
func (m *Manifest) checkSections(list []section) error {
	if len(m.Layers) != len(list) {
		return corrupt("checksum snapshot of %s: %d layers instead of %d for a head of %d records", m.Log, len(m.Layers), len(list), m.Tree.N)
	}
	for i, s := range list {
		d := m.Layers[i]
		if d.MediaType != s.mediaType || d.Size != s.size() {
			return corrupt("checksum snapshot of %s: layer %d is %q with %d bytes instead of %q with %d",
				m.Log, i, d.MediaType, d.Size, s.mediaType, s.size())
		}
	}
	return nil
}

// readBlob reads a blob and checks its size and digest.
func readBlob(ctx context.Context, read BlobFunc, d ocispec.Descriptor) ([]byte, error) {
	data, err := read(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("checksum snapshot: %s %s: %w", d.MediaType, d.Digest, err)
	}
	if int64(len(data)) != d.Size || digest.FromBytes(data) != d.Digest {
		return nil, corrupt("checksum snapshot: %s %s does not match its digest", d.MediaType, d.Digest)
	}
	return data, nil
}
