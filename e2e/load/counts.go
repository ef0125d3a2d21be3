package load

import (
	"encoding/json"
	"net/http"
	"strings"
)

// ServeHTTP answers a request, and counts it. GET /counts returns how many there were by kind, as JSON; of what there is not,
// apart.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == "/counts" {
		r.mu.Lock()
		defer r.mu.Unlock()
		_ = json.NewEncoder(w).Encode(r.counts) // who went away needs none
		return
	}
	out := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	r.handler.ServeHTTP(out, req)
	kind := kindOf(req)
	if out.status == http.StatusNotFound {
		kind += ", absent"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[kind]++
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func kindOf(req *http.Request) string {
	for _, kind := range []string{"blobs", "manifests", "tags", "referrers", "_catalog"} {
		if strings.Contains(req.URL.Path, "/"+kind) {
			if kind == "manifests" && strings.HasSuffix(req.URL.Path, ".sig") {
				kind = "signatures"
			}
			return req.Method + " " + kind
		}
	}
	return req.Method + " other"
}
