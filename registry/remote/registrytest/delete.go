package registrytest

import (
	"maps"
	"net/http"

	"github.com/opencontainers/go-digest"
)

// deleteManifest removes a manifest by its digest, with all tags that name it.
func (r *Registry) deleteManifest(w http.ResponseWriter, l Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := digest.Digest(l.Reference)
	repo := r.repos[l.Repository]
	switch {
	case !r.o.AllowDelete || d.Validate() != nil:
		writeError(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "The operation is unsupported.")
	case repo == nil || repo.manifests[d].raw == nil:
		writeError(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
	default:
		delete(repo.manifests, d)
		maps.DeleteFunc(repo.tags, func(_ string, tagged digest.Digest) bool { return tagged == d })
		w.WriteHeader(http.StatusAccepted)
	}
}
