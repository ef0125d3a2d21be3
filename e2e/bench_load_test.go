//go:build unix

package e2e

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/bundle"
	"github.com/modferry/modferry/registry/load"
	"github.com/modferry/modferry/registry/ocilayout"
	"github.com/modferry/modferry/registry/storetest"
	"github.com/modferry/modferry/registry/transfer"
	"github.com/modferry/modferry/registry/verify"
)

// BenchmarkLoad loads a bundle of 500 versions into a directory, in turns with what it is held against: the same tar
// unpacked, and what is in it hashed, without and with what makes files survive a crash; and, piece by piece, what no
// loader can leave out, on all cores and with nothing else. It prints a table of the medians, of time and of CPU.
func BenchmarkLoad(b *testing.B) {
	for _, size := range []int{10 << 10, 2 << 20} { // of a zip
		b.Run(fmt.Sprintf("%dkB", size>>10), func(b *testing.B) { benchLoad(b, size) })
	}
}

func benchLoad(b *testing.B, size int) {
	volume, checker := benchVolume(b, 500, size)
	info, err := os.Stat(volume)
	must(b, err)
	b.SetBytes(info.Size())
	entries := readEntries(b, volume)
	table := []*contender{
		{name: "tar, sha256", run: func(dir string) { untar(b, volume, dir, false) }},
		{name: "tar, sha256, fsync", run: func(dir string) { untar(b, volume, dir, true) }},
		{name: "floor: read", run: func(dir string) { entries.pass(b, pass{}, dir) }},
		{name: "floor: + sha256", run: func(dir string) { entries.pass(b, pass{hash: true}, dir) }},
		{name: "floor: + sums of zips", run: func(dir string) { entries.pass(b, pass{hash: true, sums: true}, dir) }},
		{name: "floor: + write", run: func(dir string) { entries.pass(b, pass{hash: true, sums: true, write: true}, dir) }},
		{name: "floor: + fsync", run: func(dir string) { entries.pass(b, pass{hash: true, sums: true, write: true, sync: true}, dir) }},
		{name: "modferry", run: func(dir string) { loadVolume(b, volume, dir, checker) }},
	}
	for b.Loop() {
		for _, c := range table {
			c.measure(b)
		}
	}
	var lines strings.Builder
	for _, c := range table {
		wall, cpu := median(c.wall), median(c.cpu)
		fmt.Fprintf(&lines, "%-22s %8.3f s %5.2f×   CPU %7.3f s %5.2f×\n", c.name,
			wall.Seconds(), float64(wall)/float64(median(table[0].wall)), cpu.Seconds(), float64(cpu)/float64(median(table[0].cpu)))
	}
	b.Log("\n" + lines.String())
	last := table[len(table)-1]
	b.ReportMetric(float64(median(last.wall))/float64(median(table[0].wall)), "×tar")
	b.ReportMetric(float64(median(last.cpu))/float64(median(table[0].cpu)), "×tar-CPU")
}

// A contender does something to a volume.
type contender struct {
	name      string
	run       func(dir string)
	wall, cpu []time.Duration
}

func (c *contender) measure(b *testing.B) {
	b.Helper()
	dir, err := os.MkdirTemp("", "bench-*")
	must(b, err)
	runtime.GC()
	start, cpu := time.Now(), ownCPU(b)
	c.run(dir)
	c.wall, c.cpu = append(c.wall, time.Since(start)), append(c.cpu, ownCPU(b)-cpu)
	// Not removed before the others have had their turn: ext4 holds back the numbers of files that were just removed,
	// and finding others for new files costs ten times as much.
	b.Cleanup(func() { os.RemoveAll(dir) })
}

func median(list []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(list))[len(list)/2]
}

// entries are the blobs in a volume.
type entries struct {
	file  *os.File
	blobs []blob
}

type blob struct {
	digest   string // in hexadecimal
	at, size int64
	zip      *artifact.Manifest // of the version whose zip layer it is, or nil
}

func readEntries(b *testing.B, volume string) *entries {
	b.Helper()
	f, err := os.Open(volume)
	must(b, err)
	b.Cleanup(func() { f.Close() })
	e, zips := &entries{file: f}, make(map[string]*artifact.Manifest)
	for t := tar.NewReader(f); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(b, err)
		at, err := f.Seek(0, io.SeekCurrent)
		must(b, err)
		if filepath.Base(filepath.Dir(h.Name)) != "sha256" {
			continue
		}
		e.blobs = append(e.blobs, blob{digest: filepath.Base(h.Name), at: at, size: h.Size})
		if h.Size <= artifact.MaxManifest {
			raw, err := io.ReadAll(t)
			must(b, err)
			if m, err := artifact.ParseManifest(raw); err == nil && m.Zip != nil {
				zips[m.Zip.Digest.Encoded()] = m
			}
		}
	}
	for i := range e.blobs {
		e.blobs[i].zip = zips[e.blobs[i].digest]
	}
	return e
}

// A pass says what is done with each blob beside reading it.
type pass struct{ hash, sums, write, sync bool }

func (e *entries) pass(b *testing.B, p pass, dir string) {
	b.Helper()
	var g errgroup.Group
	todo := make(chan blob, len(e.blobs))
	for _, x := range e.blobs {
		todo <- x
	}
	close(todo)
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			scratch, err := os.CreateTemp("", "bench-*")
			if err != nil {
				return err
			}
			defer os.Remove(scratch.Name())
			defer scratch.Close()
			for x := range todo {
				if err := e.do(x, p, dir, scratch); err != nil {
					return err
				}
			}
			return nil
		})
	}
	must(b, g.Wait())
	if !p.sync {
		return
	}
	g.SetLimit(16)
	for _, x := range append(e.blobs, blob{digest: "."}) {
		g.Go(func() error {
			f, err := os.Open(filepath.Join(dir, x.digest))
			if err != nil {
				return err
			}
			return errors.Join(f.Sync(), f.Close())
		})
	}
	must(b, g.Wait())
}

