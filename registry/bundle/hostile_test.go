package bundle

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry/bundle/ustar"
)

// A layout of a tar: where its files are.
type place struct {
	name           string
	header, at, to int // of the block before it, of its content, of what follows
}

func places(t testing.TB, data []byte) (list []place) {
	t.Helper()
	in := bytes.NewReader(data)
	r := tar.NewReader(in)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		must(t, err)
		at := len(data) - in.Len()
		list = append(list, place{h.Name, at - ustar.BlockSize, at, at + int(ustar.Size(h.Size)-ustar.BlockSize)})
	}
}

// firstItem returns the index in places of the first file of an item.
func firstItem(t testing.TB, list []place, v *Volume) int {
	t.Helper()
	first := v.lines.items[0].Manifests[0].name()
	return slices.IndexFunc(list, func(p place) bool { return p.name == first })
}

// damagedIn opens a tar in both ways, and returns the names of the items that are damaged: the same ones, whichever way.
func damagedIn(t *testing.T, data []byte) []string {
	t.Helper()
	v, err := openBytes(data, Options{})
	must(t, err)
	list := damagedItems(t, v)
	p, err := OpenPipe("-", bytes.NewReader(data), Options{TempDir: t.TempDir()})
	must(t, err)
	defer p.Close()
	if piped := damagedItems(t, p); !slices.Equal(list, piped) {
		t.Errorf("damaged in a file are %v, in a pipe %v", list, piped)
	}
	return list
}

func damagedItems(t *testing.T, v *Volume) (list []string) {
	t.Helper()
	damaged, err := v.Check(t.Context(), nil)
	must(t, err)
	for _, d := range damaged {
		if !errors.Is(d.Err, artifact.ErrCorrupt) {
			t.Errorf("%v: %v", d.Item, d.Err)
		}
		list = append(list, d.Item.String())
	}
	return list
}

func TestAFlippedByteSpoilsOnlyWhatNeedsTheFile(t *testing.T) {
	data := tarOf(t, newPlan(t, filled(t, signtest.Signer(t, 0)), PlanOptions{}), 1, WriteOptions{})
	v, err := openBytes(data, Options{})
	must(t, err)
	list := places(t, data)
	for _, p := range list[firstItem(t, list, v):] {
		for what, at := range map[string]int{"content": p.at, "header": p.header + 3} {
			bad := slices.Clone(data)
			bad[at] ^= 1
			var want []string
			for _, it := range v.lines.items {
				if slices.ContainsFunc(it.pieces(1), func(f piece) bool { return f.name() == p.name }) {
					want = append(want, it.Repository+":"+it.Tag())
				}
			}
			if got := damagedIn(t, bad); !slices.Equal(got, want) {
				t.Errorf("%s of %s: damaged are %v, want %v", what, p.name, got, want)
			}
		}
	}
}

func TestAFlippedByteInTheOpeningIsNoticed(t *testing.T) {
	signer := signtest.Signer(t, 0)
	data := tarOf(t, newPlan(t, filled(t, signer), PlanOptions{}), 1, WriteOptions{Signer: signer})
	v, err := openBytes(data, Options{})
	must(t, err)
	list := places(t, data)
	for _, p := range list[:firstItem(t, list, v)] {
		for what, at := range map[string]int{"content": p.at, "header": p.header + 3} {
			if p.name == "index.json" && what == "content" {
				continue // what it says is not used
			}
			bad := slices.Clone(data)
			bad[at] ^= 1
			if _, err := openBytes(bad, Options{}); !errors.Is(err, artifact.ErrCorrupt) {
				t.Errorf("%s of %s: %v", what, p.name, err)
			}
			if _, err := OpenPipe("-", bytes.NewReader(bad), Options{}); !errors.Is(err, artifact.ErrCorrupt) {
				t.Errorf("%s of %s in a pipe: %v", what, p.name, err)
			}
		}
	}
}

func TestWhatIsBeforeTheCutCanBeRead(t *testing.T) {
	data := tarOf(t, newPlan(t, filled(t, signtest.Signer(t, 0)), PlanOptions{}), 1, WriteOptions{})
	v, err := openBytes(data, Options{})
	must(t, err)
	list := places(t, data)
	first := firstItem(t, list, v)
	all := v.Items()
	for _, p := range list[first:] {
		cut := data[:p.at]
		damaged := damagedIn(t, cut)
		good := len(all) - len(damaged)
		if want := slices.IndexFunc(v.lines.items, func(i Item) bool {
			return slices.ContainsFunc(i.pieces(1), func(f piece) bool { return f.name() == p.name })
		}); good < want || len(damaged) == 0 {
			t.Errorf("cut off at %s: %d of %d items are good, want at least the first %d", p.name, good, len(all), want)
		}
		if v, err := openBytes(cut, Options{}); err != nil || v.Missing() != int64(len(data)-len(cut)) {
			t.Errorf("%d bytes are missing, %v", v.Missing(), err)
		}
	}
	for _, at := range []int{0, 1, 700, list[2].at + 5, list[first].header - 1} {
		if _, err := openBytes(data[:at], Options{}); !errors.Is(err, artifact.ErrCorrupt) {
			t.Errorf("cut off after %d bytes: %v", at, err)
		}
	}
}

