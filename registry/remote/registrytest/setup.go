package registrytest

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
)

// NoRepositoryCreation is a registry, as Amazon's, where somebody has to create a repository before anything is pushed to it.
func NoRepositoryCreation() Fault {
	f := Answer(http.StatusNotFound, "NAME_UNKNOWN", "The repository with that name does not exist in the registry")
	f.when = func(r *Registry, l Request) bool {
		return action(l) == "push" && l.Kind != Token && r.repos[l.Repository] == nil
	}
	return f
}

// UploadsElsewhere is a registry that takes uploads at another path, or says that another host does: base stands in front of
// each Location, as "/storage" or "https://uploads.example".
func UploadsElsewhere(base string) Fault {
	return Fault{
		times: -1,
		when: func(_ *Registry, l Request) bool {
			return l.Method == http.MethodPost && l.Kind == Upload || l.Method == http.MethodPut && l.Kind == Other
		},
		serve: func(r *Registry, w http.ResponseWriter, req *http.Request, l Request) {
			if l.Method == http.MethodPut {
				req = req.Clone(req.Context())
				req.URL.Path = strings.TrimPrefix(req.URL.Path, base)
				r.serve(w, req, parseRequest(req))
				return
			}
			right := httptest.NewRecorder()
			r.serve(right, req, l)
			maps.Copy(w.Header(), right.Header())
			if to := right.Header().Get("Location"); to != "" {
				w.Header().Set("Location", base+to)
			}
			w.WriteHeader(right.Code)
			w.Write(right.Body.Bytes())
		},
	}
}

// BlobsElsewhere is a registry that keeps its blobs on another host, as in an object storage: it redirects to base and the
// path that was asked for.
func BlobsElsewhere(base string) Fault {
	return Fault{
		method: http.MethodGet, kind: Blob, times: -1,
		serve: func(r *Registry, w http.ResponseWriter, req *http.Request, l Request) {
			if !r.authorized(req, l) {
				r.challenge(w, l)
				return
			}
			http.Redirect(w, req, base+req.URL.Path, http.StatusTemporaryRedirect)
		},
	}
}
