package proxyshim

import (
	"net/http"

	"github.com/modferry/modferry/proxyshim/access"
)

// Identify passes requests on to h, and has their events name who makes them. It belongs behind an [access.Guard].
func Identify(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e, c := eventOf(r.Context()), access.From(r.Context()); e != nil && c != nil {
			e.User = c.Name
		}
		h.ServeHTTP(w, r)
	})
}
