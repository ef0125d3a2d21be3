// Package registrytest is an in-process OCI registry for tests. It logs its requests, and its faults are named after what
// real registries do: of one product in products.go, of any in faults.go.
package registrytest

import (
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Options configures a Registry. The zero value is a registry open to everyone.
type Options struct {
	Auth     Auth
	User     string // who may do everything; nobody else may do anything
	Password string
	Accounts map[string]string // "user:password", by project (the first part of a repository's name): who may, there, in place of User
	PageSize int               // entries of a page of tags or repositories, whatever was asked for; 0 = as asked
	TLS      bool
	FoldTags bool // Gitea, which has tags in lower case only

	TokenLife time.Duration // of a token; 0 = it never ends

	AllowDelete bool // distribution with REGISTRY_STORAGE_DELETE_ENABLED
}

// Registry is a running registry. It is safe for concurrent use.
type Registry struct {
	URL string // scheme and host

	o      Options
	server *httptest.Server
	dir    string // of blobs, one directory per repository

	connections atomic.Int32

	mu       sync.Mutex
	repos    map[string]*repository
	uploads  int             // that were begun
	open     map[string]bool // of them, by their paths
	requests []Request
	faults   []*Fault
}

type repository struct {
	manifests map[digest.Digest]manifest
	tags      map[string]digest.Digest
}

type manifest struct {
	mediaType string
	raw       []byte
}

// New starts a registry that is closed at the end of the test.
func New(tb testing.TB, o Options) *Registry {
	tb.Helper()
	r := &Registry{o: o, dir: tb.TempDir(), repos: make(map[string]*repository), open: make(map[string]bool)}
	r.server = httptest.NewUnstartedServer(r)
	r.server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			r.connections.Add(1)
		}
	}
	r.server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that go away are part of the tests
	if o.TLS {
		r.server.StartTLS()
	} else {
		r.server.Start()
	}
	r.URL = r.server.URL
	tb.Cleanup(r.Close)
	return r
}

// Connections returns how many connections were opened to the registry.
func (r *Registry) Connections() int { return int(r.connections.Load()) }

// OpenUploads returns how many uploads were begun that were neither finished nor cancelled.
func (r *Registry) OpenUploads() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open)
}

// Host returns the registry's host:port.
func (r *Registry) Host() string {
	_, host, _ := strings.Cut(r.URL, "://")
	return host
}

// Server returns the underlying test server.
func (r *Registry) Server() *httptest.Server { return r.server }

// Close stops the registry: connections are refused from then on.
func (r *Registry) Close() {
	r.server.CloseClientConnections()
	r.server.Close()
}

// ServeHTTP answers one request, with a fault where one applies.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	l := parseRequest(req)
	r.mu.Lock()
	r.requests = append(r.requests, l) // now: clients need not wait for the end of an answer
	r.mu.Unlock()
	if f := r.takeFault(l); f != nil {
		f.serve(r, w, req, l)
		return
	}
	r.serve(w, req, l)
}

// Request is one request the registry got.
type Request struct {
	Method     string
	Kind       Kind
	Repository string // whole name
	Reference  string // tag, digest or upload; "" for others
	Last       string // the name after which a page of a listing begins
}

// Kind is what a request is about.
type Kind string

// The kinds of requests.
const (
	Ping      Kind = "ping"
	Token     Kind = "token"
	Catalog   Kind = "catalog"
	Tags      Kind = "tags"
	Manifest  Kind = "manifest"
	Blob      Kind = "blob"
	Upload    Kind = "upload"
	Referrers Kind = "referrers"
	Other     Kind = "other"
)

func parseRequest(req *http.Request) Request {
	l := Request{Method: req.Method, Kind: Other, Last: req.URL.Query().Get("last")}
	path, ok := strings.CutPrefix(req.URL.Path, "/v2/")
	switch {
	case req.URL.Path == tokenPath:
		l.Kind = Token
	case !ok:
	case path == "":
		l.Kind = Ping
	case path == "_catalog":
		l.Kind = Catalog
	default:
		l.parseName(path)
	}
	return l
}

func (l *Request) parseName(path string) {
	for _, p := range []struct {
		infix string
		kind  Kind
	}{{"/blobs/uploads/", Upload}, {"/blobs/", Blob}, {"/manifests/", Manifest}, {"/referrers/", Referrers}, {"/tags/list", Tags}} {
		if i := strings.LastIndex(path, p.infix); i > 0 {
			l.Kind, l.Repository, l.Reference = p.kind, path[:i], path[i+len(p.infix):]
			return
		}
	}
}

// Requests returns what was asked for since the start or the last Reset.
func (r *Registry) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

// Count returns the number of requests of a method and kind; "" is any.
func (r *Registry) Count(method string, kind Kind) int {
	n := 0
	for _, l := range r.Requests() {
		if (method == "" || l.Method == method) && (kind == "" || l.Kind == kind) {
			n++
		}
	}
	return n
}

// Reset forgets the requests.
func (r *Registry) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = nil
}

// Tags returns the tags of a repository, sorted.
func (r *Registry) Tags(repo string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.repos[repo] == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(r.repos[repo].tags))
}

// Manifest returns a manifest by tag or digest, nil if there is none.
func (r *Registry) Manifest(repo, ref string) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, _, _ := r.lookup(repo, ref)
	return m.raw
}

// SetManifest stores any bytes as an image manifest under a tag, unchecked and
// whatever is there: what somebody with a push account could do.
func (r *Registry) SetManifest(repo, tag string, raw []byte) digest.Digest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.store(repo, tag, manifest{ocispec.MediaTypeImageManifest, raw})
}

// DeleteTag removes a tag.
func (r *Registry) DeleteTag(repo, tag string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.repos[repo] != nil {
		delete(r.repos[repo].tags, tag)
	}
}

// CopyRepository copies all manifests, tags and blobs to another repository, as a careless replication rule does.
func (r *Registry) CopyRepository(from, to string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	src, dst := r.repos[from], r.repository(to)
	maps.Copy(dst.manifests, src.manifests)
	maps.Copy(dst.tags, src.tags)
	return os.CopyFS(r.blobDir(to), os.DirFS(r.blobDir(from)))
}

// SetBlob replaces a blob's content, which need not match the digest.
func (r *Registry) SetBlob(repo string, d digest.Digest, content []byte) error {
	if err := os.MkdirAll(r.blobDir(repo), 0o777); err != nil {
		return err
	}
	return os.WriteFile(r.blobFile(repo, d), content, 0o666)
}

// RemoveBlob removes a blob.
func (r *Registry) RemoveBlob(repo string, d digest.Digest) error {
	return os.Remove(r.blobFile(repo, d))
}

func (r *Registry) blobDir(repo string) string {
	return filepath.Join(r.dir, strings.ReplaceAll(repo, "/", "!"))
}

func (r *Registry) blobFile(repo string, d digest.Digest) string {
	return filepath.Join(r.blobDir(repo), d.Encoded())
}
