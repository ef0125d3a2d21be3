package load_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/load"
	"github.com/modferry/modferry/registry/storetest"
	"github.com/modferry/modferry/registry/transfer/transfertest"
)

// toolLayout is an OCI image layout as a tool writes it: one image in a directory, or several.
type toolLayout struct {
	dir     string
	entries []ocispec.Descriptor
}

func newToolLayout(t testing.TB) *toolLayout {
	l := &toolLayout{dir: t.TempDir()}
	must(t, os.MkdirAll(filepath.Join(l.dir, "blobs/sha256"), 0o777))
	must(t, os.WriteFile(filepath.Join(l.dir, "oci-layout"), []byte(`{"imageLayoutVersion": "1.0.0"}`), 0o666))
	return l
}

// add copies an image out of a store; change may make another manifest of it. The entry's name is the tag, or none.
func (l *toolLayout) add(t testing.TB, s *registry.Store, repo, tag string, named bool, change func([]byte) []byte) {
	t.Helper()
	d, raw, err := s.Manifest(t.Context(), repo, tag)
	must(t, err)
	var m ocispec.Manifest
	must(t, json.Unmarshal(raw, &m))
	for _, b := range append(m.Layers, m.Config) {
		rc, err := s.Blob(t.Context(), repo, b)
		must(t, err)
		var data bytes.Buffer
		_, err = data.ReadFrom(rc)
		must(t, errors.Join(err, rc.Close()))
		l.blob(t, data.Bytes())
	}
	if change != nil {
		raw = change(raw)
	}
	entry := ocispec.Descriptor{MediaType: d.MediaType, Digest: l.blob(t, raw), Size: int64(len(raw))}
	if named {
		entry.Annotations = map[string]string{ocispec.AnnotationRefName: tag}
	}
	l.entries = append(l.entries, entry)
	index, err := json.Marshal(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: l.entries})
	must(t, err)
	must(t, os.WriteFile(filepath.Join(l.dir, "index.json"), index, 0o666))
}

func (l *toolLayout) blob(t testing.TB, data []byte) digest.Digest {
	d := digest.FromBytes(data)
	must(t, os.WriteFile(filepath.Join(l.dir, "blobs/sha256", d.Encoded()), data, 0o666))
	return d
}

// tar is the layout as an archive.
func (l *toolLayout) tar(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "archive.tar")
	f, err := os.Create(name)
	must(t, err)
	w := tar.NewWriter(f)
	must(t, errors.Join(w.AddFS(os.DirFS(l.dir)), w.Close(), f.Close()))
	return name
}

// dropInlined is what podman does to a manifest: it reads it, and writes what it knows of it.
func dropInlined(raw []byte) []byte {
	var m ocispec.Manifest
	_ = json.Unmarshal(raw, &m)
	for n := range m.Layers {
		m.Layers[n].Data = nil
	}
	raw, _ = json.Marshal(m)
	return raw
}

