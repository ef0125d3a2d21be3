package transfer

import (
	"bytes"
	"context"
	"errors"
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
	there  registry.Backend // the destination
	stager registry.Stager  // the destination, if it takes files
	dir    string           // for other files
	rate   *rate.Limiter    // of what is read; nil = none
	staged *rate.Limiter    // of what is written for the stager

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
	mu     sync.Mutex // held while it is fetched
	data   []byte
	file   string // if it is not in data
	staged bool   // the file is one of the stager's
}

// content is a blob that is kept.
type content interface {
	io.ReadCloser
	io.ReaderAt
}

// memory is a small blob.
type memory struct{ *bytes.Reader }

// Close does nothing.
func (memory) Close() error { return nil }

// newSpool returns the spool of an item that is copied.
func (c *Copier) newSpool() *spool {
	s := &spool{
		Backend: c.Source.Backend, there: c.Destination.Backend, dir: c.TempDir,
		manifests: make(map[string]manifest), blobs: make(map[digest.Digest]*kept),
	}
	if c.Local {
		s.staged = c.Rate
	} else {
		s.rate = c.Rate
	}
	if stager, ok := s.there.(registry.Stager); ok && !c.DryRun {
		s.stager = stager
	}
	return s
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

// Blob returns a content.
func (s *spool) Blob(ctx context.Context, repo string, d ocispec.Descriptor) (io.ReadCloser, error) {
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
	return memory{bytes.NewReader(k.data)}, nil
}

// fetch reads a blob, whose size its manifest limits, and verifies its digest.
func (s *spool) fetch(ctx context.Context, repo string, d ocispec.Descriptor, k *kept) error {
	rc, err := registry.New(s.Backend).Blob(ctx, repo, d) // which verifies
	if err != nil {
		return err
	}
	defer rc.Close()
	content := limit(ctx, rc, s.rate)
	if d.Size <= inMemory {
		data := bytes.NewBuffer(make([]byte, 0, d.Size+bytes.MinRead))
		if _, err = data.ReadFrom(content); err == nil {
			k.data = data.Bytes()
		}
		return err
	}
	f, err := s.create(k)
	if err != nil {
		return err
	}
	if k.staged {
		content = limit(ctx, content, s.staged)
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, content, make([]byte, 128<<10))
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return err
	}
	k.file = f.Name()
	return nil
}

// create makes a file for a blob.
func (s *spool) create(k *kept) (f *os.File, err error) {
	if s.stager != nil {
		f, err = s.stager.Stage()
	}
	if k.staged = f != nil; f != nil || err != nil {
		return f, err
	}
	return os.CreateTemp(s.dir, "modferry-copy-*")
}

// take returns the file of a blob that the stager is to take, if that is where it is.
func (s *spool) take(d digest.Digest) (file string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.blobs[d]
	if k == nil {
		return "", false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	file, ok = k.file, k.staged && k.file != ""
	if ok {
		k.file = ""
	}
	return file, ok
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
