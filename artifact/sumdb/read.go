package sumdb

import (
	"context"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"
)

// A BlobFunc reads a blob of the repository that the manifest is in. It may be
// called concurrently. What it returns is checked here.
type BlobFunc func(ctx context.Context, d ocispec.Descriptor) ([]byte, error)

// Read reads a snapshot and checks everything: the manifest's limits, all sizes
// and digests, and what every [Snapshot] promises. The signature on the manifest
// is the caller's business, and so is whether the snapshot is older than
// one seen before ([Snapshot.Compare]). Nothing is allocated that the log's own
// signature does not vouch for, beyond the limits on config and note.
//
// Errors match [ErrNotSnapshot], [ErrSignature], [ErrForked] when earlier heads
// contradict the head, [artifact.ErrIdentity] for a snapshot of another log,
// [artifact.ErrCorrupt] or [artifact.ErrLimit]; or they come from read.
func Read(ctx context.Context, log *Log, manifest []byte, read BlobFunc) (*Snapshot, error) {
	m, err := ParseManifest(manifest)
	if err != nil {
		return nil, err
	}
	head, err := m.readHead(ctx, log, read)
	if err != nil {
		return nil, err
	}
	data := make([]byte, m.Config.Size)
	if err := readBlob(ctx, read, m.Config, data); err != nil {
		return nil, err
	}
	c, earlier, err := parseConfig(log, head, data)
	if err != nil {
		return nil, err
	}
	p := parts{log: log, head: head, earlier: earlier, previous: c.Previous}
	if c.Captured != "" {
		if p.captured, err = time.Parse(time.DateOnly, c.Captured); err != nil {
			return nil, corrupt("checksum snapshot of %s: config: %v", log.Name(), err)
		}
	}
	if err := m.readLayers(ctx, &p, read); err != nil {
		return nil, err
	}
	return newSnapshot(p)
}

// readHead returns the head, which need not be inlined.
func (m *Manifest) readHead(ctx context.Context, log *Log, read BlobFunc) (Head, error) {
	if head, ok, err := m.Head(log); ok || err != nil {
		return head, err
	}
	note := make([]byte, m.Layers[0].Size)
	if err := readBlob(ctx, read, m.Layers[0], note); err != nil {
		return Head{}, err
	}
	return m.openHead(log, note)
}

// readLayers fills in the spine, edge and frontier of p. Their sizes follow from
// its heads, and the layers must have just these.
func (m *Manifest) readLayers(ctx context.Context, p *parts, read BlobFunc) error {
	n := p.head.N
	p.spine = make([]byte, n>>TileHeight*tlog.HashSize)
	p.edge = make([]byte, n%TileWidth*tlog.HashSize)
	p.frontier = make([]byte, len(frontierTiles(n, p.earlier))*TileSize)
	list := sections(p.head.Note, p.edge, p.spine, p.frontier)
	if err := m.checkSections(list); err != nil {
		return err
	}
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(defaultJobs)
	for i, s := range list[1:] {
		if groupCtx.Err() != nil {
			break // a layer failed: do not start the others
		}
		g.Go(func() error { return readBlob(groupCtx, read, m.Layers[i+1], s.data) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// checkSections checks that the layers are exactly these, as far as the manifest
// tells.
func (m *Manifest) checkSections(list []section) error {
	if len(m.Layers) != len(list) {
		return corrupt("checksum snapshot of %s: %d layers instead of %d for a head of %d records", m.Log, len(m.Layers), len(list), m.Tree.N)
	}
	for i, s := range list {
		d := m.Layers[i]
		if d.MediaType != s.mediaType || d.Size != int64(len(s.data)) {
			return corrupt("checksum snapshot of %s: layer %d is %q with %d bytes instead of %q with %d",
				m.Log, i, d.MediaType, d.Size, s.mediaType, len(s.data))
		}
	}
	return nil
}

// readBlob reads a blob into dst, which has the size in its descriptor, and checks
// its size and digest.
func readBlob(ctx context.Context, read BlobFunc, d ocispec.Descriptor, dst []byte) error {
	data, err := read(ctx, d)
	if err != nil {
		return fmt.Errorf("checksum snapshot: %s %s: %w", d.MediaType, d.Digest, err)
	}
	if len(data) != len(dst) || digest.FromBytes(data) != d.Digest {
		return corrupt("checksum snapshot: %s %s does not match its digest", d.MediaType, d.Digest)
	}
	copy(dst, data)
	return nil
}
