package mirror

import (
	"errors"
	"fmt"
	"sync"

	"github.com/modferry/modferry/registry"
)

// deadAfter is how many versions in a row a store may leave without an answer, each
// after all retries, before the rest of a run is not tried any more.
const deadAfter = 8

// outages notices stores that are down, so that a run with thousands of versions does
// not wait for each of them. The zero value is ready to use.
type outages struct {
	mu  sync.Mutex
	row map[string]int // unanswered versions in a row, by store
}

// observe records how a store answered for a version; a nil error is a good answer.
func (o *outages) observe(store *registry.Store, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !errors.Is(err, registry.ErrUnavailable) {
		delete(o.row, store.String())
		return
	}
	if o.row == nil {
		o.row = make(map[string]int)
	}
	o.row[store.String()]++
	if errors.Is(err, registry.ErrUnreachable) {
		o.row[store.String()] = deadAfter
	}
}

// check is an error if the store is down.
func (o *outages) check(store *registry.Store) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.row[store.String()] < deadAfter {
		return nil
	}
	return fmt.Errorf("not tried: %s: %w: it did not answer for the versions before", store, registry.ErrUnavailable)
}
