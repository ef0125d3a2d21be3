package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/e2e/load"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/stores"
)

// envLoad has make load measure; unset, only what takes seconds is tested.
const envLoad = "LOAD"

const worldNamespace = "team/golang"

// loadWorld is a registry with made-up versions, and what a shim needs to be told of it.
type loadWorld struct {
	*load.World
	registry string // host:port
	key      string // file, cosign.key beside cosign.pub
	tls      string // FILE of FILE.crt and FILE.key
}

// newLoadWorld makes a world, with index, snapshot and tile index as mirror leaves them, in a registry in this process.
func newLoadWorld(t testing.TB, size, perModule int, logSize int64) *loadWorld {
	t.Helper()
	w, err := load.NewWorld(size, perModule, logSize)
	must(t, err)
	l := &loadWorld{World: w, key: filepath.Join(t.TempDir(), "cosign.key"), tls: filepath.Join(t.TempDir(), "shim")}
	must(t, errors.Join(signtest.WriteKeyPair(strings.TrimSuffix(l.key, ".key")), writeCertificate(l.tls, "shim")))
	signer, err := sign.LoadSigner(l.key, func() ([]byte, error) { return []byte(signtest.Password), nil })
	must(t, err)
	r, err := load.NewRegistry(w, worldNamespace, signer)
	must(t, err)
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	l.registry = strings.TrimPrefix(server.URL, "http://")

	client, err := remote.NewClient(remote.ClientOptions{})
	must(t, err)
	store, err := stores.Open(client, l.registry+"/"+worldNamespace)
	must(t, err)
	defer store.Close()
	snapshot, tiles, err := w.Snapshot(t.Context())
	must(t, err)
	image, err := snapshot.Pack()
	must(t, err)
	paths := make([]string, w.Modules())
	for m := range paths {
		paths[m] = w.Path(m)
	}
	must(t, errors.Join(
		store.PublishSnapshot(t.Context(), image, w.Log, nil, signer),
		store.PublishTileIndex(t.Context(), w.Log, tiles, signer),
		store.PublishIndex(t.Context(), paths, signer)))
	return l
}

// counts returns how many requests the registry was asked, by kind.
func (l *loadWorld) counts(t testing.TB) map[string]int {
	t.Helper()
	resp, err := http.Get("http://" + l.registry + "/counts")
	must(t, err)
	defer resp.Body.Close()
	var counts map[string]int
	must(t, json.NewDecoder(resp.Body).Decode(&counts))
	return counts
}

// serve starts a shim with a cache directory, by HTTPS if secure.
func (l *loadWorld) serve(t testing.TB, cache string, secure bool, more ...string) *process {
	t.Helper()
	args := []string{
		"serve", "--listen", "127.0.0.1:0", "--key", strings.TrimSuffix(l.key, ".key") + ".pub", "--registry", l.registry + "/" + worldNamespace,
		"--cache", cache, "--sumdb", l.Log.Key(),
	}
	if secure {
		args = append(args, "--tls-cert", l.tls+".crt", "--tls-key", l.tls+".key")
	}
	p, err := startProcess(exec.CommandContext(t.Context(), os.Getenv(envModferry), append(args, more...)...), listeningAt)
	must(t, err)
	t.Cleanup(p.kill)
	return p
}

