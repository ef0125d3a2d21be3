package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/bundle/ustar"
	"github.com/modferry/modferry/registry/storetest"
)

// bytesOf returns n bytes that no compression makes fewer, always the same.
func bytesOf(n int) string {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	var b strings.Builder
	for b.Len() < n {
		b.WriteByte(byte(r.Uint32()))
	}
	return b.String()
}

// stocked returns a store with versions whose zips have these sizes, more or less.
func stocked(t testing.TB, sizes ...int) *registry.Store {
	t.Helper()
	return stockedAt(t, t.TempDir(), sizes...)
}

func stockedAt(t testing.TB, dir string, sizes ...int) *registry.Store {
	t.Helper()
	signer := signtest.Signer(t, 0)
	s := newLayout(t, dir)
	for n, size := range sizes {
		m := module.Version{Path: "example.com/m", Version: fmt.Sprintf("v1.%d.0", n)}
		storetest.Publish(t, s, fullVersion(t, m, bytesOf(size)), signer)
	}
	return s
}

// The bytes of a bundle are the same on any machine, with any Go release. A change of these digests is a new format.
func TestEqualContentGivesEqualBytes(t *testing.T) {
	for name, test := range map[string]struct {
		o    PlanOptions
		want []string
	}{
		"one volume": {PlanOptions{Source: "harbor.example/golang"}, []string{
			"sha256:6c8b37af83533c24fa7bcd1b2293dc65e0f970e7a72896de3ff44542d409ea65",
		}},
		"two volumes": {PlanOptions{VolumeSize: 75_000}, []string{
			"sha256:e42d0f1df36d04a2154fa6333e98b1f5eb6c60000d63d68f2ad9d2b4861da7a3",
			"sha256:995362204e59e098f80c7365e6b4baab1095e0cd1911326c549ab6e54de31ce1",
		}},
	} {
		var got []string
		for range 2 {
			got = nil
			p := newPlan(t, filled(t, nil), test.o)
			for k := range p.Volumes() {
				got = append(got, digest.FromBytes(tarOf(t, p, k+1, WriteOptions{})).String())
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%s: %q, want %q", name, got, test.want)
			}
		}
	}
}

func TestADirectoryHasTheFilesOfTheTar(t *testing.T) {
	p := newPlan(t, filled(t, nil), PlanOptions{})
	dir := filepath.Join(t.TempDir(), "bundle")
	must(t, p.Create(t.Context(), dir, WriteOptions{}, func(string) {}))
	data := tarOf(t, p, 1, WriteOptions{})
	want := places(t, data)
	for _, f := range want {
		content, err := os.ReadFile(filepath.Join(dir, f.name))
		must(t, err)
		if !bytes.HasPrefix(data[f.at:], content) || int(ustar.Size(int64(len(content)))-ustar.BlockSize) != f.to-f.at {
			t.Errorf("%s is not the same", f.name)
		}
	}
	n := 0
	must(t, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if !d.IsDir() {
			n++
		}
		return err
	}))
	if n != len(want) {
		t.Errorf("%d files, want %d", n, len(want))
	}
	s := newLayout(t, dir) // our own kind of store reads it
	for _, it := range items(t, s) {
		if _, _, err := s.Manifest(t.Context(), it.Repository, it.Tag); err != nil {
			t.Error(err)
		}
	}
}

func TestVolumesAreCutBetweenItemsAndEachCanBeLoadedAlone(t *testing.T) {
	const size = 300_000
	s := stocked(t, 90_000, 100_000, 110_000, 120_000, 130_000, 50, 60)
	p := newPlan(t, s, PlanOptions{VolumeSize: size})
	var have []string
	for k, summary := range p.Volumes() {
		data := tarOf(t, p, k+1, WriteOptions{Signer: signtest.Signer(t, 0)})
		if len(data) > size {
			t.Errorf("volume %d has %d bytes", k+1, len(data))
		}
		v, err := openBytes(data, Options{})
		must(t, err)
		info := v.Info()
		if info.Bundle != p.Bundle() || info.Volume != k+1 || len(info.Volumes) != len(p.Volumes()) || info.Volumes[k] != summary {
			t.Errorf("volume %d says of itself %+v", k+1, info)
		}
		for _, it := range v.Items() {
			if _, err := contentOf(t, registry.New(v), it); err != nil {
				t.Error(err)
			}
			have = append(have, it.Tag)
		}
	}
	if want := "v1.0.0 v1.1.0 v1.2.0 v1.3.0 v1.4.0 v1.5.0 v1.6.0"; strings.Join(have, " ") != want || len(p.Volumes()) < 3 {
		t.Errorf("in %d volumes are %v", len(p.Volumes()), have)
	}
}

