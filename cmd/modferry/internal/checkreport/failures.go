package checkreport

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/proxyshim/events"
)

// failures is what a shim did not answer as asked.
type failures struct {
	mu          sync.Mutex
	refused     []string // what failed verification: "module@version: why", each once, sorted
	denied      int      // requests that the registry, or a route to none, refused
	reasons     []string // what for, each once; not of all
	unavailable int      // requests that the store failed; the command that asked shows why
}

// maxReasons is how many reasons for denied requests are kept.
const maxReasons = 5

// Failed takes a failure of the shim, as proxyshim.Options.Failed.
func (r *Report) Failed(f proxyshim.Failure) {
	r.failures.mu.Lock()
	defer r.failures.mu.Unlock()
	switch f.Kind {
	case events.Refused:
		name := cmp.Or(f.Module.String(), "the checksum database") + ": "
		text := name + strings.TrimPrefix(f.Err.Error(), name)
		if i, found := slices.BinarySearch(r.failures.refused, text); !found {
			r.failures.refused = slices.Insert(r.failures.refused, i, text)
		}
	case events.Denied, events.HeldBack:
		r.failures.denied++
		if reason := f.Err.Error(); len(r.failures.reasons) < maxReasons && !slices.Contains(r.failures.reasons, reason) {
			r.failures.reasons = append(r.failures.reasons, reason)
		}
	default:
		r.failures.unavailable++
	}
}
