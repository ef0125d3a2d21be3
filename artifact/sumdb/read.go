package sumdb

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"
)

// A BlobFunc opens a blob of the repository that the manifest is in. It may be
// called concurrently. What it returns is checked here.
type BlobFunc func(ctx context.Context, d ocispec.Descriptor) (io.ReadCloser, error)

// ReadOptions say how a snapshot is read. The zero value is usable.
type ReadOptions struct {
	// Known is another snapshot of the log. Chunks that it has are not fetched.
	Known *Snapshot

	// Jobs is the number of blobs fetched at the same time; 0 means 8.
	Jobs int

	// Progress, if not nil, is called after each layer with the number of layers
	// there and the number needed. Calls do not overlap.
	Progress func(done, total int)
}

// Read reads a snapshot and checks everything: the manifest's limits, all sizes
// and digests, and what every [Snapshot] promises. The signature on the manifest
// is the caller's business, and so is whether the snapshot is older than
// one seen before ([Snapshot.Compare]). Nothing is allocated that the log's own
// signature does not vouch for, beyond the limits on config and note.
//
// Errors match [ErrNotSnapshot], [ErrSignature], [ErrForked] when earlier heads
// contradict the head, [artifact.ErrIdentity] for a snapshot of another log,
// [artifact.ErrCorrupt] or [artifact.ErrLimit]; or they come from open.
func Read(ctx context.Context, log *Log, manifest []byte, open BlobFunc, o ReadOptions) (*Snapshot, error) {
	m, err := ParseManifest(manifest)
	if err != nil {
		return nil, err
	}
	head, err := m.readHead(ctx, log, open)
	if err != nil {
		return nil, err
	}
	data := make([]byte, m.Config.Size)
	if err := readBlob(ctx, open, m.Config, data); err != nil {
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
	if err := m.readLayers(ctx, &p, open, o); err != nil {
		return nil, err
	}
	return newSnapshot(p)
}

// readHead returns the head, which need not be inlined.
func (m *Manifest) readHead(ctx context.Context, log *Log, open BlobFunc) (Head, error) {
	if head, ok, err := m.Head(log); ok || err != nil {
		return head, err
	}
	note := make([]byte, m.Layers[0].Size)
	if err := readBlob(ctx, open, m.Layers[0], note); err != nil {
		return Head{}, err
	}
	return m.openHead(log, note)
}

// readLayers fills in the spine, edge and frontier of p. Their sizes follow from
// its heads, and the layers must have just these.
func (m *Manifest) readLayers(ctx context.Context, p *parts, open BlobFunc, o ReadOptions) error {
	n := p.head.N
	p.spine = make([]byte, n>>TileHeight*tlog.HashSize)
	p.edge = make([]byte, n%TileWidth*tlog.HashSize)
	p.frontier = make([]byte, len(frontierTiles(n, p.earlier))*TileSize)
	list := sections(p.head.Note, p.edge, p.spine, p.frontier)
	if err := m.checkSections(list); err != nil {
		return err
	}
	r := &layerReader{open: open, known: knownChunks(o.Known), progress: o.Progress, total: len(list)}
	r.report() // the head is there
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(jobsOr(o.Jobs))
	for i, s := range list[1:] {
		if groupCtx.Err() != nil {
			break // a layer failed: do not start the others
		}
		g.Go(func() error { return r.read(groupCtx, m.Layers[i+1], s.data) })
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

// knownChunks returns the layers of a snapshot by their digest.
func knownChunks(s *Snapshot) map[digest.Digest][]byte {
	if s == nil {
		return nil
	}
	known := make(map[digest.Digest][]byte)
	for _, section := range s.sections() {
		known[digest.FromBytes(section.data)] = section.data
	}
	return known
}

// A layerReader reads layers, and counts them.
type layerReader struct {
	open     BlobFunc
	known    map[digest.Digest][]byte
	progress func(done, total int)

	mu          sync.Mutex
	done, total int
}

// read reads a layer into dst, which has its size.
func (r *layerReader) read(ctx context.Context, d ocispec.Descriptor, dst []byte) error {
	if data, ok := r.known[d.Digest]; ok {
		copy(dst, data)
	} else if err := readBlob(ctx, r.open, d, dst); err != nil {
		return err
	}
	r.report()
	return nil
}

func (r *layerReader) report() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	if r.progress != nil {
		r.progress(r.done, r.total)
	}
}

// readBlob reads a blob into dst, which has the size in its descriptor, and checks
// its size and digest.
func readBlob(ctx context.Context, open BlobFunc, d ocispec.Descriptor, dst []byte) error {
	r, err := open(ctx, d)
	if err != nil {
		return fmt.Errorf("checksum snapshot: %s %s: %w", d.MediaType, d.Digest, err)
	}
	defer r.Close()
	if n, err := io.ReadFull(r, dst); err != nil {
		return fmt.Errorf("checksum snapshot: %s %s ends after %d of %d bytes: %w", d.MediaType, d.Digest, n, d.Size, err)
	}
	if digest.FromBytes(dst) != d.Digest {
		return corrupt("checksum snapshot: %s %s does not match its digest", d.MediaType, d.Digest)
	}
	switch n, err := io.ReadFull(r, make([]byte, 1)); {
	case n > 0:
		return corrupt("checksum snapshot: %s %s is longer than %d bytes", d.MediaType, d.Digest, d.Size)
	case err != io.EOF:
		return fmt.Errorf("checksum snapshot: %s %s: %w", d.MediaType, d.Digest, err)
	}
	return nil
}
