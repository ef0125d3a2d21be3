package e2e

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/stores"
)

// Environment of TestBenchReal.
const (
	envBenchReal  = "BENCH_REAL"   // directory that keeps the set between runs; unset: no benchmark
	envBenchOld   = "OLD_BIN"      // an older modferry to compare with
	envBenchRound = "BENCH_ROUNDS" // default 3
	envFiles      = "BENCH_FILES"  // the test binary is to be a static file server of that directory
	benchProject  = "github.com/sigstore/cosign/v3@v3.1.3"
	benchStore    = "bench/golang"
	benchPassword = "COSIGN_PASSWORD=bench"
)

// TestBenchReal measures with real modules: all that "go mod download" in cosign asks for, out of a distribution
// registry. Every number is set against its limit of the same round: plain GETs of the same manifests and layers, a
// static file server, GOPROXY=file://.
func TestBenchReal(t *testing.T) {
	dir := os.Getenv(envBenchReal)
	if dir == "" {
		t.Skipf("%s is not set; run make bench-real", envBenchReal)
	}
	b := newRealBench(t, dir)
	rounds := 3
	if n := os.Getenv(envBenchRound); n != "" {
		if _, err := fmt.Sscan(n, &rounds); err != nil {
			t.Fatal(err)
		}
	}
	b.raw() // the registry reads its files
	all := results{}
	for range rounds {
		b.round(all)
	}
	fmt.Printf("\n%d versions, %d zips, %d at a time; medians of %d rounds, each number / the lowest / the highest\n",
		len(b.versions), len(b.full()), benchClients, rounds)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		v := all[name]
		slices.Sort(v)
		fmt.Printf("%-52s %8.2f %8.2f %8.2f\n", name, v[len(v)/2], v[0], v[len(v)-1])
	}
}

// TestServeBenchFiles is no test but the static file server that TestBenchReal compares with, in a process of its own.
func TestServeBenchFiles(t *testing.T) {
	dir := os.Getenv(envFiles)
	if dir == "" {
		t.Skipf("%s is not set", envFiles)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(os.Stderr, "http://%s\n", l.Addr())
	t.Fatal(http.Serve(l, http.FileServer(http.Dir(dir))))
}

// A realVersion is a version of the set, and what a cold shim has to read of it.
type realVersion struct {
	base             string // path of its files, without extension
	modOnly          bool
	manifests, blobs []string // URLs
}

type realBench struct {
	t        *testing.T
	dir      string
	registry string // host:port
	versions []realVersion

	distribution *distribution
}

// newRealBench starts a registry that has the set, fetching it the first time.
func newRealBench(t *testing.T, dir string) *realBench {
	dir, err := filepath.Abs(dir)
	b := &realBench{t: t, dir: dir}
	b.check(err)
	b.check(os.MkdirAll(filepath.Join(dir, "project"), 0o755))
	b.distribution = startRegistry(t, registryOptions{data: filepath.Join(dir, "registry")})
	b.registry = b.distribution.addr
	b.fetchProject()
	if _, err := os.Stat(filepath.Join(dir, "complete")); err != nil {
		b.fetchSet()
		write(t, filepath.Join(dir, "complete"), "")
	}
	b.lookUp()
	return b
}

func (b *realBench) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// fetchProject takes go.mod and go.sum of the project out of its zip.
func (b *realBench) fetchProject() {
	out, err := exec.CommandContext(b.t.Context(), "go", "mod", "download", "-json", benchProject).Output()
	b.check(err)
	var m struct{ Dir string }
	b.check(json.Unmarshal(out, &m))
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(m.Dir, name))
		b.check(err)
		write(b.t, filepath.Join(b.dir, "project", name), string(data))
	}
}

// fetchSet mirrors the set from the configured GOPROXY into the registry.
func (b *realBench) fetchSet() {
	modferry := os.Getenv(envModferry)
	for _, args := range [][]string{
		{"keygen", "--output-key-prefix", filepath.Join(b.dir, "cosign")},
		{
			"mirror", "--key", filepath.Join(b.dir, "cosign.key"), "--registry", b.registry + "/" + benchStore,
			"testdata/cosign.set",
		},
	} {
		cmd := exec.CommandContext(b.t.Context(), modferry, args...)
		cmd.Env = append(os.Environ(), benchPassword)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		b.check(cmd.Run())
	}
}

