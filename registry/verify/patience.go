package verify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
)

// signatures has the signatures of mod verified. Replication brings an artifact before its signature, so one that has
// none is asked for it again as long as the checker is patient.
func (c *Checker) signatures(ctx context.Context, store *registry.Store, mod *registry.Module) ([]string, error) {
	keys, err := store.Verify(ctx, mod, c.Verifier)
	for again := 0; errors.Is(err, sign.ErrUnsigned) && c.Patience != nil && c.Patience(ctx, store, again); again++ {
		keys, err = store.Verify(ctx, mod, c.Verifier)
	}
	if errors.Is(err, sign.ErrUnsigned) && !store.IsLayout() {
		err = fmt.Errorf("%w; if it was replicated a moment ago its signature may be on its way: try again", err)
	}
	return keys, err
}

// NewPatience returns a [Checker.Patience] that waits for three and a half seconds in all, but for one version in a
// minute: where one was waited for in vain, others are most likely not signed either.
func NewPatience() func(ctx context.Context, store *registry.Store, again int) bool {
	waits := [...]time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}
	var mu sync.Mutex
	var inVain time.Time
	return func(ctx context.Context, store *registry.Store, again int) bool {
		mu.Lock()
		hopeless := again == 0 && !inVain.IsZero() && time.Since(inVain) < time.Minute
		if again == len(waits) {
			inVain, hopeless = time.Now(), true
		}
		mu.Unlock()
		if hopeless || store.IsLayout() {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(waits[again]):
			return true
		}
	}
}
