//go:build unix

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/module"

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
// registry, and a directory of 20,000 versions. Every number stands beside its limit, taken in the same round: plain
// GETs of the same manifests and layers, a static file server, GOPROXY=file://; and beside its floor: what it would be if
// nothing was done but what nobody can leave out (see floors). It ends in a table for a note.
func TestBenchReal(t *testing.T) {
	dir := os.Getenv(envBenchReal)
	if dir == "" {
		t.Skipf("%s is not set; run make bench-real", envBenchReal)
	}
	b := newRealBench(t, dir)
	b.prepareScale()
	rounds := 3
	if n := os.Getenv(envBenchRound); n != "" {
		if _, err := fmt.Sscan(n, &rounds); err != nil {
			t.Fatal(err)
		}
	}
	b.raw() // the registry reads its files
	binaries := []binary{{"now", os.Getenv(envModferry)}}
	if old := os.Getenv(envBenchOld); old != "" {
		binaries = append(binaries, binary{"old", old})
	}
	for n := range rounds {
		b.round(binaries)
		slices.Reverse(binaries)
		fmt.Fprintf(os.Stderr, "round %d of %d is done\n", n+1, rounds)
	}
	fmt.Printf("\n%d versions, %d zips, %d requests at a time; medians of %d rounds, of \"now\" with the lowest and the highest\n\n",
		len(b.versions), len(b.full()), benchClients, rounds)
	b.results.print(os.Stdout)
}

// A binary is a modferry to measure.
type binary struct{ name, path string }

// TestServeBenchFiles is no test but the static file server that TestBenchReal compares with, in a process of its own. It
// answers with a constant, too, of as many bytes as are asked for: what net/http takes without anything to do.
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
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(dir)))
	constant := make([]byte, 256<<10)
	mux.HandleFunc("/-/constant/{size}", func(w http.ResponseWriter, r *http.Request) {
		size, _ := strconv.Atoi(r.PathValue("size"))
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", r.PathValue("size"))
		for ; size > 0; size -= len(constant) {
			_, _ = w.Write(constant[:min(size, len(constant))])
		}
	})
	t.Fatal(http.Serve(l, mux))
}

// A realVersion is a version of the set, and what a cold shim has to read of it.
type realVersion struct {
	module.Version
	base                      string // path of its files, without extension
	modOnly                   bool
	manifest, signature, blob string // URLs; blob is "" if there is no zip
}

type realBench struct {
	t        *testing.T
	dir      string
	registry string // host:port
	mirrors  string // host:port of another one, empty, which mirror fills
	versions []realVersion
	results  results

	distribution *distribution
}

// newRealBench starts a registry that has the set, fetching it the first time.
func newRealBench(t *testing.T, dir string) *realBench {
	dir, err := filepath.Abs(dir)
	b := &realBench{t: t, dir: dir, results: results{}}
	b.check(err)
	b.check(os.MkdirAll(filepath.Join(dir, "project"), 0o755))
	b.distribution = startRegistry(t, registryOptions{data: filepath.Join(dir, "registry")})
	b.registry = b.distribution.addr
	b.mirrors = startRegistry(t, registryOptions{}).addr
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
	for _, args := range [][]string{
		{"keygen", "--output-key-prefix", filepath.Join(b.dir, "cosign")},
		{"mirror", "--key", b.key(), "--registry", b.registry + "/" + benchStore, "testdata/cosign.set"},
	} {
		cmd := exec.CommandContext(b.t.Context(), os.Getenv(envModferry), args...)
		cmd.Env = append(os.Environ(), benchPassword)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		b.check(cmd.Run())
	}
}

func (b *realBench) key() string { return filepath.Join(b.dir, "cosign.key") }

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
		v := realVersion{Version: module.Version{Path: f[0], Version: f[1]}, modOnly: len(f) == 3}
		path, err := module.EscapePath(v.Path)
		b.check(err)
		version, err := module.EscapeVersion(v.Version.Version)
		b.check(err)
		v.base = "/" + path + "/@v/" + version
		m, err := store.FindKind(b.t.Context(), v.Version, v.modOnly)
		b.check(err)
		tag, err := m.Tag()
		b.check(err)
		url := "http://" + b.registry + "/v2/" + benchStore + "/" + m.Repository
		v.manifest, v.signature = url+"/manifests/"+tag, url+"/manifests/"+sign.Tag(m.Descriptor.Digest)
		if m.Zip != nil {
			v.blob = url + "/blobs/" + m.Zip.Digest.String()
		}
		b.versions = append(b.versions, v)
	}
}

// full returns the versions with a zip.
func (b *realBench) full() []realVersion {
	return slices.DeleteFunc(slices.Clone(b.versions), func(v realVersion) bool { return v.modOnly })
}

var listeningAt = regexp.MustCompile(`(https?://127\.0\.0\.1:[0-9]+)`)

// serve starts a shim of the registry, or of another store.
func (b *realBench) serve(bin, cache string, store ...string) *process {
	store = append(store, b.registry+"/"+benchStore)
	cmd := exec.CommandContext(b.t.Context(), bin, "serve", "--listen", "127.0.0.1:0",
		"--key", filepath.Join(b.dir, "cosign.pub"), "--registry", store[0], "--cache", cache)
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
