package cache

import (
	"log/slog"
	"os"
	"sync"

	"golang.org/x/mod/module"
)

const (
	maxWrites  = 256      // waiting
	maxWaiting = 64 << 10 // bytes of the small files of a version that is to wait
)

// writer does what there is to write, one after the other, behind the answers to clients: a disk that is flushing takes
// longer over a small file than all the rest of fetching it does. What is killed before it is written is fetched again.
type writer struct {
	log *slog.Logger

	mu      sync.Mutex
	idle    *sync.Cond
	queue   []write // the first is being done
	failing bool    // the last one failed
}

func newWriter(log *slog.Logger) *writer {
	w := &writer{log: log}
	w.idle = sync.NewCond(&w.mu)
	return w
}

type write struct {
	do   func() error
	done chan<- error
}

// add has do done. It waits for that and returns the error, which is logged anyway, if it is to, if too much is waiting
// already, and if the last write failed: then whoever causes the next one learns of it.
func (w *writer) add(do func() error, wait bool) error {
	done := make(chan error, 1)
	w.mu.Lock()
	wait = wait || w.failing || len(w.queue) >= maxWrites
	w.queue = append(w.queue, write{do, done})
	if len(w.queue) == 1 {
		go w.run()
	}
	w.mu.Unlock()
	if !wait {
		return nil
	}
	return <-done
}

// run works until nothing is waiting.
func (w *writer) run() {
	for more := true; more; {
		w.mu.Lock()
		next := w.queue[0]
		w.mu.Unlock()
		err := next.do()
		if err != nil {
			w.log.Warn("writing to the cache directory", "error", err)
		}
		w.mu.Lock()
		w.failing, w.queue[0], w.queue = err != nil, write{}, w.queue[1:]
		if more = len(w.queue) > 0; !more {
			w.idle.Broadcast()
		}
		w.mu.Unlock()
		next.done <- err
	}
}

// wait returns when nothing is waiting.
func (w *writer) wait() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) > 0 {
		w.idle.Wait()
	}
}

// unsaved is what of an entry is only in memory.
type unsaved struct {
	verdict bool
	small   *small // nil: in their files
	zip     bool   // it is in its place, but not flushed
}

// small is the content of the small files of a version.
type small struct{ info, mod []byte }

func (s *small) content(ext string) []byte {
	if ext == infoExt {
		return s.info
	}
	return s.mod
}

// save has the entry of m written, as it is then.
func (c *Cache) save(m module.Version, wait bool) error {
	return c.writer.add(func() error {
		e := c.Get(m)
		if e == nil || !e.unsaved.verdict { // dropped meanwhile, or an earlier write took it along
			return nil
		}
		saved := &Entry{Verdict: e.Verdict, file: e.file}
		err := c.saveFiles(e, saved)
		if err != nil {
			if !e.Withheld { // else what is on disk may say that it may be used
				c.Forget(e)
			}
			return err
		}
		c.mu.Lock()
		if c.entries[m] == e {
			c.remember(saved, c.now())
		}
		c.mu.Unlock()
		c.tidy(false)
		return nil
	}, wait)
}

// saveFiles writes the files of e, the verdict last, for it vouches for them, and notes in saved what they are.
func (c *Cache) saveFiles(e, saved *Entry) (err error) {
	if s := e.unsaved.small; s != nil {
		if saved.Info, err = c.writeFile(e.file+infoExt, s.info, false); err != nil {
			return err
		}
		if saved.Mod, err = c.writeFile(e.file+modExt, s.mod, false); err != nil {
			return err
		}
	}
	switch {
	case e.ZipLayer == nil:
		err = c.Remove(e.file + zipExt)
	case e.unsaved.zip:
		err = flush(e.file + zipExt)
	}
	if err != nil {
		return err
	}
	now := c.now()
	err = c.WriteJSON(e.file+verdictExt, &saved.Verdict)
	_ = os.Chtimes(e.file+verdictExt, now, now) // a verdict's time is that of its last use
	return err
}

// flush brings a file to disk that may be gone, by another process's eviction.
func flush(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return ignoreGone(err)
	}
	defer f.Close()
	return f.Sync()
}
