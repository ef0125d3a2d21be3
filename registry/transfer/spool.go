package transfer

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/time/rate"

	"github.com/modferry/modferry/registry"
)

// inMemory is the size up to which a blob is kept in memory on its way.
const inMemory = 256 << 10

// A spool is a source of one item that is asked for each manifest and blob once. What it got it keeps: verification
// reads it first, and then the destination gets the very same bytes.
type spool struct {
	registry.Backend
	there   registry.Backend // the destination
	dir     string           // for blobs on their way; "" = they are read again, and not kept
	limiter *rate.Limiter

	mu        sync.Mutex
	manifests map[string]manifest
	blobs     map[digest.Digest]*kept
}

type manifest struct {
	d   ocispec.Descriptor
	raw []byte
}

// kept is a blob that was verified.
type kept struct {
	mu   sync.Mutex // held while it is fetched
	data []byte
	file string // if it is not in data
}

func newSpool(b, there registry.Backend, dir string, limiter *rate.Limiter) *spool {
	return &spool{
		Backend: b, there: there, dir: dir, limiter: limiter,
		manifests: make(map[string]manifest), blobs: make(map[digest.Digest]*kept),
	}
}

// Manifest remembers what is there, and asks anew for what was not.
func (s *spool) Manifest(ctx context.Context, repo, ref string) (ocispec.Descriptor, []byte, error) {
	key := repo + " " + ref
	s.mu.Lock()
	m, ok := s.manifests[key]
	s.mu.Unlock()
	if ok {
		return m.d, m.raw, nil
	}
	d, raw, err := s.Backend.Manifest(ctx, repo, ref)
	if registry.IsAbsent(err) && vouches(repo, ref) {
		if d, raw, err := s.there.Manifest(ctx, repo, ref); err == nil {
			return d, raw, nil
		}
	}
	if err == nil {
		s.mu.Lock()
		s.manifests[key] = manifest{d, raw}
		s.mu.Unlock()
	}
	return d, raw, err
}

// vouches reports whether a tag is that of signatures or of evidence. They count wherever they are: media bring them
// before, or apart from, what they are about.
func vouches(repo, tag string) bool {
	return strings.HasSuffix(tag, ".sig") || Item{Repository: repo, Tag: tag}.Kind() == Evidence
}

func (s *spool) Blob(ctx context.Context, repo string, d ocispec.Descriptor) (io.ReadCloser, error) {
	if s.dir == "" {
		return s.Backend.Blob(ctx, repo, d)
	}
	s.mu.Lock()
	k := s.blobs[d.Digest]
	if k == nil {
		k = new(kept)
		s.blobs[d.Digest] = k
	}
	s.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.data == nil && k.file == "" {
		if err := s.fetch(ctx, repo, d, k); err != nil {
			return nil, err
		}
	}
	if k.file != "" {
		return os.Open(k.file)
	}
	return io.NopCloser(bytes.NewReader(k.data)), nil
}

// fetch reads a blob, whose size its manifest limits, and verifies its digest.
func (s *spool) fetch(ctx context.Context, repo string, d ocispec.Descriptor, k *kept) error {
	rc, err := registry.New(s.Backend).Blob(ctx, repo, d) // which verifies
	if err != nil {
		return err
	}
	defer rc.Close()
	content := limit(ctx, rc, s.limiter)
	if d.Size <= inMemory {
		k.data, err = io.ReadAll(content)
		if err != nil {
			k.data = nil
		}
		return err
	}
	f, err := os.CreateTemp(s.dir, "modferry-copy-*")
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, content); err != nil {
		os.Remove(f.Name())
		return err
	}
	k.file = f.Name()
	return f.Close()
}

// discard removes what was kept.
func (s *spool) discard() {
	for _, k := range s.blobs {
		if k.file != "" {
			os.Remove(k.file)
		}
	}
}

// limited reads no faster than a limiter allows.
type limited struct {
	io.Reader
	ctx     context.Context
	limiter *rate.Limiter
}

// limit returns r, read as fast as the limiter allows; nil is any speed.
func limit(ctx context.Context, r io.Reader, limiter *rate.Limiter) io.Reader {
	if limiter == nil {
		return r
	}
	return &limited{r, ctx, limiter}
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p[:min(len(p), l.limiter.Burst())])
	if n > 0 {
		if e := l.limiter.WaitN(l.ctx, n); e != nil {
			return n, e
		}
	}
	return n, err
}