func TestArchivesOfTools(t *testing.T) {
	signer := signtest.Signer(t, 0)
	from := newLayout(t)
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	storetest.Publish(t, from, a, signer)
	const repo = "corp.example/lib_u"
	signature := sign.Tag(a.Descriptor.Digest)
	d := delivery{store: from, log: transfertest.NewLog(t), signer: signer}
	layout := func(change func([]byte) []byte, named bool, tags ...string) *toolLayout {
		l := newToolLayout(t)
		for _, tag := range tags {
			l.add(t, from, repo, tag, named, change)
		}
		return l
	}
	for name, test := range map[string]struct {
		archives []string
		refused  string // why the version is; "" = it is not
	}{
		"a directory, as oras backup writes it":       {[]string{layout(nil, true, "v1.2.3", signature).dir}, ""},
		"a directory without names":                   {[]string{layout(nil, false, "v1.2.3", signature).dir}, ""},
		"an archive":                                  {[]string{layout(nil, true, "v1.2.3", signature).tar(t)}, ""},
		"an archive of each":                          {[]string{layout(nil, false, "v1.2.3").tar(t), layout(nil, false, signature).tar(t)}, ""},
		"an archive and a directory":                  {[]string{layout(nil, false, "v1.2.3").tar(t), layout(nil, true, signature).dir}, ""},
		"signatures without what is inlined":          {[]string{layout(nil, false, "v1.2.3").tar(t), layout(dropInlined, true, signature).tar(t)}, ""},
		"without signatures":                          {[]string{layout(nil, true, "v1.2.3").tar(t)}, "not signed"},
		"podman's, which drops what the manifest has": {[]string{layout(dropInlined, true, "v1.2.3", signature).tar(t)}, "as podman does"},
	} {
		t.Run(name, func(t *testing.T) {
			to := newLayout(t)
			for _, archive := range test.archives {
				if load.IsBundle(archive) {
					t.Errorf("%s is taken for a bundle", archive)
				}
			}
			l, r := d.loader(t, to)
			broken, err := l.Archives(t.Context(), test.archives)
			must(t, errors.Join(append(broken, err)...))
			_, found := to.Find(t.Context(), artifacttest.Version)
			if test.refused == "" {
				if len(r.failed) > 0 || found != nil {
					t.Errorf("%v, %v", r, found)
				}
				return
			}
			if err := r.failed[repo+":v1.2.3"]; err == nil || !strings.Contains(err.Error(), test.refused) || found == nil {
				t.Errorf("%v, %v", r, found)
			}
			if left, err := os.ReadDir(l.TempDir); err != nil || len(left) > 0 {
				t.Errorf("%v is left, %v", left, err)
			}
		})
	}
}

// Whatever an archive has in it, nothing is written under a name that it chose.
func TestHostileArchives(t *testing.T) {
	signer := signtest.Signer(t, 0)
	d := delivery{store: newLayout(t), log: transfertest.NewLog(t), signer: signer}
	hex := digest.FromString("x").Encoded()
	index := entry{name: "index.json", data: `{"manifests":[]}`}
	for name, test := range map[string]struct {
		entries []entry
		want    error
	}{
		"names that lead out":   {[]entry{index, {name: "../escaped", data: "x"}, {name: "blobs/sha256/../../../escaped", data: "x"}, {name: "/escaped", data: "x"}}, nil},
		"links":                 {[]entry{index, {name: "blobs/sha256/" + hex, link: "/etc/passwd"}, {name: "blobs/sha256", link: "/tmp"}}, nil},
		"a blob of another sum": {[]entry{index, {name: "blobs/sha256/" + hex, data: "not x"}}, nil},
		"an index that is none": {[]entry{{name: "index.json", data: "["}}, registry.ErrCorrupt},
		"no index":              {[]entry{{name: "blobs/sha256/" + hex, data: "x"}}, registry.ErrCorrupt},
		"an endless index":      {[]entry{{name: "index.json", data: strings.Repeat(" ", 65<<20)}}, artifact.ErrLimit},
		"nothing":               {nil, registry.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "hostile.tar")
			writeTar(t, file, test.entries)
			l, _ := d.loader(t, newLayout(t))
			_, err := l.Archives(t.Context(), []string{file})
			if test.want == nil && errors.Is(err, registry.ErrCorrupt) || !errors.Is(err, test.want) && test.want != nil {
				t.Errorf("%v, want %v", err, test.want)
			}
			must(t, filepath.WalkDir(filepath.Dir(l.TempDir), func(path string, _ fs.DirEntry, err error) error {
				if strings.HasSuffix(path, "escaped") {
					t.Errorf("%s was written", path)
				}
				return err
			}))
			if left, err := os.ReadDir(l.TempDir); err != nil || len(left) > 0 {
				t.Errorf("%v is left, %v", left, err)
			}
		})
	}
}

