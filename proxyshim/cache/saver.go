package cache

import (
	"errors"
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
func (s *saver) take(e *Entry) bool {
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

// saveQueued saves what is queued until the cache is closed.
func (c *Cache) saveQueued() {
	for m := range c.saver.queue {
		_, err := c.save(m)
		if errors.Is(err, ErrReplaced) {
			err = nil
		}
		if err != nil {
			c.log.Warn("keeping a version in the cache", "module", m.Path, "version", m.Version, "error", err)
		}
		c.saver.failing.Store(err != nil)
		c.saver.waiting.Done()
	}
}
