package progress

import (
	"context"
	"io"
	"sync"

	"github.com/modferry/modferry/registry/record"
)

// Count returns a source that tells, one call at a time, how many files have been read of it.
func Count(src record.Source, read func(files int)) record.Source {
	return &counted{Source: src, read: read}
}

// counted counts what is read of a source.
type counted struct {
	record.Source
	read func(files int)

	mu    sync.Mutex
	files int
}

// Open opens a file, which counts.
func (s *counted) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	s.mu.Lock()
	s.files++
	s.read(s.files)
	s.mu.Unlock()
	return s.Source.Open(ctx, name)
}
