package proxyshim

import "context"

// State is what is true of a shim at one moment.
type State struct {
	Snapshot   SnapshotState
	Stores     map[string]bool // by name: whether it answered when it was last asked
	InForce    map[string]bool // by the name of a [Condition]: whether nothing is wrong
	CacheBytes int64           // an estimate
	Fetching   int             // how much is being asked of stores, each thing once for all who wait for it
	Wishes     int             // what was asked for and is missing, at most 10,000
}

// State returns the state of the shim. Stores are asked for a newer snapshot if that is due, for as long as ctx lasts.
func (h *Handler) State(ctx context.Context) State {
	s := State{
		Snapshot: h.Snapshot(ctx), Stores: make(map[string]bool), InForce: make(map[string]bool),
		CacheBytes: h.cache.Size(), Fetching: int(h.fetching.Load()), Wishes: h.wishes.known.Len(),
	}
	for _, store := range h.stores.Stores() {
		s.Stores[store.String()] = !h.outages.known(store.String())
	}
	for _, c := range h.conditions {
		s.InForce[c.Name] = c.Err() == nil
	}
	return s
}