// lookUp finds out what has to be read of each version.
func (b *realBench) lookUp() {
	client, err := remote.NewClient(remote.ClientOptions{Log: slog.New(slog.DiscardHandler)})
	b.check(err)
	store, err := stores.Open(client, b.registry+"/"+benchStore)
	b.check(err)
	set, err := os.Open("testdata/cosign.set")
	b.check(err)
	defer set.Close()
	for lines := bufio.NewScanner(set); lines.Scan(); {
		f := strings.Fields(lines.Text())
		v := realVersion{modOnly: len(f) == 3}
		path, err := module.EscapePath(f[0])
		b.check(err)
		version, err := module.EscapeVersion(f[1])
		b.check(err)
		v.base = "/" + path + "/@v/" + version
		m, err := store.FindKind(b.t.Context(), module.Version{Path: f[0], Version: f[1]}, v.modOnly)
		b.check(err)
		tag, err := m.Tag()
		b.check(err)
		url := "http://" + b.registry + "/v2/" + benchStore + "/" + m.Repository
		v.manifests = []string{url + "/manifests/" + tag, url + "/manifests/" + sign.Tag(m.Descriptor.Digest)}
		if m.Zip != nil {
			v.blobs = []string{url + "/blobs/" + m.Zip.Digest.String()}
		}
		b.versions = append(b.versions, v)
	}
}

// full returns the versions with a zip.
func (b *realBench) full() []realVersion {
	return slices.DeleteFunc(slices.Clone(b.versions), func(v realVersion) bool { return v.modOnly })
}

// results are the numbers of all rounds, by what they are of.
type results map[string][]float64

func (r results) record(name string, value float64) { r[name] = append(r[name], value) }

// round measures everything once.
func (b *realBench) round(r results) {
	rawMod, rawAll := b.raw()
	r.record("raw GETs (s)", rawAll)
	binaries := map[string]string{"": os.Getenv(envModferry)}
	if old := os.Getenv(envBenchOld); old != "" {
		binaries["old "] = old
	}
	cpu := map[string]float64{}
	for who, bin := range binaries {
		cache := b.t.TempDir()
		s := b.serve(bin, cache)
		mod := b.get(s.ready, b.versions, ".mod")
		zip := b.get(s.ready, b.full(), ".info", ".zip")
		r.record(who+"cold session ÷ raw GETs", (mod+zip)/rawAll)
		r.record(who+"cold .mod ÷ raw GETs of manifests", mod/rawMod)
		u := b.stop(s)
		cpu[who] = u.cpu
		r.record(who+"cold, CPU (s)", u.cpu)
		r.record(who+"cold, peak memory (MB)", u.peak)

		s = b.serve(bin, cache)
		b.get(s.ready, b.versions, ".mod")
		r.record(who+"warm .mod load, peak memory (MB)", b.stop(s).peak)
		b.warm(r, who, bin, cache)
		b.goCommand(r, who, bin, cache)
		b.check(os.RemoveAll(cache))
	}
	if old := cpu["old "]; old > 0 {
		r.record("cold, CPU ÷ old", cpu[""]/old)
	}
}

// warm compares a shim that has everything in cache with a static file server.
func (b *realBench) warm(r results, who, bin, cache string) {
	s, files := b.serve(bin, cache), b.serveFiles(cache)
	for ext, repeat := range map[string]int{".mod": 8, ".info": 8, ".zip": 2} {
		versions := b.full()
		b.get(s.ready, versions, ext)
		b.get(files.ready, versions, ext)
		shim, static := 0.0, 0.0
		for range repeat {
			shim += b.get(s.ready, versions, ext)
			static += b.get(files.ready, versions, ext)
		}
		r.record(who+"warm "+ext+" ÷ static file server", shim/static)
	}
	shim, static := b.stop(s), b.stop(files)
	r.record(who+"warm, CPU ÷ static file server", shim.cpu/static.cpu)
}

