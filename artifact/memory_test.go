package artifact

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/sumdb/dirhash"
)

// bigFiles returns the files of a version whose zip holds n bytes in one file.
func bigFiles(tb testing.TB, n int) Files {
	tb.Helper()
	f := fullFiles(tb, "example.com/a", "v1.2.3")
	f.ZipFile = writeZip(tb, f.Module, "go.mod", string(f.GoMod), "big", string(bytes.Repeat([]byte("0123456789abcdef"), n/16)))
	return f
}

func TestZipsAreNeverHeldInMemory(t *testing.T) {
	const size, limit = 8 << 20, 2 << 20
	f := bigFiles(t, size)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)

	a := mustBuild(t, f)
	layer, err := a.Blobs[2].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer layer.Close()
	if err := a.Manifest.ExtractZip(io.Discard, layer); err != nil {
		t.Fatal(err)
	}
	if err := a.Manifest.CheckZipFile(f.ZipFile); err != nil {
		t.Fatal(err)
	}

	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > limit {
		t.Errorf("%d bytes allocated for a zip of %d bytes, want at most %d", got, size, limit)
	}
}

// Its directory is read twice: by x/mod/zip, and for the sum.
func TestTheDirectoryOfAZipOfManyFilesIsInMemoryOnce(t *testing.T) {
	f := fullFiles(t, "example.com/a", "v1.2.3")
	files := []string{"go.mod", string(f.GoMod)}
	for i := range 2 * manyFiles {
		files = append(files, fmt.Sprintf("testdata/recordings/%d.json", i), "{}")
	}
	f.ZipFile = writeZip(t, f.Module, files...)
	a := mustBuild(t, f)
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := a.Manifest.CheckZipFile(f.ZipFile); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	used, taken := int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(after.TotalAlloc-before.TotalAlloc)
	if used > taken*2/3 {
		t.Errorf("%d of %d bytes are left", used, taken)
	}
}

// A shim keeps what it needs to fetch the zip of each version it knows.
func TestDescriptorOfTheZipDoesNotKeepTheMetaLayer(t *testing.T) {
	f := fullFiles(t, "example.com/a", "v1.2.3")
	f.GoMod = append(f.GoMod, bytes.Repeat([]byte("// a long go.mod\n"), 5000)...)
	f.ZipFile = writeZip(t, f.Module, "go.mod", string(f.GoMod))
	raw := mustBuild(t, f).Raw
	zips := make([]*ocispec.Descriptor, 100)
	before := heapInUse()
	for i := range zips {
		m, err := ParseManifest(raw)
		if err != nil {
			t.Fatal(err)
		}
		zips[i] = m.Zip
	}
	if got := heapInUse() - before; got > 1<<20 {
		t.Errorf("%d zip descriptors keep %d bytes, want at most 1 MiB; each manifest has %d", len(zips), got, len(raw))
	}
	runtime.KeepAlive(zips)
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkBuild packages a zip; its limit is what has to be hashed in any
// case: the files of the zip, the layer and the layer's tar.
func BenchmarkBuild(b *testing.B) {
	f := bigFiles(b, 16<<20)
	b.Run("build", func(b *testing.B) {
		b.SetBytes(16 << 20)
		for b.Loop() {
			mustBuild(b, f)
		}
	})
	b.Run("limit", func(b *testing.B) {
		b.SetBytes(16 << 20)
		for b.Loop() {
			zip, err := os.ReadFile(f.ZipFile)
			if err != nil {
				b.Fatal(err)
			}
			sha256.Sum256(zip)
			sha256.Sum256(zip)
			if _, err := dirhash.HashZip(f.ZipFile, dirhash.Hash1); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkExtractZip reads a zip layer; its limit is the layer's digest.
func BenchmarkExtractZip(b *testing.B) {
	a := mustBuild(b, bigFiles(b, 16<<20))
	layer := content(b, a.Blobs[2])
	b.Run("extract", func(b *testing.B) {
		b.SetBytes(int64(len(layer)))
		for b.Loop() {
			if err := a.Manifest.ExtractZip(io.Discard, bytes.NewReader(layer)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("limit", func(b *testing.B) {
		b.SetBytes(int64(len(layer)))
		for b.Loop() {
			sha256.Sum256(layer)
		}
	})
}

// BenchmarkReadMeta reads what answers most requests of a go command.
func BenchmarkReadMeta(b *testing.B) {
	a := mustBuild(b, fullFiles(b, "example.com/a", "v1.2.3"))
	b.ReportAllocs()
	for b.Loop() {
		m, err := ParseManifest(a.Raw)
		if err != nil {
			b.Fatal(err)
		}
		data, _, err := m.InlineMeta()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := m.ReadMeta(bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRepository(b *testing.B) {
	for b.Loop() {
		if _, err := Repository("github.com/BurntSushi/toml"); err != nil {
			b.Fatal(err)
		}
	}
}
