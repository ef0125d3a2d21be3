package transfer

import (
	"errors"
	"os"
	"sync"
)

// scratch has files that are of use to one at a time.
type scratch struct {
	mu   sync.Mutex
	free []*os.File
	keep bool // what is given back, until close
}

// take returns a file, a new one in dir if there is none.
func (s *scratch) take(dir string) (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		f := s.free[n-1]
		s.free = s.free[:n-1]
		return f, nil
	}
	return os.CreateTemp(dir, "modferry-copy-*")
}

// give gives a file back.
func (s *scratch) give(f *os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free = append(s.free, f); !s.keep {
		s.drop()
	}
}

// hold keeps files until the function that it returns is called.
func (s *scratch) hold() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.keep = false
		s.drop()
	}
}

func (s *scratch) drop() {
	for _, f := range s.free {
		_ = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	s.free = nil
}
