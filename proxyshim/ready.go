package proxyshim

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/modferry/modferry/registry/verify"
)

// A Condition is something whoever runs a shim wants to know of its readiness. It does not make it unready.
type Condition struct {
	Name string       // one word
	Err  func() error // what is wrong, nil if nothing is; safe for concurrent use
}

// readyPatience is how long readiness waits for stores to say whether there is a newer snapshot.
const readyPatience = 500 * time.Millisecond

// Drain makes the shim unready, so that nobody sends it more, and go on answering.
func (h *Handler) Drain() { h.draining.Store(true) }

// readiness tells whether the shim is of use, and line by line why, without names: supervisors show no credential. It is
// if the cache directory takes files, and a store answers or something is in the cache: that is served while no store
// does.
func (h *Handler) readiness(ctx context.Context) (status int, text string) {
	ctx, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	var lines []string
	ready := true
	tell := func(name string, good, vital bool, format string, args ...any) {
		mark := "[+]"
		if !good {
			mark = "[-]"
			ready = ready && !vital
		}
		lines = append(lines, mark+" "+name+": "+fmt.Sprintf(format, args...))
	}
	if h.ctx.Err() != nil || h.draining.Load() {
		tell("process", false, true, "%v", errClosed)
	}
	if err := h.cache.Ready(); err != nil {
		h.log.Error("the cache directory takes no files", "error", err)
		tell("cache", false, true, "the directory takes no files")
	} else {
		tell("cache", true, true, "the directory takes files")
	}
	state := h.Snapshot(ctx)
	h.tellStores(state, tell)
	h.tellSnapshot(state, tell)
	for _, c := range h.conditions {
		if err := c.Err(); err != nil {
			tell(c.Name, false, false, "the file was changed and is not in force, the one before still is")
		} else {
			tell(c.Name, true, false, "in force")
		}
	}
	status, text = http.StatusOK, "ready"
	if !ready {
		status, text = http.StatusServiceUnavailable, "not ready"
	}
	return status, text + "\n" + strings.Join(lines, "\n")
}

type teller func(name string, good, vital bool, format string, args ...any)

func (h *Handler) tellStores(state SnapshotState, tell teller) {
	silent := 0
	for _, fault := range state.Faults {
		switch verify.Classify(fault) {
		case verify.Unavailable, verify.Denied:
			silent++
		}
	}
	all := len(h.stores.Stores())
	switch {
	case silent == 0 && state.Checked.IsZero():
		tell("store", false, h.cache.Empty(), "not asked yet")
	case silent == 0:
		tell("store", true, false, "answers")
	case h.cache.Empty():
		tell("store", false, silent == all, "%d of %d do not answer, and nothing is cached", silent, all)
	default:
		tell("store", false, false, "%d of %d do not answer; what is cached is served", silent, all)
	}
}

func (h *Handler) tellSnapshot(state SnapshotState, tell teller) {
	switch {
	case state.Records > 0:
		tell("snapshot", true, false, "%d records of %s", state.Records, state.Log)
	case len(state.Faults) > 0:
		tell("snapshot", false, false, "none of %s that can be read and is trusted", state.Log)
	case state.Checked.IsZero():
		tell("snapshot", false, false, "not read yet")
	default:
		tell("snapshot", false, false, "none of %s: public modules are not verified against it", state.Log)
	}
}
