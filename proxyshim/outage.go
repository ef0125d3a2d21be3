package proxyshim

import (
	"log/slog"
	"sync"
	"time"
)

// outageHold is how long a store that did not answer is left alone by requests
// that can be answered from the cache: each attempt takes its retries.
const outageHold = 5 * time.Second

// outages remembers which stores do not answer.
type outages struct {
	now func() time.Time
	log *slog.Logger

	mu    sync.Mutex
	until map[string]time.Time
}

// holds reports whether a store failed to answer a moment ago.
func (o *outages) holds(store string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now().Before(o.until[store])
}

// known reports whether a store failed to answer when it was last asked.
func (o *outages) known(store string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, known := o.until[store]
	return known
}

// begin records that a store did not answer, and logs it the first time.
func (o *outages) begin(store string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.until[store]; !known {
		o.log.Warn("the store does not answer; what is cached is served without checking it again", "store", store, "error", err)
	}
	o.until[store] = o.now().Add(outageHold)
}

// end records that a store answered.
func (o *outages) end(store string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.until[store]; known {
		o.log.Info("the store answers again", "store", store)
		delete(o.until, store)
	}
}
