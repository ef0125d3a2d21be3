package artifact

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/sumdb/dirhash"
)

// withZip returns a manifest of the full version a whose zip layer is layer.
func withZip(a *Artifact, layer []byte) *Manifest {
	m := *a.Manifest
	d := describe(layer)
	m.Zip = &d
	return &m
}

func TestExtractZipReturnsTheZip(t *testing.T) {
	for name, f := range goldenFiles(t) {
		if f.ZipFile == "" {
			continue
		}
		a := mustBuild(t, f)
		want, err := os.ReadFile(f.ZipFile)
		if err != nil {
			t.Fatal(err)
		}
		stored := content(t, a.Blobs[2])
		plain := gunzip(t, stored)
		for form, layer := range map[string][]byte{"stored": stored, "plain": plain, "compressed": gzipped(t, plain)} {
			var got bytes.Buffer
			if err := withZip(a, layer).ExtractZip(&got, iotest.HalfReader(bytes.NewReader(layer))); err != nil {
				t.Errorf("%s, %s: %v", name, form, err)
			} else if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s, %s: %d bytes that are not the zip", name, form, got.Len())
			}
		}
	}
}

func TestExtractZipRefusesHostileLayers(t *testing.T) {
	a := mustBuild(t, fullFiles(t, "example.com/a", "v1.2.3"))
	zip := tarFile{testTree + ".zip", []byte("zip")}
	for name, layer := range map[string][]byte{
		"nothing":              nil,
		"no tar":               []byte("<html>"),
		"no entry":             mustTar(t),
		"entry before":         mustTar(t, tarFile{testTree + ".mod", nil}, zip),
		"entry after":          mustTar(t, zip, tarFile{testTree + ".mod", nil}),
		"zip twice":            mustTar(t, zip, zip),
		"zip of another":       mustTar(t, tarFile{"example.com/b/@v/v1.2.3.zip", []byte("zip")}),
		"entry upwards":        mustTar(t, tarFile{"../v1.2.3.zip", []byte("zip")}),
		"data after the tar":   append(mustTar(t, zip), "junk"...),
		"data after the gzip":  append(gzipped(t, mustTar(t, zip)), "junk"...),
		"gzip that is cut off": gzipped(t, mustTar(t, zip))[:40],
		"tar that is cut off":  mustTar(t, zip)[:514],
	} {
		err := withZip(a, layer).ExtractZip(io.Discard, bytes.NewReader(layer))
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: ExtractZip: %v; want ErrCorrupt", name, err)
		}
	}
}

func TestExtractZipChecksDigestAndSize(t *testing.T) {
	a := mustBuild(t, fullFiles(t, "example.com/a", "v1.2.3"))
	layer := content(t, a.Blobs[2])
	for name, change := range map[string]func(m *Manifest) []byte{
		"other digest": func(m *Manifest) []byte { m.Zip.Digest = digest.FromString("x"); return layer },
		"smaller":      func(m *Manifest) []byte { m.Zip.Size++; return layer },
		"larger":       func(*Manifest) []byte { return append(bytes.Clone(layer), 0) },
		"cut off":      func(*Manifest) []byte { return layer[:len(layer)-1] },
	} {
		m := withZip(a, layer)
		data := change(m)
		if err := m.ExtractZip(io.Discard, bytes.NewReader(data)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: ExtractZip: %v; want ErrCorrupt", name, err)
		}
	}
}

func TestExtractZipRefusesAZipOverTheLimit(t *testing.T) {
	a := mustBuild(t, fullFiles(t, "example.com/a", "v1.2.3"))
	var header bytes.Buffer
	if err := tar.NewWriter(&header).WriteHeader(tarHeader(testTree+".zip", MaxZip+1, time.Unix(0, 0))); err != nil {
		t.Fatal(err)
	}
	layer := gzipped(t, header.Bytes()) // what would follow is never asked for
	if err := withZip(a, layer).ExtractZip(io.Discard, bytes.NewReader(layer)); !errors.Is(err, ErrLimit) {
		t.Errorf("ExtractZip: %v; want ErrLimit", err)
	}
}

func TestExtractZipPassesOtherErrorsOn(t *testing.T) {
	a := mustBuild(t, fullFiles(t, "example.com/a", "v1.2.3"))
	layer := content(t, a.Blobs[2])
	for _, n := range []int{0, 5, 700, 70_000, len(layer)} {
		r := io.MultiReader(bytes.NewReader(layer[:n]), iotest.ErrReader(io.ErrUnexpectedEOF))
		if err := a.Manifest.ExtractZip(io.Discard, r); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrCorrupt) {
			t.Errorf("ExtractZip from a connection that breaks after %d bytes: %v; want the reader's error", n, err)
		}
	}
	if err := a.Manifest.ExtractZip(fullDisk{}, bytes.NewReader(layer)); !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrCorrupt) {
		t.Errorf("ExtractZip to a full disk: %v; want the writer's error", err)
	}
	mod := mustBuild(t, modFiles(t, "example.com/a", "v1.2.3")).Manifest
	if err := mod.ExtractZip(io.Discard, bytes.NewReader(layer)); err == nil || !strings.Contains(err.Error(), "is stored without its zip") {
		t.Error("ExtractZip of a mod-only version: no error")
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestCheckZipFile(t *testing.T) {
	f := fullFiles(t, "example.com/a", "v1.2.3")
	m := mustBuild(t, f).Manifest
	if err := m.CheckZipFile(f.ZipFile); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct {
		name, file string
		err        error
	}{
		{"no file", filepath.Join(t.TempDir(), "missing"), fs.ErrNotExist},
		{"no zip", writeFile(t, []byte("<html>")), ErrCorrupt},
		{"another content", writeZip(t, f.Module, "go.mod", string(f.GoMod)), ErrCorrupt},
		{"another module's", fullFiles(t, "example.com/b", "v1.2.3").ZipFile, ErrCorrupt},
	} {
		if err := m.CheckZipFile(tt.file); !errors.Is(err, tt.err) || tt.err != ErrCorrupt && errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: CheckZipFile: %v; want %v", tt.name, err, tt.err)
		}
	}
	if sum, err := dirhash.HashZip(f.ZipFile, dirhash.Hash1); err != nil || sum != m.Sum {
		t.Errorf("the go command's sum is %s, %v; ours is %s", sum, err, m.Sum)
	}
}

func FuzzExtractZip(f *testing.F) {
	a := mustBuild(f, fullFiles(f, "example.com/a", "v1.2.3"))
	small := mustTar(f, tarFile{testTree + ".zip", []byte("zip")})
	f.Add(small)
	f.Add(gzipped(f, small))
	f.Add(content(f, a.Blobs[1]))
	f.Fuzz(func(t *testing.T, layer []byte) {
		err := withZip(a, layer).ExtractZip(io.Discard, bytes.NewReader(layer))
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrLimit) {
			t.Fatalf("unclassified error: %v", err)
		}
	})
}
