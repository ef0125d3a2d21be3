package bundle

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/transfer"
)

// generated is a store of versions with one blob each, which are zeros but for their end and made as they are read.
type generated struct {
	registry.Backend
	size      int64
	manifests map[string]artifact.Blob // by tag and by digest
	versions  map[digest.Digest]string // by digest of the blob
}

func newGenerated(versions int, size int64) (*registry.Store, []transfer.Item) {
	g := &generated{size: size, manifests: make(map[string]artifact.Blob), versions: make(map[digest.Digest]string)}
	var list []transfer.Item
	for n := range versions {
		version := fmt.Sprintf("v1.%d.0", n)
		hash := digest.SHA256.Digester()
		size, _ := io.Copy(hash.Hash(), g.content(version))
		d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: hash.Digest(), Size: size}
		raw, _ := json.Marshal(ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: d})
		m := artifact.NewBlob(ocispec.MediaTypeImageManifest, raw)
		g.manifests[version], g.manifests[m.Descriptor.Digest.String()] = m, m
		g.versions[d.Digest] = version
		list = append(list, transfer.Item{Repository: "example.com/m", Tag: version})
	}
	return registry.New(g), list
}

func (g *generated) content(version string) io.Reader {
	return io.MultiReader(io.LimitReader(zeros{}, g.size), strings.NewReader(version))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func (g *generated) Reference(string, string) string { return "" }

func (g *generated) Manifest(_ context.Context, _, ref string) (d ocispec.Descriptor, raw []byte, err error) {
	m, ok := g.manifests[ref]
	if !ok {
		return d, nil, registry.ErrNotFound
	}
	r, err := m.Open()
	if err == nil {
		raw, err = io.ReadAll(r)
	}
	return m.Descriptor, raw, err
}

func (g *generated) Blob(_ context.Context, _ string, d ocispec.Descriptor) (io.ReadCloser, error) {
	return io.NopCloser(g.content(g.versions[d.Digest])), nil
}

// inUse returns the bytes that are in use.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What grows with the number of items is what is known of each of them, and nothing does with their size.
func TestMemoryOfCreateAndOpen(t *testing.T) {
	for _, test := range []struct {
		name     string
		versions int
		size     int64
		limit    int64
	}{
		{"few large blobs", 3, 48 << 20, 4 << 20},
		{"many items", 5000, 10, 4<<20 + 5000*1500},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, list := newGenerated(test.versions, test.size)
			before, peak, written := inUse(), int64(0), 0
			p, err := NewPlan(t.Context(), s, list, PlanOptions{})
			must(t, err)
			r, w := io.Pipe()
			go func() {
				w.CloseWithError(p.WriteTo(t.Context(), 1, w, WriteOptions{Progress: func(int64) {
					if written++; written == test.versions { // half of the files, and one of two large blobs
						peak = inUse() - before
					}
				}}))
			}()
			v, err := OpenPipe("-", r, Options{TempDir: t.TempDir()})
			must(t, err)
			defer v.Close()
			damaged, err := v.Check(t.Context(), nil)
			must(t, err)
			if len(damaged) > 0 {
				t.Errorf("damaged are %v", damaged)
			}
			if peak == 0 || peak > test.limit {
				t.Errorf("%d bytes are in use for %d versions, want at most %d", peak, test.versions, test.limit)
			}
			t.Logf("%d bytes for %d versions", peak, test.versions)
			runtime.KeepAlive(list)
		})
	}
}

func (g *generated) Referrers(context.Context, string, digest.Digest) ([]ocispec.Descriptor, error) {
	return nil, nil
}