// player returns a player of what the world's projects need, from shims.
func (l *loadWorld) player(t testing.TB, shims ...*process) *load.Player {
	t.Helper()
	pem, err := os.ReadFile(l.tls + ".crt")
	must(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	p := &load.Player{TLS: &tls.Config{RootCAs: pool}, Log: l.Log.Name(), Version: l.Needs}
	for _, s := range shims {
		p.Shims = append(p.Shims, s.ready)
	}
	return p
}

// TestLoad is the load test in small: what four CI jobs and a developer ask two shims for, of a store of 2,000 versions.
func TestLoad(t *testing.T) {
	l := newLoadWorld(t, 2000, 10, 1<<20)
	recorded, err := load.Recorded()
	must(t, err)
	mix := load.Mix{
		Uses: []load.Use{
			{Command: "build, cold", PerDay: 3}, {Command: "mod tidy, cold", PerDay: 1}, {Command: "list -m -u all", PerDay: 1}, {Command: "Renovate", PerDay: 1},
		},
		Projects: map[string]float64{"controller-runtime": 1},
	}
	jobs, err := mix.Jobs(recorded, 1)
	must(t, err)
	caches := []string{t.TempDir(), t.TempDir()}
	shims := []*process{l.serve(t, caches[0], true), l.serve(t, caches[1], true)}

	p := l.player(t, shims...)
	asked := make(map[load.Target]bool)
	p.Version = recordNeeds(l.Needs, asked)
	before := l.counts(t)
	cold := p.Closed(t.Context(), jobs, 4)
	wantAll(t, cold, jobs)
	if n := cold.Protocol(2); n != int(cold.Count("")) {
		t.Errorf("%d of %d requests came by HTTP/2", n, cold.Count(""))
	}
	wantRequests(t, before, l.counts(t), len(shims), asked)
	// What is cached needs no registry. Go commands of a sidecar come by plain HTTP.
	for i, s := range shims {
		wantPeak(t, s, 64)
		must(t, s.interrupt())
		shims[i] = l.serve(t, caches[i], false)
	}
	wantAll(t, l.player(t, shims...).Open(t.Context(), jobs, 0), jobs)
	wantRequests(t, before, l.counts(t), len(shims), asked)
	for _, s := range shims {
		wantPeak(t, s, 64)
	}
}

// recordNeeds records the versions that a function returns.
func recordNeeds(needs func(project, k int) load.Target, in map[load.Target]bool) func(project, k int) load.Target {
	var mu sync.Mutex
	return func(project, k int) load.Target {
		v := needs(project, k)
		mu.Lock()
		defer mu.Unlock()
		in[v] = true
		return v
	}
}

// wantRequests checks that each of some shims has asked the registry for nothing twice, whatever the number of clients.
func wantRequests(t *testing.T, before, after map[string]int, shims int, asked map[load.Target]bool) {
	t.Helper()
	modules, zips := make(map[string]bool), 0
	for v := range asked {
		modules[v.Path] = true
		if !v.ModOnly {
			zips++
		}
	}
	const others = 20 // snapshot, tile index
	for kind, each := range map[string]int{
		"manifests": len(asked), "signatures": len(asked), "blobs": zips, "tags": len(modules),
	} {
		n := after["GET "+kind] - before["GET "+kind]
		if n > shims*(each+others) || n == 0 {
			t.Errorf("%d GETs of %s, of which each of %d shims needs %d", n, kind, shims, each)
		}
	}
}

// wantAll checks that all jobs ended, with all that they had to ask for.
func wantAll(t testing.TB, r *load.Result, jobs []load.Job) {
	t.Helper()
	for _, err := range r.Errors() {
		t.Error(err)
	}
	if r.Sessions() != len(jobs) {
		t.Errorf("%d of %d sessions ended", r.Sessions(), len(jobs))
	}
	for _, kind := range []string{"mod", "zip", "list"} {
		want := 0
		for _, j := range jobs {
			want += j.Requests[kind]
		}
		if n := int(r.Count(kind)); n != want || n == 0 {
			t.Errorf("%d of %d requests for %s were answered", n, want, kind)
		}
	}
}

// wantPeak checks that a process never had more than so many MB of memory, where the system tells.
func wantPeak(t testing.TB, p *process, limit int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		return
	}
	kib, err := strconv.Atoi(string(m[1]))
	must(t, err)
	if mb := kib * 1024 / 1_000_000; mb > limit {
		t.Errorf("the shim had %d MB, more than %d", mb, limit)
	}
}
