package proxyshim

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/proxyshim/cache"
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

func contentType(ext string) string {
	switch ext {
	case cache.InfoExt:
		return typeJSON
	case cache.ModExt:
		return typeText
	default:
		return typeZip
	}
}

// serveFile serves one of the files of m.
func (h *Handler) serveFile(w http.ResponseWriter, r *http.Request, m module.Version, ext string) error {
	f, written, err := h.open(r.Context(), m, ext)
	if err != nil {
		return err
	}
	defer f.Close()
	w.Header().Set("Content-Type", contentType(ext))
	http.ServeContent(w, r, "", written, f)
	return nil
}

// open opens a file of m that was verified and is still the one that was, and
// returns when it was written.
func (h *Handler) open(ctx context.Context, m module.Version, ext string) (io.ReadSeekCloser, time.Time, error) {
	if e := h.fresh(m); e != nil {
		if f, written, err := h.cache.Open(e, ext); err == nil {
			return f, written, nil
		}
	}
	defer h.cache.Pin(m)()
	for range openings {
		e, err := h.version(ctx, m)
		if err == nil && ext == cache.ZipExt {
			e, err = h.withZip(ctx, e)
		}
		if errors.Is(err, cache.ErrReplaced) {
			continue
		}
		if err != nil {
			return nil, time.Time{}, err
		}
		f, written, err := h.cache.Open(e, ext)
		if !errors.Is(err, cache.ErrUnverified) {
			return f, written, err
		}
		h.cache.Forget(e)
	}
	return nil, time.Time{}, errBusy
}
