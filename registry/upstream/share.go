package upstream

import (
	"context"
	"sync"
)

// flights lets requests for one file at the same time share one fetch. The zero value is ready to use.
type flights struct {
	mu  sync.Mutex
	now map[string]*flight
}

type flight struct {
	cancel  context.CancelFunc
	waiting int
	done    chan struct{} // closed when data and err are set
	data    []byte
	err     error
}

// do runs fetch, or waits for one that runs under the same key. Who goes away leaves the
// others alone; the last one who goes away cancels the fetch, and sees it end.
func (s *flights) do(ctx context.Context, key string, fetch func(context.Context) ([]byte, error)) ([]byte, error) {
	f := s.join(ctx, key, fetch)
	select {
	case <-f.done:
	case <-ctx.Done():
		if s.leave(key, f) {
			<-f.done
		}
		return nil, context.Cause(ctx)
	}
	return f.data, f.err
}

func (s *flights) join(ctx context.Context, key string, fetch func(context.Context) ([]byte, error)) *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.now[key]
	if !ok {
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		f = &flight{cancel: cancel, done: make(chan struct{})}
		if s.now == nil {
			s.now = make(map[string]*flight)
		}
		s.now[key] = f
		go func() {
			f.data, f.err = fetch(own)
			cancel()
			s.mu.Lock()
			s.drop(key, f)
			s.mu.Unlock()
			close(f.done)
		}()
	}
	f.waiting++
	return f
}

// leave reports whether nobody waits any more.
func (s *flights) leave(key string, f *flight) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.waiting--; f.waiting > 0 {
		return false
	}
	s.drop(key, f) // who comes now starts anew
	f.cancel()
	return true
}

// drop forgets a flight. s.mu is held.
func (s *flights) drop(key string, f *flight) {
	if s.now[key] == f {
		delete(s.now, key)
	}
}