// A copy that is damaged spoils no good one, whichever comes first.
func TestOfTwoCopiesOfABlobTheGoodOneCounts(t *testing.T) {
	signer := signtest.Signer(t, 0)
	from := newLayout(t)
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	storetest.Publish(t, from, a, signer)
	good := newToolLayout(t)
	for _, tag := range []string{"v1.2.3", sign.Tag(a.Descriptor.Digest)} {
		good.add(t, from, "corp.example/lib_u", tag, true, nil)
	}
	damaged := filepath.Join(t.TempDir(), "damaged.tar")
	writeTar(t, damaged, []entry{
		{name: "index.json", data: `{"manifests":[]}`},
		{name: "blobs/sha256/" + a.Manifest.Zip.Digest.Encoded(), data: "no zip"},
	})
	whole := good.tar(t)
	for _, archives := range [][]string{{whole, damaged}, {damaged, whole}} {
		to := newLayout(t)
		l, r := (delivery{store: from, log: transfertest.NewLog(t), signer: signer}).loader(t, to)
		broken, err := l.Archives(t.Context(), archives)
		must(t, errors.Join(append(broken, err)...))
		if _, err := to.Find(t.Context(), artifacttest.Version); err != nil || len(r.failed) > 0 {
			t.Errorf("%v, %v", r, err)
		}
	}
}

// A tar of a few blocks may say that it holds files of any size, which are holes.
func TestSparseFilesAreNotUnpacked(t *testing.T) {
	const size = 64 << 20
	name := "blobs/sha256/" + digest.FromBytes(make([]byte, size)).Encoded()
	records := ""
	for _, r := range []string{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=" + name, fmt.Sprint("GNU.sparse.realsize=", size)} {
		records += fmt.Sprintf("%d %s\n", len(r)+4, r) // each has two digits
	}
	var data bytes.Buffer
	w := tar.NewWriter(&data)
	add := func(name, content string) {
		must(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Format: tar.FormatUSTAR}))
		_, err := w.Write([]byte(content))
		must(t, err)
	}
	add("pax", records)
	add("sparse", "0\n"+strings.Repeat("\x00", 510)) // its map: no data
	add("index.json", `{"manifests":[]}`)
	must(t, w.Close())
	header := data.Bytes()[:512]
	header[156] = tar.TypeXHeader
	sum := rune(8 * ' ')
	for _, b := range append(bytes.Clone(header[:148]), header[156:]...) {
		sum += rune(b)
	}
	copy(header[148:156], fmt.Sprintf("%06o\x00 ", sum))
	r := tar.NewReader(bytes.NewReader(data.Bytes()))
	if h, err := r.Next(); err != nil || h.Name != name || h.Size != size {
		t.Fatalf("the test's tar: %+v, %v", h, err)
	}
	file := filepath.Join(t.TempDir(), "sparse.tar")
	must(t, os.WriteFile(file, data.Bytes(), 0o666))
	dir := t.TempDir()
	must(t, load.Gather(t.Context(), dir, file))
	if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file of %d bytes was unpacked from %d: %v", size, data.Len(), err)
	}
}

// An index without an end, as a link to a device is, does not take all memory.
func TestWhatADirectoryIsIsFoundOutWithinLimits(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it has no such device")
	}
	dir := t.TempDir()
	must(t, os.Symlink("/dev/zero", filepath.Join(dir, "index.json")))
	if !load.IsBundle(dir) {
		t.Error("it is taken for what another tool wrote")
	}
}

// entry is one of a tar.
type entry struct{ name, data, link string }

func writeTar(t testing.TB, file string, entries []entry) {
	t.Helper()
	f, err := os.Create(file)
	must(t, err)
	w := tar.NewWriter(f)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.data))}
		if e.link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
		}
		must(t, w.WriteHeader(h))
		_, err := w.Write([]byte(e.data))
		must(t, err)
	}
	must(t, errors.Join(w.Close(), f.Close()))
}