func (e *entries) do(x blob, p pass, dir string, scratch *os.File) error {
	content := io.NewSectionReader(e.file, x.at, x.size)
	var to []io.Writer
	var sum hash.Hash
	if p.hash {
		sum = sha256.New()
		to = append(to, sum)
	}
	if p.write {
		f, err := os.Create(filepath.Join(dir, x.digest))
		if err != nil {
			return err
		}
		defer f.Close()
		to = append(to, f)
	}
	buf := make([]byte, min(x.size+1, 64<<10))
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(to...)}, struct{ io.Reader }{content}, buf); err != nil {
		return err
	}
	if p.hash && hex.EncodeToString(sum.Sum(nil)) != x.digest {
		return fmt.Errorf("%s has another digest", x.digest)
	}
	if p.sums && x.zip != nil {
		return x.zip.CheckZipLayer(content, scratch)
	}
	return nil
}

// benchVolume writes a bundle of so many versions, whose zips have that size, to a tar.
func benchVolume(b *testing.B, versions, size int) (volume string, checker verify.Checker) {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "store")
	store, err := ocilayout.Open(dir)
	must(b, err)
	signer := signtest.Signer(b, 0)
	random, text := rand.New(rand.NewSource(1)), make([]byte, size)
	var items []transfer.Item
	for i := range versions {
		random.Read(text)
		m := module.Version{Path: fmt.Sprintf("example.com/bench/m%03d", i), Version: "v1.0.0"}
		storetest.Publish(b, store, artifacttest.FullVersion(b, m, string(text)), signer)
		items = append(items, transfer.Item{Repository: m.Path, Tag: m.Version})
	}
	slices.SortFunc(items, transfer.Compare)
	p, err := bundle.NewPlan(b.Context(), store, items, bundle.PlanOptions{})
	must(b, err)
	volume = filepath.Join(b.TempDir(), "bundle.tar")
	must(b, p.Create(b.Context(), volume, bundle.WriteOptions{Signer: signer}, func(string) {}))
	must(b, errors.Join(store.Close(), os.RemoveAll(dir)))
	log, err := sumdb.ParseLog(sumdb.DefaultLog)
	must(b, err)
	return volume, verify.Checker{Verifier: signer.Verifier(), Log: log, Private: "example.com"}
}

func loadVolume(b *testing.B, volume, dir string, checker verify.Checker) {
	b.Helper()
	to, err := ocilayout.Open(filepath.Join(dir, "store"))
	must(b, err)
	loaded := 0
	l := load.Loader{Destination: to, Checker: checker, TempDir: dir, Opened: func(string, bundle.Info, []string, error) {}}
	l.Report = func(e transfer.Event) {
		must(b, e.Err)
		if e.Outcome == registry.Published {
			loaded++
		}
	}
	must(b, errors.Join(l.File(b.Context(), volume), to.Close()))
	if loaded == 0 {
		b.Fatal("nothing was loaded")
	}
}

// untar unpacks a tar, and checks the blobs in it.
func untar(b *testing.B, name, dir string, fsync bool) {
	b.Helper()
	f, err := os.Open(name)
	must(b, err)
	defer f.Close()
	for t := tar.NewReader(f); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		must(b, err)
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		must(b, os.MkdirAll(filepath.Dir(path), 0o777))
		out, err := os.Create(path)
		must(b, err)
		hash := sha256.New()
		_, err = io.Copy(io.MultiWriter(out, hash), t)
		if fsync {
			err = errors.Join(err, out.Sync())
		}
		must(b, errors.Join(err, out.Close()))
		if sum := hex.EncodeToString(hash.Sum(nil)); filepath.Base(filepath.Dir(path)) == "sha256" && sum != filepath.Base(path) {
			b.Fatalf("%s has the digest %s", path, sum)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// BenchmarkSync copies a session's versions from one registry to another, and finds then that there is nothing to do.
func BenchmarkSync(b *testing.B) {
	f := newBenchFerry(b)
	centre, branch := startRegistry(b, registryOptions{}).addr+"/centre", startRegistry(b, registryOptions{}).addr
	f.mirror(b, centre)
	log, err := sumdb.ParseLog(sumdb.DefaultLog)
	must(b, err)
	namespace := 0
	run := func(b *testing.B) (copied, same int) {
		s := transfer.Sync{Copier: &transfer.Copier{
			Source: f.open(b, centre), Destination: f.open(b, fmt.Sprintf("%s/branch%d", branch, namespace)), TempDir: b.TempDir(),
			Checker: verify.Checker{Verifier: f.signer.Verifier(), Log: log, Private: "example.com"},
		}}
		s.Report = func(e transfer.Event) {
			must(b, e.Err)
			copied++
		}
		sum, broken, err := s.Run(b.Context())
		must(b, errors.Join(append(broken, err)...))
		return copied, sum.Same
	}
	for _, name := range []string{"all", "nothing-new"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if name == "all" {
					namespace++
				}
				if copied, same := run(b); copied < len(f.items) != (same == len(f.items)) {
					b.Fatalf("%d copied, %d the same", copied, same)
				}
			}
			b.ReportMetric(float64(len(f.items)*b.N)/b.Elapsed().Seconds(), "versions/s")
		})
	}
}