// goCommand compares a shim, first without and then with everything in cache, with the files of another one's cache.
func (b *realBench) goCommand(r results, who, bin, cache string) {
	fresh := b.t.TempDir()
	s := b.serve(bin, fresh)
	cold := b.download(s.ready)
	warm := b.download(s.ready)
	b.stop(s)
	file := b.download("file://" + cache)
	r.record(who+"go mod download, cold ÷ file://", cold/file)
	r.record(who+"go mod download, warm ÷ file://", warm/file)
	b.check(os.RemoveAll(fresh))
}

// raw gets what a shim has to read, checking digests, and returns how long that took: the manifests with their
// signatures, and all.
func (b *realBench) raw() (manifests, all float64) {
	var m, blobs []string
	for _, v := range b.versions {
		m, blobs = append(m, v.manifests...), append(blobs, v.blobs...)
	}
	manifests = b.fetch(m, true)
	return manifests, manifests + b.fetch(blobs, true)
}

// get gets files from a proxy.
func (b *realBench) get(proxy string, versions []realVersion, exts ...string) (seconds float64) {
	var urls []string
	for _, v := range versions {
		for _, ext := range exts {
			urls = append(urls, proxy+v.base+ext)
		}
	}
	return b.fetch(urls, false)
}

// fetch gets URLs, some at a time.
func (b *realBench) fetch(urls []string, hash bool) (seconds float64) {
	start := time.Now()
	g, ctx := errgroup.WithContext(b.t.Context())
	g.SetLimit(benchClients)
	for _, url := range urls {
		g.Go(func() error {
			if !hash {
				return get(ctx, url)
			}
			return getHashed(ctx, url)
		})
	}
	b.check(g.Wait())
	return time.Since(start).Seconds()
}

// getHashed is get, with the digest that the registry states, as it must, checked.
func getHashed(ctx context.Context, url string) error {
	h := sha256.New()
	header, err := getInto(ctx, url, h)
	if err != nil {
		return err
	}
	if want := header.Get("Docker-Content-Digest"); want != fmt.Sprintf("sha256:%x", h.Sum(nil)) {
		return fmt.Errorf("GET %s: digest %s", url, cmp.Or(want, "missing"))
	}
	return nil
}

var listeningAt = regexp.MustCompile(`(https?://127\.0\.0\.1:[0-9]+)`)

func (b *realBench) serve(bin, cache string) *process {
	cmd := exec.CommandContext(b.t.Context(), bin, "serve", "--listen", "127.0.0.1:0",
		"--key", filepath.Join(b.dir, "cosign.pub"), "--registry", b.registry+"/"+benchStore, "--cache", cache)
	p, err := startProcess(cmd, listeningAt)
	b.check(err)
	return p
}

func (b *realBench) serveFiles(dir string) *process {
	cmd := exec.CommandContext(b.t.Context(), os.Args[0], "-test.run=^TestServeBenchFiles$")
	cmd.Env = append(os.Environ(), envFiles+"="+dir)
	p, err := startProcess(cmd, listeningAt)
	b.check(err)
	return p
}

// download runs "go mod download" in the project, with an empty module cache.
func (b *realBench) download(proxy string) (seconds float64) {
	modcache := b.t.TempDir()
	cmd := exec.CommandContext(b.t.Context(), "go", "mod", "download")
	cmd.Dir = filepath.Join(b.dir, "project")
	cmd.Env = append(os.Environ(), "GOPROXY="+proxy, "GOMODCACHE="+modcache, "GOFLAGS=-modcacherw", "GOWORK=off",
		"GOTOOLCHAIN=local", "GONOPROXY=", "GOPRIVATE=", "GOSUMDB=off")
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("go mod download from %s: %v\n%s", proxy, err, out)
	}
	seconds = time.Since(start).Seconds()
	b.check(os.RemoveAll(modcache))
	return seconds
}
