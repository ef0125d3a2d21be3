package bundle

import (
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"
)

// Of those who come and go at the same time, never two hold the lock.
func TestNeverTwoHoldTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var holders, taken atomic.Int32
	var g errgroup.Group
	for range 16 {
		g.Go(func() error {
			for range 3000 {
				unlock, err := lock(path)
				if err != nil {
					continue // another has it
				}
				taken.Add(1)
				if n := holders.Add(1); n > 1 {
					t.Errorf("%d hold it", n)
				}
				for range 20 {
					runtime.Gosched()
				}
				holders.Add(-1)
				unlock()
			}
			return nil
		})
	}
	_ = g.Wait()
	if taken.Load() == 0 {
		t.Error("nobody got it")
	}
}
