package proxyshim

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/stores"
)

// env is a registry with a signed module store in it and a shim in front.
type env struct {
	t         testing.TB
	transport *transport
	store     *registry.Store
	router    *registry.Router
	handler   *Handler
	url       string // of the shim
	root      string // holds the cache directory and nothing else
	options   Options
	clock     *clock
	log       *logBuffer
	signer    *sign.Signer
}

func newEnv(t testing.TB, change ...func(*Options)) *env {
	t.Helper()
	return newEnvOn(t, registrytest.New(t, registrytest.Options{}).URL+"/golang", change...)
}

// newEnvOn puts a shim in front of the store ref names.
func newEnvOn(t testing.TB, ref string, change ...func(*Options)) *env {
	t.Helper()
	e := &env{
		t: t, root: t.TempDir(), transport: &transport{base: http.DefaultTransport}, log: new(logBuffer),
		clock: &clock{now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}, signer: testSigner(t, 0),
	}
	client, err := remote.NewClient(remote.ClientOptions{
		Transport: e.transport, Retries: 2, MinBackoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond,
	})
	check(t, err)
	e.store, err = stores.Open(client, ref)
	check(t, err)
	e.router, err = stores.Route(client, ref)
	check(t, err)
	t.Cleanup(func() { _ = e.router.Close(); _ = e.store.Close() })
	e.options = Options{
		Stores: e.router, Verifier: e.signer.Verifier(), CacheDir: filepath.Join(e.root, "cache"), Recheck: time.Hour,
		Log: slog.New(slog.NewTextHandler(e.log, nil)), Now: e.clock.Now,
	}
	for _, c := range change {
		c(&e.options)
	}
	e.handler, e.url = e.start(e.options)
	return e
}

// start starts another shim.
func (e *env) start(o Options) (*Handler, string) {
	e.t.Helper()
	h, err := New(o)
	check(e.t, err)
	server := httptest.NewServer(h)
	e.t.Cleanup(func() { server.Close(); _ = h.Close() })
	return h, server.URL
}

// restart replaces the shim by a new one on the same cache directory.
func (e *env) restart(change ...func(*Options)) {
	e.t.Helper()
	check(e.t, e.handler.Close())
	for _, c := range change {
		c(&e.options)
	}
	e.handler, e.url = e.start(e.options)
}

// get asks the shim.
func (e *env) get(path string) (int, string) {
	e.t.Helper()
	resp, err := http.Get(e.url + path)
	check(e.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(e.t, err)
	e.handler.cache.Close() // what was answered is on disk then
	return resp.StatusCode, string(body)
}

// want asks the shim and checks status and a part of the body. An empty part stands for what such a file has in it.
func (e *env) want(path string, status int, part string) {
	e.t.Helper()
	if part == "" {
		part = map[string]string{".info": `"Version":"v`, ".mod": "module ", ".zip": "PK"}[filepath.Ext(path)]
	}
	if got, body := e.get(path); got != status || !strings.Contains(body, part) {
		e.t.Errorf("GET %s: %d %.300q, want %d …%q…", path, got, body, status, part)
	}
}

// requests runs fn and returns the registry requests made meanwhile.
func (e *env) requests(fn func()) []string {
	before := e.transport.count()
	fn()
	return e.transport.requests()[before:]
}

// files lists the files of the cache directory that are not for the shim alone.
func (e *env) files() []string {
	e.t.Helper()

	var names []string
	check(e.t, filepath.WalkDir(e.options.CacheDir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	}))
	return names
}

// outside lists what is beside the cache directory.
func (e *env) outside(t *testing.T) []string {
	t.Helper()
	files, err := os.ReadDir(e.root)
	check(t, err)
	var names []string
	for _, f := range files {
		if f.Name() != "cache" {
			names = append(names, f.Name())
		}
	}
	return names
}

// content is what a module version is made of.
type content struct {
	m       module.Version
	modOnly bool
	size    int    // bytes of incompressible data in the zip
	origin  string // commit
	text    string // distinguishes zips
	comment string // in go.mod
	program string // directory of another package
}

