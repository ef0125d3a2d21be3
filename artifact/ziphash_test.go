package artifact

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
)

// A zipEntry is an entry to write; raw is its data where that is not the compressed content.
type zipEntry struct {
	zip.FileHeader
	content []byte
	raw     []byte
}

func entry(name string, method uint16, content []byte) zipEntry {
	return zipEntry{FileHeader: zip.FileHeader{Name: "example.com/a@v1.2.3/" + name, Method: method}, content: content}
}

// rawEntry is an entry without a data descriptor, whose header says what it says.
func rawEntry(name string, content []byte, size int, crc uint32) zipEntry {
	var data bytes.Buffer
	w, _ := flate.NewWriter(&data, flate.BestCompression)
	_, _ = w.Write(content)
	_ = w.Close()
	e := entry(name, zip.Deflate, nil)
	e.CRC32, e.CompressedSize64, e.UncompressedSize64, e.raw = crc, uint64(data.Len()), uint64(size), data.Bytes()
	return e
}

func writeEntries(tb testing.TB, entries ...zipEntry) (file string) {
	tb.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, e := range entries {
		create, data := w.CreateHeader, e.content
		if e.raw != nil {
			create, data = w.CreateRaw, e.raw
		}
		f, err := create(&e.FileHeader)
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return writeFile(tb, buf.Bytes())
}

func hashFile(name string) (string, error) {
	z, err := zip.OpenReader(name)
	if err != nil {
		return "", err
	}
	defer z.Close()
	return hashZip(&z.Reader)
}

func TestTheSumOfAZipIsThatOfDirhash(t *testing.T) {
	text := []byte(strings.Repeat("package a\n", 10_000))
	var tiny []zipEntry
	for i := range 65_536 + 1 { // more than fit without zip64
		tiny = append(tiny, entry(fmt.Sprintf("%05x", i), zip.Deflate, []byte{byte(i)}))
	}
	damaged := rawEntry("a.go", text, len(text), crc32.ChecksumIEEE(text))
	damaged.raw[len(damaged.raw)/2] ^= 0xff
	cut := rawEntry("a.go", text, len(text), crc32.ChecksumIEEE(text))
	cut.raw = cut.raw[:len(cut.raw)/2]
	cut.CompressedSize64 = uint64(len(cut.raw))
	for name, entries := range map[string][]zipEntry{
		"nothing":                       nil,
		"empty files":                   {entry("a", zip.Store, nil), entry("b", zip.Deflate, nil)},
		"a directory":                   {entry("dir/", zip.Store, nil), entry("dir/a", zip.Deflate, text)},
		"not in order":                  {entry("b", zip.Deflate, text), entry("a", zip.Store, text), entry("B", zip.Deflate, nil)},
		"no data descriptor":            {rawEntry("a", text, len(text), crc32.ChecksumIEEE(text))},
		"no data descriptor and no CRC": {rawEntry("a", text, len(text), 0)},
		"65,537 tiny files":             tiny,
		"a wrong CRC":                   {rawEntry("a", text, len(text), 1)},
		"more than its header says":     {rawEntry("a", text, 10, crc32.ChecksumIEEE(text))},
		"less than its header says":     {rawEntry("a", text, len(text)+1, crc32.ChecksumIEEE(text))},
		"damaged":                       {entry("b", zip.Deflate, text), damaged},
		"cut short":                     {entry("b", zip.Deflate, text), cut},
		"an unknown method": {{
			FileHeader: zip.FileHeader{Name: "a", Method: 99, UncompressedSize64: 1}, raw: []byte("a"),
		}},
	} {
		file := writeEntries(t, entries...)
		want, wantErr := dirhash.HashZip(file, dirhash.Hash1)
		got, err := hashFile(file)
		if got != want || (err == nil) != (wantErr == nil) {
			t.Errorf("%s: got %q, %v; want %q, %v", name, got, err, want, wantErr)
		}
		if err != nil && !errors.Is(corruptZip(err), ErrCorrupt) {
			t.Errorf("%s: the error %v is not about the content", name, err)
		}
	}
}

// Whatever a compressor writes comes out as the standard library reads it, also when readers have been in use before.
func TestTheSumOfRandomZipsIsThatOfDirhash(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for range 50 {
		var entries []zipEntry
		for i := range random.Intn(40) {
			content := make([]byte, random.Intn(1<<random.Intn(18)))
			letters := 1 + random.Intn(256)
			for i := range content {
				content[i] = byte(random.Intn(letters))
			}
			e := entry(fmt.Sprint(i), zip.Deflate, content)
			if random.Intn(4) == 0 {
				e.Method = zip.Store
			}
			entries = append(entries, e)
		}
		file := writeEntries(t, entries...)
		want, err := dirhash.HashZip(file, dirhash.Hash1)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := hashFile(file); got != want || err != nil {
			t.Fatalf("got %s, %v; want %s", got, err, want)
		}
	}
}

// zeros are n bytes that deflate to a thousandth.
func zeros(n int) []byte { return make([]byte, n) }

func TestADeflateBombIsReadNoFurtherThanItIsDeclared(t *testing.T) {
	m := &Manifest{Module: module.Version{Path: "example.com/a", Version: "v1.2.3"}}
	for name, test := range map[string]struct {
		declared int
		want     error
	}{
		"declared in full": {MaxZip + 1, ErrLimit},
		"declared small":   {1 << 10, ErrCorrupt},
	} {
		file := writeEntries(t, rawEntry("a", zeros(8<<20), test.declared, 0))
		if err := m.CheckZipFile(file); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

// FuzzHashZip compares with the standard library's inflate what has been in its hands and came out broken.
func FuzzHashZip(f *testing.F) {
	file := writeEntries(f, entry("a", zip.Deflate, []byte(strings.Repeat("abc", 100))), entry("b", zip.Store, []byte("b")))
	seed, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		seen := make(map[string]bool)
		var size uint64
		for _, e := range z.File {
			if size += e.UncompressedSize64; size > 1<<20 || seen[e.Name] || strings.Contains(e.Name, "\n") {
				return // modzip.CheckZip refuses it
			}
			seen[e.Name] = true
		}
		want, _ := dirhash.HashZip(writeFile(t, data), dirhash.Hash1)
		got, err := hashZip(z)
		if got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	})
}

// BenchmarkHashZip compares hashing with dirhash.
func BenchmarkHashZip(b *testing.B) {
	source, err := os.ReadFile("ziphash_test.go")
	if err != nil {
		b.Fatal(err)
	}
	tree := func(files int, method uint16, content []byte) (entries []zipEntry) {
		for i := range files {
			entries = append(entries, entry(fmt.Sprintf("%05x.go", i), method, content))
		}
		return entries
	}
	for _, bench := range []struct {
		name    string
		entries []zipEntry
	}{
		{"sources", tree(500, zip.Deflate, source)},
		{"tiny", tree(65_536, zip.Deflate, []byte("x"))},
		{"stored", tree(500, zip.Store, source)},
		{"bomb", []zipEntry{entry("zeros", zip.Deflate, zeros(200<<20))}},
	} {
		file := writeEntries(b, bench.entries...)
		for _, hash := range []struct {
			name string
			sum  func(string) (string, error)
		}{
			{"hashZip", hashFile},
			{"dirhash", func(name string) (string, error) { return dirhash.HashZip(name, dirhash.Hash1) }},
		} {
			b.Run("zip="+bench.name+"/by="+hash.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := hash.sum(file); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