func TestAFileThatIsLargerThanAVolumeIsCut(t *testing.T) {
	const size = 200_000
	s := stocked(t, 1000, 700_000, 2000)
	p := newPlan(t, s, PlanOptions{VolumeSize: size})
	signer := signtest.Signer(t, 0)
	n := len(p.Volumes())
	if n < 4 {
		t.Fatalf("%d volumes", n)
	}
	tars := make([][]byte, n)
	for k := range tars {
		if tars[k] = tarOf(t, p, k+1, WriteOptions{Signer: signer}); len(tars[k]) > size {
			t.Errorf("volume %d has %d bytes", k+1, len(tars[k]))
		}
	}
	want := make(map[string][]byte)
	for _, it := range items(t, s) {
		content, err := contentOf(t, s, it)
		must(t, err)
		want[it.Tag] = content
	}
	for _, order := range [][]int{{0, 1, 2, 3, 4, 5, 6}, {6, 5, 4, 3, 2, 1, 0}, {2, 0, 1, 6, 3, 5, 4}} {
		parts := t.TempDir()
		loaded := make(map[string]bool)
		for _, k := range order {
			if k >= n {
				continue
			}
			v, err := OpenPipe("-", bytes.NewReader(tars[k]), Options{PartsDir: parts, TempDir: t.TempDir()})
			must(t, err)
			for i, it := range v.Items() {
				if lacks := v.Lacks(i); len(lacks) > 0 {
					var missing *PartsError
					if _, err := contentOf(t, registry.New(v), it); !errors.As(err, &missing) || !slices.Equal(missing.Volumes, lacks) {
						t.Errorf("%v, of which volumes %v lack: %v", it, lacks, err)
					}
					must(t, v.KeepParts(t.Context(), i))
					continue
				}
				content, err := contentOf(t, registry.New(v), it)
				must(t, err)
				loaded[it.Tag] = bytes.Equal(content, want[it.Tag])
			}
			v.Close()
		}
		for tag := range want {
			if !loaded[tag] {
				t.Errorf("volumes in the order %v: %s was not loaded", order, tag)
			}
		}
	}
}

func TestAVolumeThatIsTooSmallIsRefused(t *testing.T) {
	s := stocked(t, 1000)
	for _, size := range []int64{1, 10_000, 60_000} {
		_, err := NewPlan(t.Context(), s, items(t, s), PlanOptions{VolumeSize: size})
		if !errors.Is(err, artifact.ErrLimit) {
			t.Errorf("volumes of %d bytes: %v", size, err)
		}
	}
}

// failing is a store in which something is wrong with blobs.
type failing struct {
	registry.Backend
	blob func(io.ReadCloser) (io.ReadCloser, error)
}

func (f failing) Blob(ctx context.Context, repo string, d ocispec.Descriptor) (io.ReadCloser, error) {
	r, err := f.Backend.Blob(ctx, repo, d)
	if err != nil || d.Size < 1000 {
		return r, err
	}
	return f.blob(r)
}

