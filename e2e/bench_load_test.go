package e2e

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/mod/module"

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

// BenchmarkLoad loads a bundle of 500 versions into a directory. Its limit is raw: the same tar is unpacked, and what is
// in it is hashed. A store promises more than tar does: that what it has survives a crash. What that costs, raw-fsync tells.
func BenchmarkLoad(b *testing.B) {
	for _, size := range []int{10 << 10, 2 << 20} { // of a zip
		b.Run(fmt.Sprintf("%dkB", size>>10), func(b *testing.B) { benchLoad(b, size) })
	}
}

func benchLoad(b *testing.B, size int) {
	volume, checker := benchVolume(b, 500, size)
	info, err := os.Stat(volume)
	must(b, err)
	for _, fsync := range []bool{false, true} {
		name := "raw"
		if fsync {
			name = "raw-fsync"
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(info.Size())
			for b.Loop() {
				untar(b, volume, b.TempDir(), fsync)
			}
		})
	}
	b.Run("modferry", func(b *testing.B) {
		b.SetBytes(info.Size())
		for b.Loop() {
			loadVolume(b, volume, checker)
		}
	})
}

// benchVolume writes a bundle of so many versions, whose zips have that size, to a tar.
func benchVolume(b *testing.B, versions, size int) (volume string, checker verify.Checker) {
	b.Helper()
	store, err := ocilayout.Open(filepath.Join(b.TempDir(), "store"))
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
	must(b, store.Close())
	log, err := sumdb.ParseLog(sumdb.DefaultLog)
	must(b, err)
	return volume, verify.Checker{Verifier: signer.Verifier(), Log: log, Private: "example.com"}
}

func loadVolume(b *testing.B, volume string, checker verify.Checker) {
	b.Helper()
	to, err := ocilayout.Open(filepath.Join(b.TempDir(), "store"))
	must(b, err)
	loaded := 0
	l := load.Loader{Destination: to, Checker: checker, TempDir: b.TempDir(), Opened: func(string, bundle.Info, []string, error) {}}
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

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
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
