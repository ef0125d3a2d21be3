package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"
)

const (
	testTree = "example.com/a/@v/v1.2.3"
	testTile = "sumdb/sum.example.org/tile/8/0/x001/234"
)

// withMeta returns a manifest of the mod-only version f whose meta layer is layer.
func withMeta(tb testing.TB, f Files, layer []byte) *Manifest {
	tb.Helper()
	m := *mustBuild(tb, f).Manifest
	m.Meta = describe(layer)
	return &m
}

func TestReadMetaReturnsWhatBuildPackaged(t *testing.T) {
	for name, f := range goldenFiles(t) {
		a := mustBuild(t, f)
		meta, err := a.Manifest.ReadMeta(iotest.OneByteReader(bytes.NewReader(content(t, a.Blobs[1]))))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := Meta{Info: f.Info, GoMod: f.GoMod}
		if f.ZipFile != "" {
			want.SBOM, _ = sbom(f.Module, nil)
		}
		if !reflect.DeepEqual(*meta, want) {
			t.Errorf("%s: ReadMeta gives %+v\nwant %+v", name, *meta, want)
		}
	}
}

func TestReadMetaAcceptsAnyGzipAndPlainTar(t *testing.T) {
	f := modFiles(t, "example.com/a", "v1.2.3")
	record, tile := []byte("1\nrecord\n"), bytes.Repeat([]byte("hash"), 2048)
	plain := mustTar(t, tarFile{testTree + ".sumdb", record}, tarFile{testTile, tile},
		tarFile{testTree + ".mod", f.GoMod}, tarFile{testTree + ".info", f.Info})
	for name, layer := range map[string][]byte{
		"plain":                    plain,
		"plain without end":        plain[:len(plain)-tarEnd],
		"padded as by other tools": append(bytes.Clone(plain), make([]byte, 10240)...),
		"gzip":                     gzipped(t, plain),
		"gzip in two members":      append(gzipped(t, plain[:700]), gzipped(t, plain[700:])...),
	} {
		meta, err := withMeta(t, f, layer).ReadMeta(bytes.NewReader(layer))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := Meta{Info: f.Info, GoMod: f.GoMod, SumDB: record, Tiles: map[string][]byte{testTile: tile}}
		if !reflect.DeepEqual(*meta, want) {
			t.Errorf("%s: ReadMeta gives %+v\nwant %+v", name, *meta, want)
		}
	}
}

func TestReadMetaRefusesHostileLayers(t *testing.T) {
	f := modFiles(t, "example.com/a", "v1.2.3")
	info, mod := tarFile{testTree + ".info", f.Info}, tarFile{testTree + ".mod", f.GoMod}
	tile := make([]byte, 8192)
	good := mustTar(t, info, mod)
	link := new(bytes.Buffer)
	w := tar.NewWriter(link)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: testTree + ".info", Linkname: "/etc/passwd"}); err != nil {
		t.Fatal(err)
	}
	w.Close()
	for _, tt := range []struct {
		name  string
		layer []byte
		err   error
	}{
		{"nothing", nil, ErrCorrupt},
		{"no tar", []byte(strings.Repeat("<html>", 200)), ErrCorrupt},
		{"gzip magic only", []byte(gzipHeader[:3]), ErrCorrupt},
		{"gzip cut off", gzipped(t, good)[:100], ErrCorrupt},
		{"something after the gzip", append(gzipped(t, good), "junk"...), ErrCorrupt},
		{"something after the tar", append(bytes.Clone(good), "junk"...), ErrCorrupt},
		{"second tar after the first", append(bytes.Clone(good), good...), ErrCorrupt},
		{"tar cut off", good[:700], ErrCorrupt},
		{"no .info", mustTar(t, mod), ErrCorrupt},
		{"no .mod", mustTar(t, info), ErrCorrupt},
		{".info twice", mustTar(t, info, mod, info), ErrCorrupt},
		{".info of another version", mustTar(t, tarFile{info.name, []byte(`{"Version":"v1.2.4"}`)}, mod), ErrCorrupt},
		{".mod with another sum", mustTar(t, info, tarFile{mod.name, []byte("module example.com/b\n")}), ErrCorrupt},
		{"symbolic link", link.Bytes(), ErrCorrupt},
		{"entry of another module", mustTar(t, info, mod, tarFile{"example.com/b/@v/v1.2.3.mod", nil}), ErrCorrupt},
		{"entry upwards", mustTar(t, info, mod, tarFile{"../../etc/passwd", nil}), ErrCorrupt},
		{"entry in another spelling", mustTar(t, info, mod, tarFile{"./" + mod.name, f.GoMod}), ErrCorrupt},
		{"tile of another level", mustTar(t, info, mod, tarFile{"sumdb/sum.example.org/tile/8/1/000", tile}), ErrCorrupt},
		{"partial tile", mustTar(t, info, mod, tarFile{"sumdb/sum.example.org/tile/8/0/000.p/1", tile[:32]}), ErrCorrupt},
		{"tile of the wrong size", mustTar(t, info, mod, tarFile{testTile, tile[1:]}), ErrCorrupt},
		{"tile with a path upwards", mustTar(t, info, mod, tarFile{"sumdb/../tile/8/0/000", tile}), ErrCorrupt},
		{".info over the limit", mustTar(t, tarFile{info.name, make([]byte, maxInfo+1)}, mod), ErrLimit},
		{"empty record", mustTar(t, info, mod, tarFile{testTree + ".sumdb", nil}), ErrCorrupt},
		{"record over the limit", mustTar(t, info, mod, tarFile{testTree + ".sumdb", make([]byte, maxRecord+1)}), ErrLimit},
		{"bomb", gzipped(t, make([]byte, MaxMeta+1)), ErrLimit},
		{"bomb in an entry", gzipped(t, mustTar(t, tarFile{testTree + ".cdx.json", make([]byte, MaxMeta)})), ErrLimit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			meta, err := withMeta(t, f, tt.layer).ReadMeta(bytes.NewReader(tt.layer))
			if !errors.Is(err, tt.err) || meta != nil {
				t.Errorf("ReadMeta = %+v, %v; want %v", meta, err, tt.err)
			}
		})
	}
}

