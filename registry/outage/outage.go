// Package outage notices stores that are down.
package outage

import (
	"errors"
	"fmt"
	"sync"

	"github.com/modferry/modferry/registry"
)

// deadAfter is how many versions in a row a store may leave without an answer, each after all retries, before the rest
// of a run is not tried any more.
const deadAfter = 8

// A Detector is told how stores answer, so that a run with thousands of versions does not wait for each of them. The zero
// value is ready to use. It is safe for concurrent use.
type Detector struct {
	mu  sync.Mutex
	row map[string]int // unanswered versions in a row, by store
}

// Observe records how a store answered for a version; a nil error is a good answer.
func (d *Detector) Observe(store *registry.Store, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !errors.Is(err, registry.ErrUnavailable) {
		delete(d.row, store.String())
		return
	}
	if d.row == nil {
		d.row = make(map[string]int)
	}
	d.row[store.String()]++
	if errors.Is(err, registry.ErrUnreachable) {
		d.row[store.String()] = deadAfter
	}
}

// Check is an error, [registry.ErrUnavailable], if the store is down.
func (d *Detector) Check(store *registry.Store) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.row[store.String()] < deadAfter {
		return nil
	}
	return fmt.Errorf("not tried: %s: %w: it did not answer for the versions before", store, registry.ErrUnavailable)
}
