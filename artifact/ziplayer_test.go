package artifact

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// layerOf returns a zip layer as modferry writes it, and the manifest of the version with it.
func layerOf(t testing.TB, a *Artifact, plain []byte) (*Manifest, []byte) {
	t.Helper()
	var stored bytes.Buffer
	if _, err := newFramer(bytes.NewReader(plain), int64(len(plain))).WriteTo(&stored); err != nil {
		t.Fatal(err)
	}
	return withZip(a, stored.Bytes()), stored.Bytes()
}

// verdict is what an error says of a zip.
func verdict(err error) string {
	switch {
	case err == nil:
		return "good"
	case errors.Is(err, ErrLimit):
		return "over a limit"
	case errors.Is(err, ErrCorrupt):
		return "corrupt"
	}
	return err.Error()
}

// extractAndCheck is what CheckZipLayer does in two steps, by way of a file.
func extractAndCheck(t testing.TB, m *Manifest, layer []byte) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "zip")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	err = m.ExtractZip(f, bytes.NewReader(layer))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err == nil {
		err = m.CheckZipFile(file)
	}
	return err
}

func TestAZipIsCheckedWhereItIsInItsLayer(t *testing.T) {
	scratch := newScratch(t)
	for name, f := range goldenFiles(t) {
		if f.ZipFile == "" {
			continue
		}
		a := mustBuild(t, f)
		stored := content(t, a.Blobs[2])
		plain := gunzip(t, stored)
		for form, layer := range map[string][]byte{"stored": stored, "plain": plain, "compressed": gzipped(t, plain)} {
			if err := withZip(a, layer).CheckZipLayer(bytes.NewReader(layer), scratch); err != nil {
				t.Errorf("%s, %s: %v", name, form, err)
			}
		}
		if _, err := a.Manifest.findZip(bytes.NewReader(stored)); err != nil {
			t.Errorf("%s: not in place: %v", name, err)
		}
	}
}

