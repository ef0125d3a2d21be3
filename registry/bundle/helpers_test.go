package bundle

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/artifact/sumdb/sumdbtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/ocilayout"
	"github.com/modferry/modferry/registry/storetest"
	"github.com/modferry/modferry/registry/transfer"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newLayout(t testing.TB, dir string) *registry.Store {
	t.Helper()
	s, err := ocilayout.Open(dir)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// filled returns a store with one item of each kind, signed by signer: two versions, go.mod alone of a third, a
// revision, two snapshots and an index.
func filled(t testing.TB, signer *sign.Signer) *registry.Store {
	t.Helper()
	s := newLayout(t, t.TempDir())
	other := module.Version{Path: "example.com/other", Version: "v0.1.0"}
	storetest.Publish(t, s, fullVersion(t, artifacttest.Version, "text"), signer)
	storetest.Publish(t, s, fullVersion(t, other, "some other text"), signer)
	storetest.Publish(t, s, artifacttest.ModOnlyVersion(t, artifacttest.Later("v1.0.0")), signer)
	r := artifact.Revision{Path: artifacttest.Version.Path, Name: "main", Version: artifacttest.Version.Version}
	must(t, s.PublishRevision(t.Context(), r, signer))
	grow(t, s, 300, nil, signer)
	grow(t, s, 700, nil, signer)
	must(t, s.PublishIndex(t.Context(), []string{artifacttest.Version.Path, other.Path}, signer))
	return s
}

// fullVersion builds an artifact of m whose zip is not compressed, so that it is the same with every Go release.
func fullVersion(t testing.TB, m module.Version, text string) *artifact.Artifact {
	t.Helper()
	file := filepath.Join(t.TempDir(), "m.zip")
	f, err := os.Create(file)
	must(t, err)
	z := zip.NewWriter(f)
	w, err := z.CreateHeader(&zip.FileHeader{Name: m.String() + "/text.txt", Method: zip.Store})
	must(t, err)
	_, err = io.WriteString(w, text)
	must(t, err)
	must(t, errors.Join(z.Close(), f.Close()))
	return artifacttest.Build(t, artifact.Files{Module: m, Info: artifacttest.Info(m), GoMod: artifacttest.GoMod(m), ZipFile: file})
}

// grow publishes the snapshot of a log of n records.
func grow(t testing.TB, s *registry.Store, n int, have *sumdb.Manifest, signer *sign.Signer) {
	t.Helper()
	var records sumdbtest.Hashes
	for i := range n {
		records.Append(fmt.Appendf(nil, "record %d\n", i))
	}
	log, err := sumdb.ParseLog(sumdbtest.Verifier)
	must(t, err)
	snapshot, err := sumdb.Build(t.Context(), log, records.Note(t, int64(n)), records.Tile, sumdb.BuildOptions{})
	must(t, err)
	image, err := snapshot.Pack()
	must(t, err)
	must(t, s.PublishSnapshot(t.Context(), image, log, have, signer))
}

// items lists what a store has, in the order in which it is copied.
func items(t testing.TB, s *registry.Store) (list []transfer.Item) {
	t.Helper()
	for repo, err := range s.Repositories(t.Context()) {
		must(t, err)
		for tag, err := range s.Tags(t.Context(), repo) {
			must(t, err)
			if it := (transfer.Item{Repository: repo, Tag: tag}); it.Kind() != transfer.None {
				list = append(list, it)
			}
		}
	}
	slices.SortFunc(list, transfer.Compare)
	return list
}

func newPlan(t testing.TB, s *registry.Store, o PlanOptions) *Plan {
	t.Helper()
	p, err := NewPlan(t.Context(), s, items(t, s), o)
	must(t, err)
	return p
}

// tarOf returns volume k as a tar.
func tarOf(t testing.TB, p *Plan, k int, o WriteOptions) []byte {
	t.Helper()
	var out bytes.Buffer
	must(t, p.WriteTo(t.Context(), k, &out, o))
	return out.Bytes()
}

func openBytes(data []byte, o Options) (*Volume, error) {
	return newTar("test.tar", bytes.NewReader(data), int64(len(data)), o)
}

// contentOf reads all of an item with its signatures: its manifests first.
func contentOf(t testing.TB, s *registry.Store, it transfer.Item) (content []byte, err error) {
	t.Helper()
	d, raw, err := s.Manifest(t.Context(), it.Repository, it.Tag)
	if err != nil {
		return nil, err
	}
	_, signed, err := s.Manifest(t.Context(), it.Repository, sign.Tag(d.Digest))
	if err != nil {
		return nil, err
	}
	content = slices.Concat(raw, signed)
	for _, manifest := range [][]byte{raw, signed} {
		files, err := links(manifest)
		must(t, err)
		for _, f := range files {
			r, err := s.Blob(t.Context(), it.Repository, descriptor(f))
			if err != nil {
				return nil, err
			}
			data, err := io.ReadAll(r)
			r.Close()
			if err != nil {
				return nil, err
			}
			content = append(content, data...)
		}
	}
	return content, nil
}

var artifactBlob = artifact.NewBlob("text/plain", []byte("x"))
