//go:build unix

package e2e

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/flate"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"
)

// floors is what cannot be gone below, in seconds of CPU: the sums of the pieces that nobody can leave out, each done by
// itself here, as directly as the libraries in use allow. What takes that much on all cores cannot end sooner than these
// have worked it off.
type floors struct {
	shimCPU, mirrorCPU float64 // of the shim in a cold session, and of a mirror
	served             float64 // of the registry and the shim in a cold session
}

// floors measures the pieces, records them, and of the ratios what follows from them. The zips are those in cache.
func (b *realBench) floors(cache string, raw rawGETs) floors {
	r := b.results
	zips, small := b.cached(cache)
	copies := b.t.TempDir()
	copier := func(file string) error { return copyFile(file, copies, strings.TrimPrefix(file, cache)) }
	piece := func(name string, do func()) work {
		w := b.work(do)
		r.record(name+", CPU (s)", "piece", w.own)
		return w
	}
	r.record(rowRaw, "now", raw.manifests+raw.blobs)
	r.record("raw GETs, sha256 included: the client's part, CPU (s)", "piece", raw.ofManifests.own+raw.ofBlobs.own)
	h1 := piece("h1: inflate (klauspost/compress) and sha256 of all entries", func() { b.each(zips, sumEntries) })
	write := piece("files: write the zips and read them once", func() { b.each(zips, copier) })
	files := piece("files: write .info, .mod, verdict and tile, each by way of a temporary one", func() { b.each(small, copier) })
	b.check(os.RemoveAll(copies))
	absent := piece("ask for the full form of what is mod-only", b.askForAbsent)
	log := piece("checksum database: GET the snapshot, hash its tree and a tile for each version", b.hashLog)
	manifests, signatures := b.bodies()
	verify := piece("signatures: JSON of two manifests, sha256 of payloads, crypto/ecdsa", func() { b.verifyAll(manifests, signatures) })
	hash := piece("layers: sha256 twice and crc32 of the zips", func() { b.each(zips, hashLayer) })
	push := piece("push: POST and PUT of all blobs, the client's part", func() { b.pushAll(zips) })

	s := b.serveFiles(cache)
	getMod := b.work(func() { b.get(s.ready, b.versions, ".mod") })
	serveMod := processCPU(s.cmd.Process.Pid)
	getRest := b.work(func() { b.get(s.ready, b.full(), ".info", ".zip") })
	serve := b.stop(s)
	r.record("serve .mod, .info and .zip as a static Go file server, CPU (s)", "piece", serve.cpu)
	empty := b.t.TempDir()
	s = b.serve(os.Getenv(envModferry), empty)
	b.check(get(b.t.Context(), s.ready+"/-/healthz"))
	started := b.stop(s)
	r.record("a shim that was started and asked for nothing, CPU (s)", "piece", started.cpu)
	r.record(rowColdPeak, "floor", started.peak)
	r.record(rowWarmPeak, "floor", started.peak)
	keyed := b.mirrorOne()
	r.record("mirror of one go.mod (the key's scrypt takes 64 MiB), CPU (s)", "piece", keyed.cpu)
	r.record(rowMirrorPeak, "floor", keyed.peak)

	mod := sum(raw.ofManifests, absent, log, files, verify)
	cold := sum(mod, raw.ofBlobs, h1, write)
	cores := float64(runtime.NumCPU())
	f := floors{
		shimCPU:   cold.own + serve.cpu + started.cpu,
		mirrorCPU: h1.own + hash.own + push.own + keyed.cpu,
		served:    cold.all + serve.cpu + started.cpu,
	}
	r.record(rowCold, "floor", (f.served+getMod.own+getRest.own)/cores/(raw.manifests+raw.blobs))
	r.record(rowMod, "floor", (mod.all+serveMod+getMod.own)/cores/raw.manifests)
	r.record(rowColdSeconds, "floor", f.shimCPU)
	r.record(rowMirrorSec, "floor", f.mirrorCPU)
	return f
}

// work is CPU time, in seconds: of this process, and of the registry as well.
type work struct{ own, all float64 }

// work does something and returns what it took.
func (b *realBench) work(do func()) work {
	pid := b.distribution.process.cmd.Process.Pid
	before := processCPU(pid)
	own := cpuOf(b, do)
	return work{own, own + processCPU(pid) - before}
}

func sum(all ...work) (s work) {
	for _, w := range all {
		s.own += w.own
		s.all += w.all
	}
	return s
}

