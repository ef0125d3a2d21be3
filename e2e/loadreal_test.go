package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/e2e/load"
)

// realLoad is a registry with the set of TestBenchReal, and shims before it.
type realLoad struct {
	*realBench
	tls     string // FILE of FILE.crt and FILE.key
	targets []load.Target
}

func newRealLoad(t *testing.T) *realLoad {
	t.Helper()
	if os.Getenv(envLoad) == "" || os.Getenv(envBenchReal) == "" {
		t.Skipf("%s and %s are not set; run make load", envLoad, envBenchReal)
	}
	l := &realLoad{realBench: newRealBench(t, os.Getenv(envBenchReal)), tls: filepath.Join(t.TempDir(), "shim")}
	must(t, writeCertificate(l.tls, "shim"))
	for _, v := range l.versions {
		path, version, _ := strings.Cut(v.base[1:], "/@v/")
		path, errPath := module.UnescapePath(path)
		version, errVersion := module.UnescapeVersion(version)
		if errPath != nil || errVersion != nil {
			t.Fatalf("%s: %v, %v", v.base, errPath, errVersion)
		}
		l.targets = append(l.targets, load.Target{Version: module.Version{Path: path, Version: version}, ModOnly: v.modOnly})
	}
	return l
}

// shim starts a shim with a cache directory.
func (l *realLoad) shim(cache string, secure bool, more ...string) *process {
	args := []string{
		"serve", "--listen", "127.0.0.1:0", "--key", filepath.Join(l.dir, "cosign.pub"),
		"--registry", l.registry + "/" + benchStore, "--cache", cache,
	}
	if secure {
		args = append(args, "--tls-cert", l.tls+".crt", "--tls-key", l.tls+".key")
	}
	p, err := startProcess(exec.CommandContext(l.t.Context(), os.Getenv(envModferry), append(args, more...)...), listeningAt)
	l.check(err)
	l.t.Cleanup(p.kill)
	return p
}

func (l *realLoad) tlsConfig() *tls.Config {
	pem, err := os.ReadFile(l.tls + ".crt")
	l.check(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool}
}

// player returns a player to whom every project is a part of the set, of which each begins elsewhere.
func (l *realLoad) player(shims ...*process) *load.Player {
	p := &load.Player{TLS: l.tlsConfig(), Log: "sum.golang.org", Version: func(project, k int) load.Target {
		return l.targets[(project*97+k)%len(l.targets)]
	}}
	for _, s := range shims {
		p.Shims = append(p.Shims, s.ready)
	}
	return p
}

