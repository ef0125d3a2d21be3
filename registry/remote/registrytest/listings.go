package registrytest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// serveReferrers lists the manifests of a repository that have a subject, by digest. It leaves out their types, which
// not every registry knows.
func (r *Registry) serveReferrers(w http.ResponseWriter, req *http.Request, l Request) {
	if req.Method != http.MethodGet {
		w.WriteHeader(http.StatusMethodNotAllowed) // zot
		return
	}
	var digests []string
	for _, d := range r.Referrers(l.Repository, digest.Digest(l.Reference)) {
		digests = append(digests, d.String())
	}
	manifests := []ocispec.Descriptor{}
	for _, d := range r.page(w, req, digests) {
		manifests = append(manifests, ocispec.Descriptor{
			MediaType: ocispec.MediaTypeImageManifest, Digest: digest.Digest(d), Size: int64(len(r.Manifest(l.Repository, d))),
		})
	}
	sendIndex(w, manifests)
}

// sendIndex answers with an index of manifests.
func sendIndex(w http.ResponseWriter, manifests []ocispec.Descriptor) {
	w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
	json.NewEncoder(w).Encode(ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: manifests,
	})
}

// Referrers returns the digests of the manifests in a repository whose subject is d, sorted.
func (r *Registry) Referrers(repo string, subject digest.Digest) []digest.Digest {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.repos[repo] == nil {
		return nil
	}
	var list []digest.Digest
	for d, m := range r.repos[repo].manifests {
		var parsed ocispec.Manifest
		if json.Unmarshal(m.raw, &parsed) == nil && parsed.Subject != nil && parsed.Subject.Digest == subject {
			list = append(list, d)
		}
	}
	slices.Sort(list)
	return list
}

// NoReferrers is distribution, which keeps no lists of referrers.
func NoReferrers() Fault {
	return Fault{kind: Referrers, times: -1, serve: func(_ *Registry, w http.ResponseWriter, _ *http.Request, _ Request) {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		http.Error(w, "404 page not found", http.StatusNotFound)
	}}
}

// EmptyReferrers is a registry, or a cache in front of one, that has a list for everything and nothing in it.
func EmptyReferrers() Fault {
	return Fault{kind: Referrers, times: -1, serve: func(_ *Registry, w http.ResponseWriter, _ *http.Request, _ Request) {
		sendIndex(w, []ocispec.Descriptor{})
	}}
}

// EndlessReferrers is a registry whose list of referrers has always another page.
func EndlessReferrers() Fault {
	return Fault{kind: Referrers, times: -1, serve: func(_ *Registry, w http.ResponseWriter, req *http.Request, _ Request) {
		manifests := make([]ocispec.Descriptor, 100)
		for i := range manifests {
			d := digest.FromString(req.URL.RawQuery + strconv.Itoa(i))
			manifests[i] = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: d, Size: 1}
		}
		w.Header().Set("Link", "<"+req.URL.Path+"?last="+manifests[0].Digest.Encoded()+`>; rel="next"`)
		sendIndex(w, manifests)
	}}
}

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