func TestReadMetaChecksDigestAndSize(t *testing.T) {
	a := mustBuild(t, modFiles(t, "example.com/a", "v1.2.3"))
	layer := content(t, a.Blobs[1])
	longer := append(bytes.Clone(layer), 0)
	for name, change := range map[string]func(m *Manifest) []byte{
		"other digest": func(m *Manifest) []byte { m.Meta.Digest = digest.FromString("x"); return layer },
		"smaller":      func(m *Manifest) []byte { m.Meta.Size++; return layer },
		"larger":       func(*Manifest) []byte { return longer },
		"much larger":  func(*Manifest) []byte { return append(layer[:len(layer):len(layer)], make([]byte, 1<<20)...) },
		"cut off":      func(*Manifest) []byte { return layer[:len(layer)-1] },
	} {
		m := *a.Manifest
		data := change(&m)
		if meta, err := m.ReadMeta(bytes.NewReader(data)); !errors.Is(err, ErrCorrupt) || meta != nil {
			t.Errorf("%s: ReadMeta = %+v, %v; want ErrCorrupt", name, meta, err)
		}
	}
}

func TestReadMetaPassesReadErrorsOn(t *testing.T) {
	a := mustBuild(t, modFiles(t, "example.com/a", "v1.2.3"))
	layer := content(t, a.Blobs[1])
	for _, n := range []int{0, 1, 2, 15, 700, len(layer)} {
		r := io.MultiReader(bytes.NewReader(layer[:n]), iotest.ErrReader(os.ErrDeadlineExceeded))
		if _, err := a.Manifest.ReadMeta(r); !errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ErrCorrupt) {
			t.Errorf("ReadMeta of %d bytes: %v; want the reader's error", n, err)
		}
	}
}

func FuzzReadMeta(f *testing.F) {
	files := modFiles(f, "example.com/a", "v1.2.3")
	a := mustBuild(f, files)
	plain := gunzip(f, content(f, a.Blobs[1]))
	f.Add(content(f, a.Blobs[1]))
	f.Add(plain)
	f.Add(gzipped(f, plain))
	f.Add(mustTar(f, tarFile{testTile, make([]byte, 8192)}))
	f.Fuzz(func(t *testing.T, layer []byte) {
		m := *a.Manifest
		m.Meta = describe(layer)
		meta, err := m.ReadMeta(bytes.NewReader(layer))
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrLimit) {
				t.Fatalf("unclassified error: %v", err)
			}
			return
		}
		if !bytes.Equal(meta.GoMod, files.GoMod) {
			t.Fatalf("go.mod file with another sum: %q", meta.GoMod)
		}
	})
}

// The framing is gzip for every reader, whatever the sizes that it is read in.
func TestFramerWritesGzip(t *testing.T) {
	for _, n := range []int{0, 1, 512, maxBlock - 1, maxBlock, maxBlock + 1, 2 * maxBlock, 2*maxBlock + 1} {
		data := bytes.Repeat([]byte("framer "), n/7+1)[:n]
		framed, err := io.ReadAll(newFramer(bytes.NewReader(data), int64(n)))
		if err != nil {
			t.Fatal(err)
		}
		if got := gunzip(t, framed); !bytes.Equal(got, data) {
			t.Errorf("%d bytes come back as %d", n, len(got))
		}
		blocks := max(1, (n+maxBlock-1)/maxBlock)
		if want := len(gzipHeader) + 5*blocks + n + 8; len(framed) != want {
			t.Errorf("%d bytes are framed in %d, want %d", n, len(framed), want)
		}
		slowly, err := io.ReadAll(iotest.OneByteReader(newFramer(iotest.DataErrReader(bytes.NewReader(data)), int64(n))))
		if err != nil || !bytes.Equal(slowly, framed) {
			t.Errorf("%d bytes are framed otherwise when read one by one: %v", n, err)
		}
		if n == 0 {
			continue
		}
		if _, err := io.ReadAll(newFramer(bytes.NewReader(data[1:]), int64(n))); err != io.ErrUnexpectedEOF {
			t.Errorf("%d bytes with one missing: %v", n, err)
		}
		if _, err := gzip.NewReader(bytes.NewReader(framed)); err != nil {
			t.Error(err)
		}
	}
}
