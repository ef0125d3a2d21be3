package e2e

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/mirror"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/stores"
	"github.com/modferry/modferry/registry/upstream"
)

const (
	benchVersions = 200 // of one session; every second one is full, the others are mod-only, as in real module graphs
	benchClients  = 8   // requests in parallel, as the go command makes them
)

// BenchmarkCold is a session of some hundred versions through a shim whose cache is empty: raw is its limit,
// parallel GETs of the same manifests and zip layers, with nothing checked or kept.
func BenchmarkCold(b *testing.B) {
	f := newBenchFerry(b)
	distribution := startRegistry(b, registryOptions{}).addr + "/bench/cold"
	layout := "oci:" + filepath.Join(b.TempDir(), "store")
	f.mirror(b, distribution)
	f.mirror(b, layout)

	b.Run("raw", func(b *testing.B) {
		urls := f.urls(b, distribution)
		for b.Loop() {
			f.each(b, func(ctx context.Context, it requirement.Requirement) error { return getAll(ctx, urls[it.Module]) })
		}
	})
	for name, ref := range map[string]string{"shim-registry": distribution, "shim-oci": layout} {
		b.Run(name, func(b *testing.B) {
			router := f.route(b, ref)
			for b.Loop() {
				h, err := proxyshim.New(proxyshim.Options{Stores: router, Verifier: f.signer.Verifier(), CacheDir: b.TempDir(), Recheck: 1 << 40})
				if err != nil {
					b.Fatal(err)
				}
				server := httptest.NewServer(h)
				f.each(b, func(ctx context.Context, it requirement.Requirement) error {
					return getThroughShim(ctx, server.URL, it)
				})
				b.StopTimer()
				server.Close()
				h.Close()
				b.StartTimer()
			}
		})
	}
}

// BenchmarkMirror publishes a session's versions into a registry: raw is its limit, pushes of the same blobs
// and manifests, built and signed beforehand.
func BenchmarkMirror(b *testing.B) {
	f := newBenchFerry(b)
	addr := startRegistry(b, registryOptions{}).addr
	namespace := 0
	next := func() string { namespace++; return fmt.Sprintf("%s/bench/n%d", addr, namespace) }

	b.Run("raw", func(b *testing.B) {
		built := f.build(b)
		for b.Loop() {
			f.pushRaw(b, f.open(b, next()), built)
		}
		b.ReportMetric(float64(len(f.items)*b.N)/b.Elapsed().Seconds(), "versions/s")
	})
	b.Run("modferry", func(b *testing.B) {
		for b.Loop() {
			f.mirror(b, next())
		}
		b.ReportMetric(float64(len(f.items)*b.N)/b.Elapsed().Seconds(), "versions/s")
	})
	b.Run("nothing-new", func(b *testing.B) {
		ref := next()
		f.mirror(b, ref)
		for b.Loop() {
			f.mirrorAgain(b, ref)
		}
		b.ReportMetric(float64(len(f.items)*b.N)/b.Elapsed().Seconds(), "versions/s")
	})
	b.Run("go.mod-only", func(b *testing.B) {
		for i := range f.items {
			f.items[i].ModOnly = true
		}
		for b.Loop() {
			f.mirror(b, next())
		}
		b.ReportMetric(float64(len(f.items)*b.N)/b.Elapsed().Seconds(), "versions/s")
	})
}

// BenchmarkStart is the time from starting the shim's process to its first answer.
func BenchmarkStart(b *testing.B) {
	f := newBenchFerry(b)
	dir := b.TempDir()
	key := filepath.Join(dir, "cosign.pub")
	if err := os.WriteFile(key, f.signer.PublicKey(), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		cmd := exec.Command(os.Getenv(envModferry), "serve", "--listen", "127.0.0.1:0", "--key", key,
			"--registry", "oci:"+filepath.Join(dir, "store"), "--cache", filepath.Join(dir, "cache"))
		p, err := startProcess(cmd, regexp.MustCompile(`(http://127\.0\.0\.1:[0-9]+)`))
		if err != nil {
			b.Fatal(err)
		}
		if err := get(b.Context(), p.ready+"/-/healthz"); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		p.kill()
		b.StartTimer()
	}
}

// benchFerry is what the benchmarks share: an upstream tree, its versions, a key, one client.
type benchFerry struct {
	tree   string
	items  []requirement.Requirement
	signer *sign.Signer
	client *remote.Client
}

