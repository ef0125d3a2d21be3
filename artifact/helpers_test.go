package artifact

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"
)

// writeZip writes a module zip with the given entries, name and content in turn. Names are below m's prefix unless
// they begin with a slash. Entries are stored, so that the bytes are the same with every Go release.
func writeZip(tb testing.TB, m module.Version, entries ...string) (file string) {
	tb.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for i := 0; i < len(entries); i += 2 {
		name, absolute := strings.CutPrefix(entries[i], "/")
		if !absolute {
			name = m.Path + "@" + m.Version + "/" + name
		}
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := io.WriteString(f, entries[i+1]); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return writeFile(tb, buf.Bytes())
}

func writeFile(tb testing.TB, data []byte) (file string) {
	tb.Helper()
	file = filepath.Join(tb.TempDir(), "module.zip")
	if err := os.WriteFile(file, data, 0o666); err != nil {
		tb.Fatal(err)
	}
	return file
}

// fullFiles returns the files of a small full version.
func fullFiles(tb testing.TB, path, version string) Files {
	tb.Helper()
	m := module.Version{Path: path, Version: version}
	goMod := "module " + path + "\n\ngo 1.26\n"
	return Files{
		Module:  m,
		Info:    []byte(`{"Version":"` + version + `","Time":"2026-01-02T03:04:05Z"}`),
		GoMod:   []byte(goMod),
		ZipFile: writeZip(tb, m, "go.mod", goMod, "a.go", "package a\n", "LICENSE", strings.Repeat("free ", 20_000)),
	}
}

// modFiles returns the files of a mod-only version.
func modFiles(tb testing.TB, path, version string) Files {
	f := fullFiles(tb, path, version)
	f.ZipFile = ""
	return f
}

func mustBuild(tb testing.TB, f Files) *Artifact {
	tb.Helper()
	a, err := Build(f)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// content returns the content of a blob after checking it against its descriptor.
func content(tb testing.TB, b Blob) []byte {
	tb.Helper()
	r, err := b.Open()
	if err != nil {
		tb.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		tb.Fatal(err)
	}
	if got := digest.FromBytes(data); got != b.Descriptor.Digest || int64(len(data)) != b.Descriptor.Size {
		tb.Fatalf("blob has digest %s and size %d, described as %s and %d", got, len(data), b.Descriptor.Digest, b.Descriptor.Size)
	}
	return data
}

// gunzip decompresses with the standard library.
func gunzip(tb testing.TB, data []byte) []byte {
	tb.Helper()
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		tb.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		tb.Fatal(err)
	}
	return plain
}

// gzipped compresses for real, as other tools do.
func gzipped(tb testing.TB, data []byte) []byte {
	tb.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write(data); err != nil {
		tb.Fatal(err)
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

func mustTar(tb testing.TB, files ...tarFile) []byte {
	tb.Helper()
	data, err := writeTar(time.Unix(0, 0), files...)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// A tarEntry is what tests look at of an entry.
type tarEntry struct {
	header *tar.Header
	data   []byte
}

func untar(tb testing.TB, data []byte) (entries []tarEntry) {
	tb.Helper()
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return entries
		}
		if err != nil {
			tb.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			tb.Fatal(err)
		}
		entries = append(entries, tarEntry{h, data})
	}
}

// describe returns the descriptor of a layer.
func describe(data []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: digest.FromBytes(data), Size: int64(len(data))}
}

// edit returns the manifest raw with changes made to it.
func edit(tb testing.TB, raw []byte, change func(m map[string]any)) []byte {
	tb.Helper()
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		tb.Fatal(err)
	}
	change(m)
	out, err := json.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}
