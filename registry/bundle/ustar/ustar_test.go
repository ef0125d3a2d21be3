package ustar

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/modferry/modferry/artifact"
)

var files = []struct{ name, content string }{{"a", "content"}, {"dir/b", ""}, {"c", string(make([]byte, 2*BlockSize))}}

func write(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	w := Writer{&out}
	size := int64(EndSize)
	for _, f := range files {
		n := int64(len(f.content))
		err := w.Begin(f.name, n)
		if err == nil {
			_, err = io.WriteString(w, f.content)
		}
		if err == nil {
			err = w.Finish(n)
		}
		if err != nil {
			t.Fatal(err)
		}
		size += Size(n)
	}
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
	if int64(out.Len()) != size {
		t.Errorf("%d bytes, want %d", out.Len(), size)
	}
	return out.Bytes()
}

func TestEveryTarReadsIt(t *testing.T) {
	r := tar.NewReader(bytes.NewReader(write(t)))
	for _, f := range files {
		h, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil || h.Name != f.name || string(content) != f.content || h.Typeflag != tar.TypeReg || h.Format != tar.FormatUSTAR {
			t.Errorf("%+v, %v", h, err)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Error(err)
	}
}

func TestAFileThatNoHeaderCanNameIsRefused(t *testing.T) {
	if err := (Writer{io.Discard}).Begin("big", MaxFile+1); err == nil {
		t.Error("more than a header can say is begun")
	}
}

func readAll(data []byte) error {
	r := Reader{bytes.NewReader(data)}
	_, size, err := r.Next("a", func(name string) bool { return name == "a" })
	if err != nil {
		return err
	}
	for i, f := range files {
		if i > 0 {
			size = int64(len(f.content))
			if err := r.Begin(f.name, size); err != nil {
				return err
			}
		}
		if _, err := io.CopyN(io.Discard, r, size); err != nil {
			return CutOff(err)
		}
		if err := r.Finish(size); err != nil {
			return err
		}
	}
	return r.End()
}

func TestWhatIsNotAsItIsWrittenIsNotRead(t *testing.T) {
	data := write(t)
	if err := readAll(data); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"cut off in its end":     data[:len(data)-1],
		"cut off in a file":      data[:BlockSize+3],
		"more after its end":     append(bytes.Clone(data), 0),
		"no zeros at its end":    append(bytes.Clone(data[:len(data)-1]), 1),
		"another file":           append(write(t)[:len(data)-EndSize], data...),
		"a header with an owner": bytes.Replace(data, []byte("0000000\x000000000\x00"), []byte("0000007\x000000000\x00"), 1),
		"nothing":                nil,
	} {
		if err := readAll(bad); !errors.Is(err, artifact.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(write(f))
	f.Add(write(f)[:700])
	f.Fuzz(func(t *testing.T, data []byte) {
		r := Reader{bytes.NewReader(data)}
		name, size, err := r.Next("any", func(string) bool { return true })
		if err != nil {
			if !errors.Is(err, artifact.ErrCorrupt) {
				t.Error(err)
			}
			return
		}
		var out bytes.Buffer
		if err := (Writer{&out}).Begin(name, size); err != nil || !bytes.Equal(out.Bytes(), data[:BlockSize]) {
			t.Errorf("%q of %d bytes is read, and written otherwise: %v", name, size, err)
		}
	})
}
