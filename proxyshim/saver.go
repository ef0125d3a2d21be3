package proxyshim

import (
	"sync"
	"sync/atomic"

	"golang.org/x/mod/module"
)

const (
	maxUnsaved     = 256      // versions waiting to be saved
	maxUnsavedSize = 64 << 10 // bytes of the small files of one of them
)

// saver saves versions behind the answers to clients, for flushing files to disk
// takes longer than all the rest. What is killed before it is saved is fetched
// again.
type saver struct {
	queue   chan module.Version
	waiting sync.WaitGroup // for what was taken
	failing atomic.Bool    // the last attempt failed
}

func newSaver() *saver { return &saver{queue: make(chan module.Version, maxUnsaved)} }

// take queues e. It does not when the queue is full, when e is large, and when
// saving failed last time: then its caller saves it, and learns the error.
func (s *saver) take(e *entry) bool {
	if s.failing.Load() || len(e.unsaved.info)+len(e.unsaved.gomod) > maxUnsavedSize {
		return false
	}
	s.waiting.Add(1)
	select {
	case s.queue <- e.Module:
		return true
	default:
		s.waiting.Done()
		return false
	}
}

// run saves what is queued until close is called.
func (s *saver) run(save func(module.Version) error) {
	for m := range s.queue {
		s.failing.Store(save(m) != nil)
		s.waiting.Done()
	}
}

// close ends run after what is queued. Nothing must be taken any more.
func (s *saver) close() { close(s.queue) }