func (c content) info() []byte {
	info := fmt.Sprintf(`{"Version":%q,"Time":"2026-01-02T03:04:05Z"`, c.m.Version)
	if c.origin != "" {
		info += fmt.Sprintf(`,"Origin":{"VCS":"git","URL":"https://%s","Hash":%q}`, c.m.Path, c.origin)
	}
	return []byte(info + "}")
}

func (c content) gomod() []byte { return []byte("module " + c.m.Path + "\n\ngo 1.24\n" + c.comment) }

// build makes the artifact of c.
func build(t testing.TB, c content) *artifact.Artifact {
	t.Helper()
	f := artifact.Files{Module: c.m, Info: c.info(), GoMod: c.gomod()}
	if !c.modOnly {
		f.ZipFile = c.zip(t)
	}
	a, err := artifact.Build(f)
	check(t, err)
	return a
}

func (c content) zip(t testing.TB) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "m.zip"))
	check(t, err)
	defer f.Close()
	w := zip.NewWriter(f)
	add := func(name string, method uint16, data io.Reader) {
		entry, err := w.CreateHeader(&zip.FileHeader{Name: c.m.String() + "/" + name, Method: method})
		check(t, err)
		_, err = io.Copy(entry, data)
		check(t, err)
	}
	add("go.mod", zip.Deflate, bytes.NewReader(c.gomod()))
	add("m.go", zip.Deflate, strings.NewReader("package m\n\nconst Text = \""+c.text+"\"\n"))
	if c.program != "" {
		add(c.program+"/main.go", zip.Deflate, strings.NewReader("package main\n\nfunc main() {}\n"))
	}
	if c.size > 0 {
		add("data.bin", zip.Store, io.LimitReader(rand.NewChaCha8([32]byte{1}), int64(c.size)))
	}
	check(t, w.Close())
	return f.Name()
}

// publish puts c into the store, signed.
func (e *env) publish(c content) *artifact.Artifact {
	e.t.Helper()
	return e.publishAs(c, e.signer)
}

func (e *env) publishAs(c content, signer *sign.Signer) *artifact.Artifact {
	e.t.Helper()
	a := build(e.t, c)
	_, err := e.store.Publish(e.t.Context(), a, registry.PublishOptions{Signer: signer, Recorded: true})
	check(e.t, err)
	return a
}

// testSigner returns the i-th key.
func testSigner(t testing.TB, i int) *sign.Signer {
	t.Helper()
	return signtest.Signer(t, i)
}

// transport counts requests to the registry and replaces answers.
type transport struct {
	base http.RoundTripper

	mu    sync.Mutex
	log   []string
	fault func(*http.Request) (*http.Response, error) // nil, nil = none
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.mu.Lock()
	t.log = append(t.log, r.Method+" "+r.URL.Path)
	fault := t.fault
	t.mu.Unlock()
	if fault != nil {
		if resp, err := fault(r); resp != nil || err != nil {
			return resp, err
		}
	}
	return t.base.RoundTrip(r)
}

func (t *transport) requests() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.log)
}

func (t *transport) count() int { return len(t.requests()) }

// inject sets what happens to requests from now on.
func (t *transport) inject(fault func(*http.Request) (*http.Response, error)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fault = fault
}

// respond returns a fault: that answer to requests whose path contains part.
func respond(part string, status int, contentType, body string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		if !strings.Contains(r.URL.Path, part) {
			return nil, nil
		}
		return &http.Response{
			StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header:        http.Header{"Content-Type": {contentType}},
			ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)), Request: r,
		}, nil
	}
}

// ociError returns a fault with the error body of a registry.
func ociError(status int, code, message string) func(*http.Request) (*http.Response, error) {
	return respond("/v2/", status, "application/json", fmt.Sprintf(`{"errors":[{"code":%q,"message":%q}]}`, code, message))
}

func down(*http.Request) (*http.Response, error) { return nil, fmt.Errorf("connection refused") }

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
