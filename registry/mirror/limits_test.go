package mirror

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/klauspost/compress/flate"
	"golang.org/x/mod/sumdb/dirhash"
	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry/collect/collecttest"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/upstream/upstreamtest"
)

// zipFile is an entry of a zip: the content is repeated so many times.
type zipFile struct {
	name     string
	method   uint16
	content  string
	times    int
	declared uint64 // as its size, if that is not the true one
}

// writeZip makes a zip of example.com/a@v1.0.0, with its go.mod.
func writeZip(t *testing.T, files ...zipFile) string {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, f := range append(files, zipFile{name: "go.mod", content: "module example.com/a\n\ngo 1.24\n", times: 1}) {
		h := &zip.FileHeader{Name: upstreamtest.VersionA.String() + "/" + f.name, Method: f.method}
		create, text := z.CreateHeader, bytes.Repeat([]byte(f.content), f.times)
		if f.declared != 0 {
			var data bytes.Buffer
			w, err := flate.NewWriter(&data, flate.BestCompression)
			if err == nil {
				_, err = w.Write(text)
			}
			if err = errors.Join(err, w.Close()); err != nil {
				t.Fatal(err)
			}
			create, text = z.CreateRaw, data.Bytes()
			h.CompressedSize64, h.UncompressedSize64 = uint64(len(text)), f.declared
		}
		w, err := create(h)
		if err == nil {
			_, err = w.Write(text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// What a zip decompresses to, and of how many files, does not decide what memory it takes. A bomb is one by what its
// headers say, or it has more than they say.
func TestZipsMadeToHurtAreMirroredInBoundedMemoryOrRefused(t *testing.T) {
	const mib = 1 << 20
	var tiny []zipFile
	for i := range 1 << 16 {
		tiny = append(tiny, zipFile{name: fmt.Sprintf("%04x", i), method: zip.Deflate, content: "x", times: 1})
	}
	for name, tt := range map[string]struct {
		files []zipFile
		want  error
		mib   uint64 // that may be allocated, all in all
	}{
		"a bomb within the limits":     {[]zipFile{{name: "zeros", method: zip.Deflate, content: "\x00", times: 64 * mib}}, nil, 8},
		"a bomb beyond the limits":     {[]zipFile{{name: "zeros", method: zip.Deflate, content: "\x00", times: mib, declared: modzip.MaxZipFile}}, artifact.ErrLimit, 8},
		"a bomb that its header hides": {[]zipFile{{name: "zeros", method: zip.Deflate, content: "\x00", times: 8 * mib, declared: 1}}, artifact.ErrCorrupt, 8},
		"65536 tiny files":             {tiny, nil, 128},
		"stored files":                 {[]zipFile{{name: "a", content: "ab", times: 8 * mib}, {name: "b", content: "c", times: 16 * mib}}, nil, 8},
	} {
		t.Run(name, func(t *testing.T) {
			tree := upstreamtest.NewTree(t, upstreamtest.VersionA.String())
			tree.Write(t, upstreamtest.VersionA.String(), ".zip", writeZip(t, tt.files...))
			o := Options{Stores: openStores(t, "oci:"+t.TempDir()), Upstream: collecttest.NewUpstream(t, tree.URL())}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			events, _ := run(t, []requirement.Requirement{upstreamtest.Full(upstreamtest.VersionA.String())}, o)
			runtime.ReadMemStats(&after)
			if got := (after.TotalAlloc - before.TotalAlloc) / mib; got > tt.mib {
				t.Errorf("%d MiB were allocated, more than %d", got, tt.mib)
			}
			if err := events[0].Err; !errors.Is(err, tt.want) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			if tt.want != nil {
				return
			}
			sum, err := dirhash.HashZip(tree.File(t, upstreamtest.VersionA.String(), ".zip"), dirhash.Hash1)
			if err != nil || events[0].Got.Zip != sum {
				t.Errorf("the sum is %s, not %s, %v", events[0].Got.Zip, sum, err)
			}
		})
	}
}