// Whatever is wrong with a layer, in whatever framing, is found as it is found when the zip is unpacked.
func TestAZipInItsLayerIsHeldToWhatAFileIsHeldTo(t *testing.T) {
	f := fullFiles(t, "example.com/a", "v1.2.3")
	a := mustBuild(t, f)
	read := func(file string) []byte {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	name, good := testTree+".zip", read(f.ZipFile)
	entries := func(content ...string) []byte { return read(writeZip(t, f.Module, content...)) }
	scratch := newScratch(t)
	accepted := map[string]bool{"good": true, "tar without an end": true, "data before the zip": true}
	for what, plain := range map[string][]byte{
		"good":                mustTar(t, tarFile{name, good}),
		"no entry":            mustTar(t),
		"zip twice":           mustTar(t, tarFile{name, good}, tarFile{name, good}),
		"entry before":        mustTar(t, tarFile{testTree + ".mod", nil}, tarFile{name, good}),
		"zip of another":      mustTar(t, tarFile{"example.com/b/@v/v1.2.3.zip", good}),
		"data after the tar":  append(mustTar(t, tarFile{name, good}), "junk"...),
		"tar cut off":         mustTar(t, tarFile{name, good})[:600],
		"tar without an end":  mustTar(t, tarFile{name, good})[:tarBlock+len(good)],
		"no zip":              mustTar(t, tarFile{name, []byte("<html>")}),
		"empty zip":           mustTar(t, tarFile{name, nil}),
		"another content":     mustTar(t, tarFile{name, entries("go.mod", string(f.GoMod))}),
		"another module's":    mustTar(t, tarFile{name, read(fullFiles(t, "example.com/b", "v1.2.3").ZipFile)}),
		"names that collide":  mustTar(t, tarFile{name, entries("go.mod", string(f.GoMod), "A", "", "a", "")}),
		"name upwards":        mustTar(t, tarFile{name, entries("../x", "")}),
		"go.mod in upper":     mustTar(t, tarFile{name, entries("GO.MOD", string(f.GoMod))}),
		"licence too large":   mustTar(t, tarFile{name, entries("go.mod", string(f.GoMod), "LICENSE", string(make([]byte, 17<<20)))}),
		"content cut off":     mustTar(t, tarFile{name, good[:len(good)-30]}),
		"a bit in an entry":   mustTar(t, tarFile{name, flipped(good, 60)}),
		"a bit in a name":     mustTar(t, tarFile{name, flipped(good, len(good)-100)}),
		"data before the zip": mustTar(t, tarFile{name, append([]byte("#!/bin/sh\n"), good...)}),
	} {
		_, stored := layerOf(t, a, plain)
		for form, layer := range map[string][]byte{"stored": stored, "compressed": gzipped(t, plain), "wrong CRC": flipped(stored, len(stored)-8), "wrong size": flipped(stored, len(stored)-1)} {
			m := withZip(a, layer)
			want := extractAndCheck(t, m, layer)
			if err := m.CheckZipLayer(bytes.NewReader(layer), scratch); verdict(err) != verdict(want) {
				t.Errorf("%s, %s: %v; of the zip in a file: %v", what, form, err, want)
			}
			if good := accepted[what] && (form == "stored" || form == "compressed"); good != (want == nil) {
				t.Errorf("%s, %s: %v", what, form, want)
			}
		}
	}
}

// What follows the framing is not of the layer: a gzip file may go on with another one, which has other content.
func TestNothingFollowsTheFramingOfALayer(t *testing.T) {
	a := mustBuild(t, fullFiles(t, "example.com/a", "v1.2.3"))
	plain := gunzip(t, content(t, a.Blobs[2]))
	scratch := newScratch(t)
	blocks := len(plain)/maxBlock + 1
	for short := range blockHeader + 2 { // of whole blocks
		m, stored := layerOf(t, a, append(bytes.Clone(plain), make([]byte, blocks*maxBlock-short-len(plain))...))
		if _, err := m.findZip(bytes.NewReader(stored)); err != nil {
			t.Errorf("%d zeros short of whole blocks: not in place: %v", short, err)
		}
		for more := 1; more < 2*blockHeader; more++ {
			layer := append(bytes.Clone(stored), make([]byte, more)...)
			m := withZip(a, layer)
			want := extractAndCheck(t, m, layer)
			if err := m.CheckZipLayer(bytes.NewReader(layer), scratch); err == nil || verdict(err) != verdict(want) {
				t.Errorf("%d short, and %d more bytes: %v; of the zip in a file: %v", short, more, err, want)
			}
		}
	}
}

// newScratch returns a file for CheckZipLayer, with something in it.
func newScratch(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "scratch"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(bytes.Repeat([]byte("PK"), 1000)); err != nil {
		t.Fatal(err)
	}
	return f
}

func flipped(data []byte, at int) []byte {
	data = bytes.Clone(data)
	data[at] ^= 1
	return data
}

func TestWhatReadingALayerFailsWithIsPassedOn(t *testing.T) {
	a := mustBuild(t, fullFiles(t, "example.com/a", "v1.2.3"))
	layer, scratch := content(t, a.Blobs[2]), newScratch(t)
	for n := int64(0); n < int64(len(layer)); n += 97 {
		err := a.Manifest.CheckZipLayer(brokenAt{bytes.NewReader(layer), n}, scratch)
		if !errors.Is(err, syscall.EIO) || errors.Is(err, ErrCorrupt) {
			t.Errorf("from a disk that is broken at byte %d: %v", n, err)
		}
	}
	closed := newScratch(t)
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for form, layer := range map[string][]byte{"stored": layer, "plain": gunzip(t, layer)} {
		err := withZip(a, layer).CheckZipLayer(bytes.NewReader(layer), closed)
		if !errors.Is(err, os.ErrClosed) || errors.Is(err, ErrCorrupt) {
			t.Errorf("%s, with a file that takes nothing: %v", form, err)
		}
	}
	mod := mustBuild(t, modFiles(t, "example.com/a", "v1.2.3")).Manifest
	if err := mod.CheckZipLayer(bytes.NewReader(layer), scratch); err == nil {
		t.Error("of a mod-only version: no error")
	}
}

// brokenAt fails to read the byte at some place.
type brokenAt struct {
	io.ReaderAt
	at int64
}

func (b brokenAt) ReadAt(p []byte, off int64) (int, error) {
	if off <= b.at && b.at < off+int64(len(p)) {
		return 0, &os.PathError{Op: "read", Path: "layer", Err: syscall.EIO}
	}
	return b.ReaderAt.ReadAt(p, off)
}

// FuzzZipInLayer looks for zips that are good or bad in their layer and the other way round in a file.
func FuzzZipInLayer(f *testing.F) {
	files := fullFiles(f, "example.com/a", "v1.2.3")
	a := mustBuild(f, files)
	seed, err := os.ReadFile(writeZip(f, files.Module, "go.mod", string(files.GoMod), "a.go", "package a"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		z, stored := layerOf(t, a, mustTar(t, tarFile{testTree + ".zip", data}))
		if c, err := checkZip(z.Module, writeFile(t, data)); err == nil {
			z.Sum = c.sum
		}
		// What is wrong with offsets, a file calls an error of reading.
		if err, want := z.CheckZipLayer(bytes.NewReader(stored), newScratch(t)), extractAndCheck(t, z, stored); (err == nil) != (want == nil) {
			t.Errorf("%v; of the zip in a file: %v", err, want)
		}
	})
}
