//go:build unix

package bundle

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/modferry/modferry/artifact/sign/signtest"
)

// BenchmarkCreate writes bundles of 500 versions of 2 MB as tars. The metric tar-ratio is the time it takes over that of
// a plain tar of the same blobs and their SHA-256, on the same disk; the limit is 1.3. The metric cpu-ratio is that of
// processor time, which other processes have less to do with.
func BenchmarkCreate(b *testing.B) {
	sizes := make([]int, 500)
	for n := range sizes {
		sizes[n] = 2_000_000 + n
	}
	store := filepath.Join(b.TempDir(), "store")
	s := stockedAt(b, store, sizes...)
	dir := b.TempDir()
	signer := signtest.Signer(b, 0)
	var ours, plain spent
	runs := []func(){
		func() {
			start := now(b)
			p := newPlan(b, s, PlanOptions{})
			must(b, p.Create(b.Context(), filepath.Join(dir, "bundle.tar"), WriteOptions{Signer: signer}, func(string) {}))
			ours.add(start, now(b))
			must(b, os.Remove(filepath.Join(dir, "bundle.tar")))
		},
		func() {
			start := now(b)
			b.SetBytes(plainTar(b, store, filepath.Join(dir, "plain.tar")))
			plain.add(start, now(b))
			must(b, os.Remove(filepath.Join(dir, "plain.tar")))
		},
	}
	for b.Loop() {
		runs[0]()
		runs[1]()
		slices.Reverse(runs) // the system may be slower with the first
	}
	b.ReportMetric(float64(ours.time)/float64(plain.time), "tar-ratio")
	b.ReportMetric(float64(ours.cpu)/float64(plain.cpu), "cpu-ratio")
}

// spent is what something takes, or a moment.
type spent struct{ time, cpu time.Duration }

func (c *spent) add(from, to spent) { c.time, c.cpu = c.time+to.time-from.time, c.cpu+to.cpu-from.cpu }

func now(b *testing.B) spent {
	b.Helper()
	var r syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return spent{time.Duration(time.Now().UnixNano()), time.Duration(r.Utime.Nano() + r.Stime.Nano())}
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