// askForAbsent asks for the full form of the versions that are mod-only: that there is none cannot be known otherwise.
func (b *realBench) askForAbsent() {
	var urls []string
	for _, v := range b.versions {
		if v.modOnly {
			urls = append(urls, strings.TrimSuffix(v.manifest, ".mod"))
		}
	}
	b.fetch(urls, wantStatus(http.StatusNotFound))
}

// hashLog gets the checksum snapshot, and takes the hashes of its tree, and of a tile of each version.
func (b *realBench) hashLog() {
	url := "http://" + b.registry + "/v2/" + benchStore + "/sumdb/sum.golang.org"
	var raw bytes.Buffer
	_, err := getInto(b.t.Context(), url+"/manifests/latest", http.StatusOK, &raw)
	b.check(err)
	var m ocispec.Manifest
	b.check(json.Unmarshal(raw.Bytes(), &m))
	const tile = 256 * tlog.HashSize
	var (
		g      errgroup.Group
		hashed atomic.Int64 // tiles
	)
	for _, l := range m.Layers {
		g.Go(func() error {
			var data bytes.Buffer
			if _, err := getInto(b.t.Context(), url+"/blobs/"+l.Digest.String(), http.StatusOK, &data); err != nil {
				return err
			}
			if got := sha256.Sum256(data.Bytes()); fmt.Sprintf("sha256:%x", got) != l.Digest.String() {
				return fmt.Errorf("GET %s: %x", l.Digest, got)
			}
			for rest := data.Bytes(); len(rest) >= tile; rest = rest[tile:] {
				hashTile(rest[:tile])
				hashed.Add(1)
			}
			return nil
		})
	}
	b.check(g.Wait())
	if hashed.Load() == 0 {
		b.t.Fatal("the snapshot has no tiles")
	}
	example := bytes.Repeat([]byte("0123456789abcdef"), tile/16)
	b.each(make([]string, len(b.versions)), func(string) error { hashTile(example); return nil })
}

// hashTile returns the hash at the top of a full tile.
func hashTile(tile []byte) tlog.Hash {
	var level []tlog.Hash
	for len(tile) > 0 {
		level = append(level, tlog.Hash(tile[:tlog.HashSize]))
		tile = tile[tlog.HashSize:]
	}
	for len(level) > 1 {
		for i := range len(level) / 2 {
			level[i] = tlog.NodeHash(level[2*i], level[2*i+1])
		}
		level = level[:len(level)/2]
	}
	return level[0]
}

// each runs do for each file, on all cores.
func (b *realBench) each(files []string, do func(string) error) {
	var g errgroup.Group
	g.SetLimit(benchClients)
	for _, f := range files {
		g.Go(func() error { return do(f) })
	}
	b.check(g.Wait())
}

// A scratch is what hashing takes and the next zip can use again.
type scratch struct {
	src  *bufio.Reader
	flow io.ReadCloser
	buf  []byte
}

var scratches = sync.Pool{New: func() any {
	src := bufio.NewReaderSize(nil, 32<<10)
	return &scratch{src, flate.NewReader(src), make([]byte, 32<<10)}
}}

// sumEntries takes the sha256 of each entry, without a look at anything else.
func sumEntries(file string) error {
	z, err := zip.OpenReader(file)
	if err != nil {
		return err
	}
	defer z.Close()
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	h := sha256.New()
	for _, f := range z.File {
		raw, err := f.OpenRaw()
		if err != nil {
			return err
		}
		s.src.Reset(raw)
		var r io.Reader = s.src
		if f.Method == zip.Deflate {
			if err := s.flow.(flate.Resetter).Reset(s.src, nil); err != nil {
				return err
			}
			r = s.flow
		}
		h.Reset()
		if n, err := io.CopyBuffer(h, r, s.buf); err != nil || uint64(n) != f.UncompressedSize64 {
			return fmt.Errorf("%s: %s: %d bytes: %w", file, f.Name, n, err)
		}
	}
	return nil
}

// cached returns the files of a shim's cache: the zips, and the small ones that lie beside them.
func (b *realBench) cached(dir string) (zips, small []string) {
	b.check(filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir() || strings.Contains(file, "/.sumdb/"):
		case filepath.Ext(file) == ".zip":
			zips = append(zips, file)
		default:
			small = append(small, file)
		}
		return err
	}))
	return zips, small
}

