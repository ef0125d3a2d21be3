package access

import (
	"fmt"
	"io"
	"net/http"
)

// Refuse answers a request for what its client may not read. It is the same whether a store has such a module or not, and
// nothing that the go command would take for absence, after which it asks the next proxy: who shows no credential is asked
// for one (401), who does is told (403).
func Refuse(w http.ResponseWriter, r *http.Request, path string) {
	c := From(r.Context())
	if c == nil || c.Name == "" {
		Challenge(w, "no credential, or none that is known, for "+path)
		return
	}
	write(w, http.StatusForbidden, fmt.Sprintf("forbidden: %s may not read %s here; ask who runs this shim", c.Name, path))
}

// Challenge answers a request that has no credential or a wrong one.
func Challenge(w http.ResponseWriter, why string) {
	w.Header().Set("WWW-Authenticate", `Basic realm="modferry", charset="UTF-8"`)
	write(w, http.StatusUnauthorized, "unauthorized: "+why+"\nThe go command takes user and password from .netrc, for https only.")
}

func write(w http.ResponseWriter, status int, text string) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=UTF-8")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "private, no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}
