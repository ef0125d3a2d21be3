package proxyshim

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/proxyshim/cache"
	"github.com/modferry/modferry/proxyshim/events"
)

// openings is how often a file is fetched that is gone when it is to be opened:
// another process with the same cache directory may have evicted it at once.
const openings = 10

// errBusy: the files of a version kept disappearing from the cache.
var errBusy = errors.New("cached files are removed faster than they can be served: is the cache directory shared, or its limit too small?")

// Content types of what is served.
const (
	typeText = "text/plain; charset=UTF-8"
	typeJSON = "application/json"
	typeZip  = "application/zip"
)

var contentTypes = map[kind]string{kindInfo: typeJSON, kindMod: typeText, kindZip: typeZip}

// send answers with data.
func send(w http.ResponseWriter, contentType string, data []byte) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data)
}

// serveFile serves one of the files of m.
func (h *Handler) serveFile(w http.ResponseWriter, r *http.Request, m module.Version, k kind) error {
	f, written, err := h.open(r.Context(), m, k)
	if err != nil {
		return err
	}
	defer f.Close()
	if small, ok := f.(cache.Small); ok { // which is cheaper than what follows, and has no parts that anybody wants
		send(w, contentTypes[k], small.Content)
		return nil
	}
	w.Header().Set("Content-Type", contentTypes[k])
	http.ServeContent(w, r, "", written, f)
	return nil
}

// open opens a file of m that was verified and is still the one that was, and returns when it was written.
func (h *Handler) open(ctx context.Context, m module.Version, k kind) (io.ReadSeekCloser, time.Time, error) {
	event := events.Of(ctx)
	policy := h.policy()
	if e := fresh(h, h.versions, policy, m, h.recheck); e != nil {
		if f, written, err := h.cache.Open(e, k); err == nil {
			h.record(event, policy, e, true)
			return f, written, nil
		}
	}
	defer h.cache.Hold(m)()
	cached := event != nil && h.knownAbsent(m) == nil && h.isCached(m, k)
	for range openings {
		e, err := h.version(ctx, m)
		if err == nil {
			h.record(event, h.policy(), e, cached)
		}
		if err == nil && k == kindZip {
			if e, err = h.withZip(ctx, e); err == nil { // of the full form, if only the other one was known
				h.record(event, h.policy(), e, cached)
			}
		}
		if errors.Is(err, cache.ErrReplaced) {
			continue
		}
		if err != nil {
			return nil, time.Time{}, err
		}
		f, written, err := h.cache.Open(e, k)
		if !errors.Is(err, cache.ErrUnverified) {
			return f, written, err
		}
		h.cache.Forget(e)
	}
	return nil, time.Time{}, errBusy
}

// isCached reports whether a file of m is in the cache.
func (h *Handler) isCached(m module.Version, k kind) bool {
	store, err := h.stores.For(m.Path)
	if err != nil {
		return false
	}
	policy := h.policy()
	e := h.cache.Find(m, store.String(), h.versions.fingerprint(policy, m.Path))
	return h.versions.usable(policy, e) && (k != kindZip || e.HasZip())
}

// record records the version that a request is answered with, and the rule of the policy by which it is.
func (h *Handler) record(event *events.Event, policy sign.Verifier, v *cache.Entry, cached bool) {
	if event == nil {
		return
	}
	event.Version(v, cached)
	event.Rule = policy.Rule(v.Module.Path).Name
	if n := h.sums.now.Load(); n != nil && !h.checker(policy).IsPrivate(v.Module.Path) {
		event.Snapshot(n.Snapshot)
	}
}