// foreign is a block as another program writes it.
func foreign(t testing.TB, h tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	h.Mode = 0o644
	must(t, tar.NewWriter(&out).WriteHeader(&h))
	return out.Bytes()[:ustar.BlockSize]
}

// foreignHeaders are what must not be in the place of a file.
func foreignHeaders(t testing.TB, name string, size int64) map[string][]byte {
	sparse := foreign(t, tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Format: tar.FormatGNU})
	sparse[156] = tar.TypeGNUSparse
	return map[string][]byte{
		"a way out":               foreign(t, tar.Header{Typeflag: tar.TypeReg, Name: "../../" + name, Size: size}),
		"an absolute name":        foreign(t, tar.Header{Typeflag: tar.TypeReg, Name: "/" + name, Size: size}),
		"a link":                  foreign(t, tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: "/etc/passwd"}),
		"a symbolic link":         foreign(t, tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: "/etc/passwd"}),
		"a device":                foreign(t, tar.Header{Typeflag: tar.TypeChar, Name: name, Devmajor: 1, Devminor: 5}),
		"a directory":             foreign(t, tar.Header{Typeflag: tar.TypeDir, Name: name + "/"}),
		"a sparse file":           sparse,
		"another file":            foreign(t, tar.Header{Typeflag: tar.TypeReg, Name: "blobs/sha256/other", Size: size}),
		"another size":            foreign(t, tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size + 1}),
		"a huge size":             foreign(t, tar.Header{Typeflag: tar.TypeReg, Name: name, Size: 1 << 32}),
		"an owner":                foreign(t, tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Uid: 7}),
		"headers of another kind": foreign(t, tar.Header{Typeflag: tar.TypeReg, Name: strings.Repeat("a", 300), Size: size}),
		"zeros":                   make([]byte, ustar.BlockSize),
	}
}

func TestOnlyTheFilesThatTheManifestListsAreRead(t *testing.T) {
	data := tarOf(t, newPlan(t, filled(t, signtest.Signer(t, 0)), PlanOptions{}), 1, WriteOptions{})
	v, err := openBytes(data, Options{})
	must(t, err)
	list := places(t, data)
	p := list[firstItem(t, list, v)]
	first := v.lines.items[0].Manifests[0]
	for what, block := range foreignHeaders(t, p.name, first.Size) {
		bad := slices.Concat(data[:p.header], block, data[p.at:])
		if got := damagedIn(t, bad); len(got) == 0 || got[0] != v.Items()[0].String() || len(got) == len(v.Items()) {
			t.Errorf("%s in the place of %s: damaged are %v", what, p.name, got)
		}
		opening := list[2]
		bad = slices.Concat(data[:opening.header], block, data[opening.at:])
		if _, err := openBytes(bad, Options{}); !errors.Is(err, artifact.ErrCorrupt) && !errors.Is(err, artifact.ErrLimit) {
			t.Errorf("%s in the place of the bundle manifest: %v", what, err)
		}
	}
}

// endless is a reader of more than anybody should read.
type endless struct {
	t    *testing.T
	left int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left -= len(p); e.left < 0 {
		e.t.Error("all of it is read")
		return 0, io.EOF
	}
	clear(p)
	return len(p), nil
}

func TestNothingIsReadThatTheManifestDoesNotList(t *testing.T) {
	data := tarOf(t, newPlan(t, filled(t, signtest.Signer(t, 0)), PlanOptions{}), 1, WriteOptions{})
	bomb := io.MultiReader(bytes.NewReader(data[:len(data)-ustar.EndSize]), &endless{t, 1 << 20})
	v, err := OpenPipe("-", bomb, Options{TempDir: t.TempDir()})
	must(t, err)
	defer v.Close()
	if damaged := damagedItems(t, v); len(damaged) > 0 {
		t.Errorf("%v", damaged)
	}
	if err := v.Close(); !errors.Is(err, artifact.ErrCorrupt) {
		t.Errorf("of what comes after its end: %v", err)
	}
	more := slices.Concat(data[:len(data)-ustar.EndSize], data[len(data)-2*ustar.EndSize:])
	if _, err := openBytes(more, Options{}); !errors.Is(err, artifact.ErrCorrupt) {
		t.Errorf("a file with more in it: %v", err)
	}
}
