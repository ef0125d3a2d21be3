package registrytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// serve answers a request as the OCI distribution-spec says.
func (r *Registry) serve(w http.ResponseWriter, req *http.Request, l Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if l.Kind == Token {
		r.serveToken(w, req)
		return
	}
	if !r.authorized(req, l) {
		r.challenge(w, l)
		return
	}
	switch l.Kind {
	case Ping:
		writeJSON(w, http.StatusOK, struct{}{})
	case Catalog:
		r.serveCatalog(w, req)
	case Tags:
		r.serveTags(w, req, l)
	case Manifest:
		r.serveManifest(w, req, l)
	case Referrers:
		r.serveReferrers(w, req, l)
	case Blob:
		r.serveBlob(w, req, l)
	case Upload:
		r.serveUpload(w, req, l)
	default:
		http.Error(w, "404 page not found", http.StatusNotFound)
	}
}

func (r *Registry) serveManifest(w http.ResponseWriter, req *http.Request, l Request) {
	switch req.Method {
	case http.MethodPut:
		r.putManifest(w, req, l)
		return
	case http.MethodDelete:
		r.deleteManifest(w, l)
		return
	}
	r.mu.Lock()
	m, d, ok := r.lookup(l.Repository, l.Reference)
	_, known := r.repos[l.Repository]
	r.mu.Unlock()
	switch {
	case !known:
		writeError(w, http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry")
	case !ok:
		writeError(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
	default:
		w.Header().Set("Content-Type", m.mediaType)
		w.Header().Set("Docker-Content-Digest", d.String())
		w.Header().Set("Content-Length", strconv.Itoa(len(m.raw)))
		if req.Method == http.MethodGet {
			w.Write(m.raw)
		}
	}
}

// lookup finds a manifest by tag or digest. The caller holds mu.
func (r *Registry) lookup(repo, ref string) (manifest, digest.Digest, bool) {
	known, ok := r.repos[repo]
	if !ok {
		return manifest{}, "", false
	}
	d, ok := known.tags[r.tag(ref)]
	if !ok {
		d = digest.Digest(ref)
	}
	m, ok := known.manifests[d]
	return m, d, ok
}

func (r *Registry) putManifest(w http.ResponseWriter, req *http.Request, l Request) {
	raw, err := io.ReadAll(io.LimitReader(req.Body, 4<<20+1))
	var parsed ocispec.Manifest
	switch d := digest.Digest(l.Reference); {
	case err != nil:
		writeError(w, http.StatusBadRequest, "MANIFEST_INVALID", err.Error())
		return
	case len(raw) > 4<<20:
		writeError(w, http.StatusRequestEntityTooLarge, "MANIFEST_INVALID", "manifest too large")
		return
	case json.Unmarshal(raw, &parsed) != nil || parsed.MediaType != req.Header.Get("Content-Type"):
		writeError(w, http.StatusBadRequest, "MANIFEST_INVALID", "manifest invalid")
		return
	case d.Validate() == nil && digest.FromBytes(raw) != d:
		writeError(w, http.StatusBadRequest, "DIGEST_INVALID", "provided digest did not match uploaded content")
		return
	}
	blobs := parsed.Layers
	if parsed.MediaType != ocispec.MediaTypeImageIndex {
		blobs = append(blobs, parsed.Config)
	}
	for _, b := range blobs {
		if _, err := os.Stat(r.blobFile(l.Repository, b.Digest)); err != nil {
			writeError(w, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", "manifest references an unknown blob "+b.Digest.String())
			return
		}
	}
	r.mu.Lock()
	if missing, ok := r.missing(l.Repository, raw); ok {
		r.mu.Unlock()
		writeError(w, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", "manifest references an unknown manifest "+missing.String())
		return
	}
	d := r.store(l.Repository, l.Reference, manifest{parsed.MediaType, raw})
	r.mu.Unlock()
	w.Header().Set("Docker-Content-Digest", d.String())
	w.Header().Set("Location", req.URL.Path)
	w.WriteHeader(http.StatusCreated)
}

// missing returns a manifest that the index raw names and the repository does not have, as distribution looks for one. The
// caller holds mu.
func (r *Registry) missing(repo string, raw []byte) (digest.Digest, bool) {
	var index ocispec.Index
	_ = json.Unmarshal(raw, &index) // it has been read before
	for _, d := range index.Manifests {
		if known := r.repos[repo]; known == nil || known.manifests[d.Digest].raw == nil {
			return d.Digest, true
		}
	}
	return "", false
}

// store keeps a manifest under its digest and, if ref is one, a tag. The caller holds mu.
func (r *Registry) store(repo, ref string, m manifest) digest.Digest {
	d := digest.FromBytes(m.raw)
	to := r.repository(repo)
	to.manifests[d] = m
	if digest.Digest(ref).Validate() != nil {
		to.tags[r.tag(ref)] = d
	}
	return d
}

// tag returns what a tag is called here.
func (r *Registry) tag(name string) string {
	if r.o.FoldTags {
		return strings.ToLower(name)
	}
	return name
}

// repository returns a repository, a new one if need be. The caller holds mu.
func (r *Registry) repository(name string) *repository {
	if r.repos[name] == nil {
		r.repos[name] = &repository{manifests: make(map[digest.Digest]manifest), tags: make(map[string]digest.Digest)}
	}
	return r.repos[name]
}

func (r *Registry) serveBlob(w http.ResponseWriter, req *http.Request, l Request) {
	d := digest.Digest(l.Reference)
	if d.Validate() != nil {
		writeError(w, http.StatusBadRequest, "DIGEST_INVALID", "invalid digest")
		return
	}
	f, err := os.Open(r.blobFile(l.Repository, d))
	if err != nil {
		writeError(w, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry")
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		writeError(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Docker-Content-Digest", d.String())
	w.Header().Set("Etag", `"`+d.String()+`"`)
	http.ServeContent(w, req, "", info.ModTime(), f)
}

func (r *Registry) serveUpload(w http.ResponseWriter, req *http.Request, l Request) {
	switch req.Method {
	case http.MethodPost:
		if q := req.URL.Query(); r.mount(l.Repository, q.Get("from"), digest.Digest(q.Get("mount"))) {
			w.Header().Set("Docker-Content-Digest", q.Get("mount"))
			w.Header().Set("Location", fmt.Sprintf("/v2/%s/blobs/%s", l.Repository, q.Get("mount")))
			w.WriteHeader(http.StatusCreated)
			return
		}
		r.mu.Lock()
		r.uploads++
		path := fmt.Sprintf("/v2/%s/blobs/uploads/%d", l.Repository, r.uploads)
		r.open[path] = true
		r.repository(l.Repository)
		r.mu.Unlock()
		w.Header().Set("Location", path+"?_state=x")
		w.WriteHeader(http.StatusAccepted)
	case http.MethodPut:
		r.finishUpload(w, req, l)
		r.endUpload(req)
	case http.MethodDelete:
		r.endUpload(req)
		w.WriteHeader(http.StatusNoContent)
	default:
		writeError(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "the operation is unsupported")
	}
}

func (r *Registry) endUpload(req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, req.URL.Path)
}

// mount gives a repository a blob that another one has.
func (r *Registry) mount(repo, from string, d digest.Digest) bool {
	if d.Validate() != nil || os.MkdirAll(r.blobDir(repo), 0o777) != nil {
		return false
	}
	err := os.Link(r.blobFile(from, d), r.blobFile(repo, d))
	return err == nil || errors.Is(err, fs.ErrExist)
}

func (r *Registry) finishUpload(w http.ResponseWriter, req *http.Request, l Request) {
	want := digest.Digest(req.URL.Query().Get("digest"))
	if want.Validate() != nil || l.Reference == "" {
		writeError(w, http.StatusBadRequest, "DIGEST_INVALID", "invalid digest")
		return
	}
	if err := r.receive(l.Repository, want, req.Body); err != nil {
		writeError(w, http.StatusBadRequest, "DIGEST_INVALID", err.Error())
		return
	}
	w.Header().Set("Docker-Content-Digest", want.String())
	w.Header().Set("Location", fmt.Sprintf("/v2/%s/blobs/%s", l.Repository, want))
	w.WriteHeader(http.StatusCreated)
}

func (r *Registry) receive(repo string, want digest.Digest, body io.Reader) error {
	if err := os.MkdirAll(r.blobDir(repo), 0o777); err != nil {
		return err
	}
	f, err := os.CreateTemp(r.dir, "upload")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	v := want.Verifier()
	_, err = io.Copy(io.MultiWriter(f, v), body)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil && !v.Verified() {
		err = fmt.Errorf("provided digest did not match uploaded content")
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), r.blobFile(repo, want))
}

func writeError(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

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
