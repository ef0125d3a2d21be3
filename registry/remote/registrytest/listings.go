package registrytest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

func (r *Registry) serveTags(w http.ResponseWriter, req *http.Request, l Request) {
	r.mu.Lock()
	repo, known := r.repos[l.Repository]
	var tags []string
	if known {
		tags = slices.Sorted(maps.Keys(repo.tags))
	}
	r.mu.Unlock()
	if !known {
		writeError(w, http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry")
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"name": l.Repository, "tags": r.page(w, req, tags)})
}

func (r *Registry) serveCatalog(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	names := slices.Sorted(maps.Keys(r.repos))
	r.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"repositories": r.page(w, req, names)})
}

// page cuts a listing at "last" and "n" and links to the next page.
func (r *Registry) page(w http.ResponseWriter, req *http.Request, all []string) []string {
	q := req.URL.Query()
	n, err := strconv.Atoi(q.Get("n"))
	if err != nil || r.o.PageSize > 0 && n > r.o.PageSize {
		n = r.o.PageSize
	}
	start, found := slices.BinarySearch(all, q.Get("last"))
	if found {
		start++
	}
	rest := all[start:]
	if n <= 0 || len(rest) <= n {
		return rest
	}
	q.Set("last", rest[n-1])
	w.Header().Set("Link", fmt.Sprintf("<%s?%s>; rel=\"next\"", req.URL.Path, q.Encode()))
	return rest[:n]
}
