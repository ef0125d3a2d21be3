package inflate_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/rand"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/modferry/modferry/artifact/inflate"
)

func TestReaderReadsWhatWritersWrite(t *testing.T) {
	random := make([]byte, 300<<10)
	rand.New(rand.NewSource(1)).Read(random)
	code := []byte(strings.Repeat("func (r *Reader) Read(p []byte) (int, error) { return 0, io.EOF }\n", 5000))
	for i := range code { // no two windows alike
		if i%97 == 0 {
			code[i] = random[i%len(random)]
		}
	}
	contents := map[string][]byte{
		"nothing":                        nil,
		"one byte":                       {'a'},
		"a text":                         []byte("module example.com/m\n\ngo 1.26\n"),
		"one byte, for ever":             bytes.Repeat([]byte{'a'}, 1<<20),
		"short distances":                bytes.Repeat([]byte("abcdefg"), 50000),
		"incompressible":                 random,
		"code":                           code,
		"matches at the window's length": bytes.Repeat(random[:32<<10], 6),
		"all bytes, rare ones, too":      append(bytes.Repeat([]byte("e"), 1<<16), random[:1000]...),
	}
	r := new(inflate.Reader)
	for name, content := range contents {
		t.Run(name, func(t *testing.T) {
			for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
				packed := deflate(t, content, level)
				for _, src := range []io.Reader{bytes.NewReader(packed), iotest.OneByteReader(bytes.NewReader(packed)), iotest.DataErrReader(bytes.NewReader(packed))} {
					r.Reset(src)
					if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
						t.Fatalf("level %d: %d bytes, error %v; want the %d that were packed", level, len(got), err, len(content))
					}
				}
			}
		})
	}
}

func TestReaderRefuses(t *testing.T) {
	text := deflate(t, []byte(strings.Repeat("all that is cut off is noticed; ", 40)), flate.BestCompression)
	for n := range text {
		if _, err := inflateAll(text[:n]); err != io.ErrUnexpectedEOF {
			t.Errorf("cut after %d of %d bytes: error %v, want %v", n, len(text), err, io.ErrUnexpectedEOF)
		}
	}
	const final, stored, fixed, dynamic = "1", "00", "10", "01"
	const smallest = final + dynamic + "00000" + "00000" + "0000" // 257 and 1 lengths, in a code that 16, 17, 18 and 0 may be in
	for name, stream := range map[string]string{
		"a block of no type":               final + "11",
		"a stored block's wrong length":    final + stored + "00000" + "1000000000000000" + "0000000000000000",
		"a match before the beginning":     final + fixed + "0000001" + "00000",
		"a distance that does not exist":   final + fixed + "10010001" + "0000001" + "11110",
		"a length that does not exist":     final + fixed + "10010001" + "11000110",
		"too many lengths":                 final + dynamic + "11111" + "00000" + "0000",
		"too many distances":               final + dynamic + "00000" + "11111" + "0000",
		"more words than a code can have":  smallest + "100" + "100" + "100" + "000",
		"a code that is not complete":      smallest + "010" + "000" + "000" + "000",
		"what is no word of the code":      smallest + "000" + "000" + "100" + "000" + "1",
		"a length repeated before any":     smallest + "100" + "000" + "000" + "100" + "1" + "00",
		"lengths repeated beyond the last": smallest + "000" + "000" + "100" + "100" + "1" + "1111111" + "1" + "1111111",
	} {
		data := packBits(stream)
		if _, err := inflateAll(data); err != inflate.ErrCorrupt {
			t.Errorf("%s: error %v, want %v", name, err, inflate.ErrCorrupt)
		}
		if _, err := io.ReadAll(flate.NewReader(bytes.NewReader(data))); !errors.As(err, new(flate.CorruptInputError)) {
			t.Errorf("%s: error %v from compress/flate, want that it is corrupt", name, err)
		}
	}
	broken := errors.New("disk on fire")
	r := new(inflate.Reader)
	r.Reset(io.MultiReader(bytes.NewReader(text[:len(text)/2]), iotest.ErrReader(broken)))
	if _, err := io.ReadAll(r); err != broken {
		t.Errorf("reading from a source that fails: error %v, want its own", err)
	}
}

// What is accepted, and what comes out, is what compress/flate says.
func FuzzReader(f *testing.F) {
	for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
		f.Add(deflate(f, []byte("func main() { println(\"a module zip has files like this one, aaaaaaaaaaaaa\") }"), level))
	}
	r := new(inflate.Reader)
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 20
		want, wantErr := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data)), limit))
		r.Reset(bytes.NewReader(data))
		got, err := io.ReadAll(io.LimitReader(r, limit))
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("error %v, compress/flate: %v", err, wantErr)
		}
		if err == nil && !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, compress/flate: %d, or others", len(got), len(want))
		}
	})
}

func BenchmarkReader(b *testing.B) {
	content := []byte(strings.Repeat("func (r *Reader) Read(p []byte) (int, error) { return 0, io.EOF }\n", 100))
	packed := deflate(b, content, flate.DefaultCompression)
	b.SetBytes(int64(len(content)))
	r := new(inflate.Reader)
	for b.Loop() {
		r.Reset(bytes.NewReader(packed))
		if _, err := io.Copy(io.Discard, r); err != nil {
			b.Fatal(err)
		}
	}
}

func deflate(t testing.TB, content []byte, level int) []byte {
	t.Helper()
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, level)
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func inflateAll(data []byte) ([]byte, error) {
	r := new(inflate.Reader)
	r.Reset(bytes.NewReader(data))
	return io.ReadAll(r)
}

// packBits packs bits into bytes, the first bit lowest, with some more zeros.
func packBits(stream string) []byte {
	data := make([]byte, len(stream)/8+8)
	for i, bit := range stream {
		data[i/8] |= byte(bit-'0') << (i % 8)
	}
	return data
}