func TestWhatIsDamagedInTheStoreDoesNotGetOnMedia(t *testing.T) {
	s := stocked(t, 5000)
	for what, blob := range map[string]func(io.ReadCloser) (io.ReadCloser, error){
		"a missing blob": func(r io.ReadCloser) (io.ReadCloser, error) { r.Close(); return nil, registry.ErrNotFound },
		"another blob": func(r io.ReadCloser) (io.ReadCloser, error) {
			data, err := io.ReadAll(r)
			data[100]++
			return io.NopCloser(bytes.NewReader(data)), err
		},
		"a short blob": func(r io.ReadCloser) (io.ReadCloser, error) {
			return io.NopCloser(io.LimitReader(r, 999)), nil
		},
		"a long blob": func(r io.ReadCloser) (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(r, strings.NewReader("more"))), nil
		},
	} {
		for _, name := range []string{"bundle", "bundle.tar"} {
			bad := registry.New(failing{s.Backend, blob})
			p, err := NewPlan(t.Context(), bad, items(t, s), PlanOptions{})
			must(t, err)
			dir := t.TempDir()
			err = p.Create(t.Context(), filepath.Join(dir, name), WriteOptions{}, func(string) { t.Error("a volume is complete") })
			var item *ItemError
			if !errors.As(err, &item) || item.Item.Tag != "v1.0.0" || !errors.Is(err, artifact.ErrCorrupt) {
				t.Errorf("%s: %v", what, err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("%s: left is %v, %v", what, left, err)
			}
		}
	}
}

func TestWhatIsInterruptedIsFinishedByTheNextRun(t *testing.T) {
	s := stocked(t, 90_000, 100_000, 110_000, 120_000)
	for _, name := range []string{"bundle", "bundle.tar"} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		p := newPlan(t, s, PlanOptions{VolumeSize: 250_000})
		n := len(p.Volumes())
		ctx, cancel := context.WithCancel(t.Context())
		err := p.Create(ctx, path, WriteOptions{}, func(string) { cancel() })
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		temp := hidden(VolumePath(path, 2, n), ".tmp") // as after kill -9
		must(t, os.WriteFile(temp, []byte("half of it"), 0o666))
		first, err := os.Stat(VolumePath(path, 1, n))
		must(t, err)
		var volumes []string
		must(t, p.Create(t.Context(), path, WriteOptions{}, func(v string) { volumes = append(volumes, filepath.Base(v)) }))
		again, err := os.Stat(VolumePath(path, 1, n))
		must(t, err)
		if !os.SameFile(first, again) {
			t.Error("a complete volume is written again")
		}
		left, err := os.ReadDir(dir)
		must(t, err)
		if len(volumes) != n || len(left) != n {
			t.Errorf("%d volumes, in the directory are %v", len(volumes), left)
		}
	}
}

func TestWhatIsThereIsNotOverwritten(t *testing.T) {
	s := stocked(t, 1000)
	p := newPlan(t, s, PlanOptions{})
	dir := t.TempDir()
	mine, cut, damaged := filepath.Join(dir, "mine.tar"), filepath.Join(dir, "cut.tar"), filepath.Join(dir, "damaged.tar")
	must(t, os.WriteFile(mine, []byte("something of mine"), 0o666))
	data := tarOf(t, p, 1, WriteOptions{})
	must(t, os.WriteFile(cut, data[:len(data)-1], 0o666))
	data[len(data)-2000]++
	must(t, os.WriteFile(damaged, data, 0o666))
	for _, path := range []string{mine, cut, damaged} {
		before, err := os.ReadFile(path)
		must(t, err)
		if err := p.Create(t.Context(), path, WriteOptions{}, func(string) {}); !errors.Is(err, ErrExists) {
			t.Errorf("%s: %v", path, err)
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s was overwritten: %v", path, err)
		}
	}
}

func TestOnlyOneRunWritesToAPath(t *testing.T) {
	p := newPlan(t, stocked(t, 1000), PlanOptions{})
	path := filepath.Join(t.TempDir(), "bundle.tar")
	unlock, err := lock(hidden(path, ".lock"))
	must(t, err)
	if err := p.Create(t.Context(), path, WriteOptions{}, func(string) {}); err == nil {
		t.Error("two runs write")
	}
	unlock()
	must(t, p.Create(t.Context(), path, WriteOptions{}, func(string) {}))
}