// getRepeatedly gets all paths of a server some times, benchClients at a time.
func getRepeatedly(ctx context.Context, client *http.Client, server string, paths []string, times, status int) (bytes int64, err error) {
	sizes := make([]int64, len(paths)*times)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(benchClients)
	for i := range sizes {
		g.Go(func() error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, server+paths[i%len(paths)], nil)
			if err != nil {
				return err
			}
			req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json, */*")
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if resp.StatusCode != status {
				return fmt.Errorf("GET %s: %s", req.URL, resp.Status)
			}
			sizes[i], err = io.Copy(io.Discard, resp.Body)
			return err
		})
	}
	err = g.Wait()
	for _, n := range sizes {
		bytes += n
	}
	return bytes, err
}

// cost prints what requests cost a server: CPU time for each, and how many a core does in a second.
func (l *realLoad) cost(p *process, what string, requests int, do func() (bytes int64)) {
	before, _, _ := now(l.t, p)
	bytes := do()
	after, _, _ := now(l.t, p)
	cpu := after - before
	fmt.Printf("%-46s %7d requests %8.1f MB %7.2f s CPU %7.3f ms each %8.0f/s a core\n", what, requests, float64(bytes)/1e6, cpu,
		cpu*1000/float64(requests), float64(requests)/cpu)
}

// TestLoadOfARegistry measures what a registry itself carries, of each kind of request that shims make.
func TestLoadOfARegistry(t *testing.T) {
	l := newRealLoad(t)
	var manifests, signatures, absent, blobs, tags []string
	for _, v := range l.versions {
		m, sig := strings.TrimPrefix(v.manifest, "http://"+l.registry), strings.TrimPrefix(v.signature, "http://"+l.registry)
		repo, _, _ := strings.Cut(m, "/manifests/")
		manifests, signatures, absent, tags = append(manifests, m), append(signatures, sig), append(absent, m+"-none"), append(tags, repo+"/tags/list?n=1000")
		if v.blob != "" {
			blobs = append(blobs, strings.TrimPrefix(v.blob, "http://"+l.registry))
		}
	}
	for name, o := range map[string]registryOptions{
		"distribution 3": {bin: os.Getenv(envRegistry)}, "distribution 2.8": {bin: os.Getenv(envRegistry2)},
		"distribution 3 with cache: inmemory": {bin: os.Getenv(envRegistry), remember: true},
	} {
		if o.bin == "" {
			continue
		}
		o.data = filepath.Join(l.dir, "registry")
		r := startRegistry(t, o)
		for _, kind := range []struct {
			name   string
			paths  []string
			times  int
			status int
		}{
			{"manifest", manifests, 4, http.StatusOK},
			{"signature", signatures, 4, http.StatusOK},
			{"absent manifest", absent, 4, http.StatusNotFound},
			{"tag list", tags, 2, http.StatusOK},
			{"blob", blobs, 3, http.StatusOK},
		} {
			l.cost(r.process, name+": "+kind.name, len(kind.paths)*kind.times, func() int64 {
				n, err := getRepeatedly(t.Context(), benchHTTP, "http://"+r.addr, kind.paths, kind.times, kind.status)
				l.check(err)
				return n
			})
		}
	}
}

// TestLoadOfAShim measures what a shim carries, of each kind of request, and by which protocol.
func TestLoadOfAShim(t *testing.T) {
	l := newRealLoad(t)
	cache := t.TempDir()
	registry := l.process()
	s := l.shim(cache, false)
	var mods, infos, zips, lists, latests, absent []string
	seen := make(map[string]bool)
	for i, v := range l.versions {
		mods = append(mods, v.base+".mod")
		path, _, _ := strings.Cut(v.base, "/@v/")
		absent = append(absent, fmt.Sprintf("%s/@v/v0.0.%d-0.20200101000000-000000000000.info", path, i))
		if !v.modOnly {
			infos, zips = append(infos, v.base+".info"), append(zips, v.base+".zip")
			if !seen[path] {
				seen[path] = true
				lists, latests = append(lists, path+"/@v/list"), append(latests, path+"/@latest")
			}
		}
	}
	for _, kind := range []struct {
		name  string
		paths []string
	}{{".mod", mods}, {".zip", zips}, {"list", lists}} {
		did := int64(0)
		get := func() int64 {
			if did == 0 {
				var err error
				did, err = getRepeatedly(t.Context(), benchHTTP, s.ready, kind.paths, 1, http.StatusOK)
				l.check(err)
			}
			return did
		}
		l.cost(registry, "cold "+kind.name+": the registry", len(kind.paths), func() int64 {
			l.cost(s, "cold "+kind.name+": the shim", len(kind.paths), get)
			return get()
		})
	}
	_, _, peak := now(t, s)
	fmt.Printf("peak memory of the cold shim: %.0f MB\n", peak)
	s.kill()

	lookups, tiles := l.checksumPaths(cache)
	for _, way := range []struct {
		name   string
		secure bool
		client *http.Client
	}{
		{"HTTP/1.1", false, benchHTTP},
		{"HTTPS, HTTP/1.1", true, &http.Client{Transport: &http.Transport{
			MaxIdleConnsPerHost: benchClients, TLSClientConfig: l.tlsConfig(), TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
		}}},
		{"HTTPS, HTTP/2", true, &http.Client{Transport: &http.Transport{TLSClientConfig: l.tlsConfig(), ForceAttemptHTTP2: true}}},
	} {
		s := l.shim(cache, way.secure)
		for _, kind := range []struct {
			name   string
			paths  []string
			times  int
			status int
		}{
			{".mod", mods, 10, http.StatusOK},
			{".info", infos, 20, http.StatusOK},
			{"list", lists, 20, http.StatusOK},
			{"@latest", latests, 20, http.StatusOK},
			{"lookup", lookups, 10, http.StatusOK},
			{"tile", tiles, 10, http.StatusOK},
			{"absent", absent, 10, http.StatusNotFound},
			{".zip", zips, 2, http.StatusOK},
		} {
			get := func(times int) int64 {
				n, err := getRepeatedly(t.Context(), way.client, s.ready, kind.paths, times, kind.status)
				l.check(err)
				return n
			}
			get(1)
			l.cost(s, "warm "+kind.name+" by "+way.name, len(kind.paths)*kind.times, func() int64 { return get(kind.times) })
		}
		way.client.CloseIdleConnections()
		s.kill()
	}
}

// process returns the one of the registry.
func (l *realLoad) process() *process { return l.distribution.process }

// checksumPaths returns the paths of lookups, and of the tiles that prove what they answer.
func (l *realLoad) checksumPaths(cache string) (lookups, tiles []string) {
	s := l.shim(cache, false)
	defer s.kill()
	p := l.player(s)
	for _, v := range l.targets {
		path, err := load.LookupPath(p.Log, v.Version)
		l.check(err)
		lookups = append(lookups, "/"+path)
	}
	proof := load.NewProof(p.Log)
	for _, path := range lookups {
		var answer strings.Builder
		_, err := getInto(l.t.Context(), s.ready+path, http.StatusOK, &answer)
		l.check(err)
		l.check(proof.Add(answer.String()))
	}
	for _, path := range proof.Paths(1 << 20) {
		tiles = append(tiles, "/"+path)
	}
	return lookups, tiles
}