func newBenchFerry(b *testing.B) *benchFerry {
	b.Helper()
	f := &benchFerry{tree: b.TempDir()}
	random := rand.New(rand.NewSource(1))
	for i := range benchVersions {
		m := module.Version{Path: fmt.Sprintf("example.com/bench/m%03d", i), Version: "v1.0.0"}
		src := b.TempDir()
		code := make([]byte, 4<<10+random.Intn(200<<10))
		for i := range code {
			code[i] = "abcdefghijklmnop"[random.Intn(16)]
		}
		write(b, filepath.Join(src, "m.go"), "package m\n\n// "+string(code)+"\n")
		write(b, filepath.Join(src, "go.mod"), "module "+m.Path+"\n")
		if err := addVersion(f.tree, m.Path+"@"+m.Version, src); err != nil {
			b.Fatal(err)
		}
		f.items = append(f.items, requirement.Requirement{Module: m, ModOnly: i%2 == 1})
	}
	private, _, err := sign.Generate([]byte("bench"))
	if err != nil {
		b.Fatal(err)
	}
	key := filepath.Join(b.TempDir(), "cosign.key")
	write(b, key, string(private))
	if f.signer, err = sign.LoadSigner(key, func() ([]byte, error) { return []byte("bench"), nil }); err != nil {
		b.Fatal(err)
	}
	if f.client, err = remote.NewClient(remote.ClientOptions{Log: slog.New(slog.DiscardHandler)}); err != nil {
		b.Fatal(err)
	}
	return f
}

func (f *benchFerry) open(b *testing.B, ref string) *registry.Store {
	s, err := stores.Open(f.client, ref)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func (f *benchFerry) route(b *testing.B, ref string) *registry.Router {
	r, err := stores.Route(f.client, ref)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// mirror publishes all items; whatever is not new is a failure.
func (f *benchFerry) mirror(b *testing.B, ref string) {
	if sum := f.run(b, ref); sum.New != len(f.items) {
		b.Fatalf("mirror: %+v", sum)
	}
}

// mirrorAgain finds that all items are there; whatever is not is a failure.
func (f *benchFerry) mirrorAgain(b *testing.B, ref string) {
	if sum := f.run(b, ref); sum.Existing != len(f.items) {
		b.Fatalf("mirror: %+v", sum)
	}
}

func (f *benchFerry) run(b *testing.B, ref string) mirror.Summary {
	up, err := upstream.New(upstream.Options{GOPROXY: "file://" + f.tree})
	if err != nil {
		b.Fatal(err)
	}
	router := f.route(b, ref)
	sum, err := mirror.Run(b.Context(), f.items, mirror.Options{Stores: router, Upstream: up, Signer: f.signer})
	if err != nil {
		b.Fatal(err)
	}
	if err := router.Close(); err != nil {
		b.Fatal(err)
	}
	return sum
}

// each runs do for every item, some in parallel.
func (f *benchFerry) each(b *testing.B, do func(context.Context, requirement.Requirement) error) {
	g, ctx := errgroup.WithContext(b.Context())
	g.SetLimit(benchClients)
	for _, it := range f.items {
		g.Go(func() error { return do(ctx, it) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

// urls are what a cold shim has to read of every version in a registry: the manifest, its signature's
// manifest, and the zip layer.
func (f *benchFerry) urls(b *testing.B, ref string) map[module.Version][]string {
	host, namespace, _ := strings.Cut(ref, "/")
	store := f.open(b, ref)
	urls := map[module.Version][]string{}
	for _, it := range f.items {
		m, err := store.FindKind(b.Context(), it.Module, it.ModOnly)
		if err != nil {
			b.Fatal(err)
		}
		base := "http://" + host + "/v2/" + namespace + "/" + m.Repository
		digest := m.Descriptor.Digest
		urls[it.Module] = []string{base + "/manifests/" + digest.String(), base + "/manifests/" + sign.Tag(digest)}
		if m.Zip != nil {
			urls[it.Module] = append(urls[it.Module], base+"/blobs/"+m.Zip.Digest.String())
		}
	}
	return urls
}

// getThroughShim reads a version as the go command does.
func getThroughShim(ctx context.Context, shim string, it requirement.Requirement) error {
	at := shim + "/" + it.Module.Path + "/@v/" + it.Module.Version
	urls := []string{at + ".info", at + ".mod"}
	if !it.ModOnly {
		urls = append(urls, at+".zip")
	}
	return getAll(ctx, urls)
}

func getAll(ctx context.Context, urls []string) error {
	for _, u := range urls {
		if err := get(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

// get reads a whole answer, which must be 200.
func get(ctx context.Context, url string) error {
	_, err := getInto(ctx, url, http.StatusOK, io.Discard)
	return err
}

// getInto is get for an answer of that status, with the answer written to w, and returns its header.
func getInto(ctx context.Context, url string, status int, w io.Writer) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json, */*")
	resp, err := benchHTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return nil, err
	}
	if resp.StatusCode != status {
		return nil, fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return resp.Header, nil
}

// benchHTTP keeps a connection for each client, as the go command does.
var benchHTTP = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchClients}}
