package registrytest

import (
	"encoding/json"
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
	list := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
	digests := r.Referrers(l.Repository, digest.Digest(l.Reference))
	from := 0
	if last := req.URL.Query().Get("last"); last != "" {
		for from < len(digests) && digests[from].String() <= last {
			from++
		}
	}
	digests = digests[from:]
	if n := r.o.PageSize; n > 0 && len(digests) > n {
		digests = digests[:n]
		w.Header().Set("Link", "<"+req.URL.Path+"?last="+digests[n-1].String()+`>; rel="next"`)
	}
	for _, d := range digests {
		list.Manifests = append(list.Manifests, ocispec.Descriptor{
			MediaType: ocispec.MediaTypeImageManifest, Digest: d, Size: int64(len(r.Manifest(l.Repository, d.String()))),
		})
	}
	raw, _ := json.Marshal(list) // of a value that can be
	w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
	w.Write(raw)
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
		w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
		w.Write([]byte(`{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageIndex + `","manifests":[]}`))
	}}
}

// EndlessReferrers is a registry whose list of referrers has always another page.
func EndlessReferrers() Fault {
	return Fault{kind: Referrers, times: -1, serve: func(_ *Registry, w http.ResponseWriter, req *http.Request, _ Request) {
		list := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
		for range 100 {
			d := digest.FromString(req.URL.RawQuery + strconv.Itoa(len(list.Manifests)))
			list.Manifests = append(list.Manifests, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: d, Size: 1})
		}
		raw, _ := json.Marshal(list)
		w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
		w.Header().Set("Link", "<"+req.URL.Path+"?last="+digest.FromBytes(raw).Encoded()+`>; rel="next"`)
		w.Write(raw)
	}}
}
