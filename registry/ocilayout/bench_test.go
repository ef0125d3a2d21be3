package ocilayout

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
)

// BenchmarkLayoutPublish publishes signed versions, 4 at a time, into layouts that have that many already: the cost
// of one must not grow. "files" is the limit: the same blobs and manifests as mere files, fsync and rename included.
// With -benchtime=5000x the first is 5,000 versions into a new directory.
func BenchmarkLayoutPublish(b *testing.B) {
	for _, have := range []int{0, 5_000, 20_000} {
		b.Run(fmt.Sprintf("into=%d", have), func(b *testing.B) {
			l := filledLayout(b, have)
			benchmarkPublish(b, func(img image) error { return img.publish(b.Context(), l) })
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
	b.Run("files", func(b *testing.B) {
		dir := b.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, tmpDir), 0o777); err != nil {
			b.Fatal(err)
		}
		benchmarkPublish(b, func(img image) error { return writeFiles(dir, img) })
	})
}

func benchmarkPublish(b *testing.B, publish func(image) error) {
	b.ReportAllocs()
	b.ResetTimer()
	var g errgroup.Group
	g.SetLimit(4)
	for i := range b.N {
		g.Go(func() error {
			return publish(newImage(fmt.Sprintf("example.com/m%d", i/10), fmt.Sprintf("v1.%d.0", i)))
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "versions/s")
}

// filledLayout has n signed versions in its index; their blobs are left out.
func filledLayout(b *testing.B, n int) *layout {
	l := openLayout(b, b.TempDir())
	if err := l.prepare(context.Background()); err != nil {
		b.Fatal(err)
	}
	x, err := parseIndex(emptyIndex)
	if err != nil {
		b.Fatal(err)
	}
	for i := range n {
		img := newImage(fmt.Sprintf("old.example/m%d", i/10), fmt.Sprintf("v1.%d.0", i))
		for _, tag := range []string{img.tag, img.sigTag()} {
			e, err := newEntry(img.repo, tag, img.desc)
			if err != nil {
				b.Fatal(err)
			}
			x.journal.add(e)
		}
	}
	if err := l.writeFile("index.json", x.write); err != nil {
		b.Fatal(err)
	}
	return l
}

func writeFiles(dir string, img image) error {
	blobs := append(img.blobs, img.sigBlobs...)
	blobs = append(blobs, artifact.NewBlob("x", img.manifest), artifact.NewBlob("x", img.sigData))
	for _, blob := range blobs {
		err := (&layout{dir: dir, sync: syncFile}).replaceFile(filepath.Join(dir, blob.Descriptor.Digest.Encoded()), 0o444, true, func(w io.Writer) error {
			r, err := blob.Open()
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = io.Copy(w, r)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkLayoutManifest reads one manifest by tag from a layout of many versions, beside reading that file.
func BenchmarkLayoutManifest(b *testing.B) {
	l := filledLayout(b, 5_000)
	img := newImage("example.com/a", "v1.0.0")
	mustPublish(b, l, img)
	b.Run("layout", func(b *testing.B) {
		for b.Loop() {
			if _, raw, err := l.Manifest(b.Context(), img.repo, img.tag); err != nil || !bytes.Equal(raw, img.manifest) {
				b.Fatal(err)
			}
		}
	})
	b.Run("file", func(b *testing.B) {
		for b.Loop() {
			if raw, err := os.ReadFile(l.blobPath(img.desc.Digest)); err != nil || !bytes.Equal(raw, img.manifest) {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkLayoutOpen reads the index of 20,000 signed versions: what a process
// pays once, and again after another one's fold.
func BenchmarkLayoutOpen(b *testing.B) {
	dir := filledLayout(b, 20_000).dir
	for b.Loop() {
		v := view{dir: dir, identify: func(*index) {}}
		if err := v.read(func(*index) {}); err != nil {
			b.Fatal(err)
		}
		v.close()
	}
}
