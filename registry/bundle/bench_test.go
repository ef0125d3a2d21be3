package bundle

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/modferry/modferry/artifact/sign/signtest"
)

// BenchmarkCreate writes bundles of 400 versions, 200 MB, as tars. The metric tar-ratio is the time it takes over that of
// a plain tar of the same blobs and their SHA-256, on the same disk; the limit is 1.3.
func BenchmarkCreate(b *testing.B) {
	sizes := make([]int, 400)
	for n := range sizes {
		sizes[n] = 500_000 + n
	}
	store := filepath.Join(b.TempDir(), "store")
	s := stockedAt(b, store, sizes...)
	dir := b.TempDir()
	signer := signtest.Signer(b, 0)
	var ours, plain time.Duration
	n := 0
	for b.Loop() {
		n++
		start := time.Now()
		p := newPlan(b, s, PlanOptions{})
		must(b, p.Create(b.Context(), filepath.Join(dir, fmt.Sprintf("%d.tar", n)), WriteOptions{Signer: signer}, func(string) {}))
		ours += time.Since(start)
		b.StopTimer()
		must(b, os.Remove(filepath.Join(dir, fmt.Sprintf("%d.tar", n))))
		start = time.Now()
		b.SetBytes(plainTar(b, store, filepath.Join(dir, "plain.tar")))
		plain += time.Since(start)
		must(b, os.Remove(filepath.Join(dir, "plain.tar")))
		b.StartTimer()
	}
	b.ReportMetric(float64(ours)/float64(plain), "tar-ratio")
}

// plainTar writes the blobs of a layout as a tar, hashes them, and returns how many bytes they have.
func plainTar(b *testing.B, layout, to string) (size int64) {
	b.Helper()
	blobs, err := os.ReadDir(filepath.Join(layout, blobsDir))
	must(b, err)
	f, err := os.Create(to)
	must(b, err)
	defer f.Close()
	out := bufio.NewWriterSize(f, bufferSize)
	w := tar.NewWriter(out)
	buf := make([]byte, bufferSize)
	for _, e := range blobs {
		in, err := os.Open(filepath.Join(layout, blobsDir, e.Name()))
		must(b, err)
		info, err := in.Stat()
		must(b, err)
		must(b, w.WriteHeader(&tar.Header{Name: e.Name(), Size: info.Size(), Mode: 0o444}))
		hash := sha256.New()
		n, err := io.CopyBuffer(io.MultiWriter(w, hash), struct{ io.Reader }{in}, buf)
		must(b, err)
		size += n
		if got := fmt.Sprintf("%x", hash.Sum(nil)); got != e.Name() {
			b.Fatalf("%s has the digest %s", e.Name(), got)
		}
		in.Close()
	}
	must(b, w.Close())
	must(b, out.Flush())
	must(b, f.Sync())
	return size
}