// copyFile writes a copy to dir, under a temporary name first.
func copyFile(file, dir, name string) (err error) {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.CreateTemp(dir, "copy")
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, make([]byte, 32<<10)) // not within the kernel
	to := filepath.Join(dir, name)
	return errors.Join(err, out.Close(), os.MkdirAll(filepath.Dir(to), 0o755), os.Rename(out.Name(), to))
}

// hashLayer is what the format asks for: the digest of the layer and of the tar in it, and the checksum of its gzip frame.
func hashLayer(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyBuffer(io.MultiWriter(sha256.New(), sha256.New(), crc32.NewIEEE()), struct{ io.Reader }{f}, make([]byte, 64<<10))
	return err
}

// bodies returns the manifests of all versions and of their signatures.
func (b *realBench) bodies() (manifests, signatures [][]byte) {
	for _, v := range b.versions {
		for url, to := range map[string]*[][]byte{v.manifest: &manifests, v.signature: &signatures} {
			var buf bytes.Buffer
			_, err := getInto(b.t.Context(), url, http.StatusOK, &buf)
			b.check(err)
			*to = append(*to, buf.Bytes())
		}
	}
	return manifests, signatures
}

// verifyAll parses the manifests, and has the key verify each signature.
func (b *realBench) verifyAll(manifests, signatures [][]byte) {
	text, err := os.ReadFile(filepath.Join(b.dir, "cosign.pub"))
	b.check(err)
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	b.check(err)
	var g errgroup.Group
	g.SetLimit(benchClients)
	for i := range manifests {
		g.Go(func() error {
			var m, s struct {
				ocispec.Manifest
				Layers []struct {
					Data        []byte `json:"data"`
					Annotations struct {
						Signature []byte `json:"dev.cosignproject.cosign/signature"`
					} `json:"annotations"`
				} `json:"layers"`
			}
			if err := errors.Join(json.Unmarshal(manifests[i], &m), json.Unmarshal(signatures[i], &s)); err != nil {
				return err
			}
			sum := sha256.Sum256(s.Layers[0].Data)
			if !ecdsa.VerifyASN1(key.(*ecdsa.PublicKey), sum[:], s.Layers[0].Annotations.Signature) {
				return fmt.Errorf("the signature of %s is wrong", b.versions[i].Version)
			}
			return nil
		})
	}
	b.check(g.Wait())
}

// smallBlobs is how many a version has beside its zip: config, meta layer, and of the signature config and payload.
const smallBlobs = 4

// pushAll uploads the zips, and as many small blobs as there are, under a name of this run, as the distribution
// specification has it.
func (b *realBench) pushAll(zips []string) {
	where := fmt.Sprintf("http://%s/v2/floor/n%d/blobs/uploads/", b.mirrors, time.Now().UnixNano())
	b.each(zips, func(file string) error {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return push(b.t.Context(), where, data)
	})
	var names []string
	for i := range smallBlobs * len(b.versions) {
		names = append(names, fmt.Sprintf("%s%d", where, i))
	}
	b.each(names, func(name string) error { return push(b.t.Context(), where, bytes.Repeat([]byte(name), 10)) })
}

// push uploads a blob.
func push(ctx context.Context, where string, data []byte) error {
	resp, err := request(ctx, http.MethodPost, where, nil)
	if err != nil {
		return err
	}
	at := resp.Header.Get("Location")
	sep := "?"
	if strings.Contains(at, "?") {
		sep = "&"
	}
	_, err = request(ctx, http.MethodPut, fmt.Sprintf("%s%sdigest=sha256:%x", at, sep, sha256.Sum256(data)), data)
	return err
}

// request sends body, and reads the answer, which must not be an error.
func request(ctx context.Context, method, url string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := benchHTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode >= http.StatusBadRequest {
		return nil, fmt.Errorf("%s %s: %s, %w", method, url, resp.Status, err)
	}
	return resp, nil
}

// mirrorOne publishes a version of which there is only a go.mod: what every mirror takes.
func (b *realBench) mirrorOne() usage {
	tree := b.t.TempDir()
	v := module.Version{Path: "example.com/one", Version: "v1.0.0"}
	b.check(addVersion(tree, v.String(), b.sources(v)))
	set := filepath.Join(tree, "one.set")
	write(b.t, set, v.Path+" "+v.Version+" mod-only\n")
	return b.runMirror(os.Getenv(envModferry), tree, "oci:"+filepath.Join(tree, "store"), set)
}
