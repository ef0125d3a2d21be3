package ocilayout

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/oci"
	oras "oras.land/oras-go/v2/registry"

	"github.com/modferry/modferry/registry"
)

func TestLayoutThatOrasWroteIsReadable(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	store, err := oci.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	img := newImage("example.com/a", "v1.0.0")
	for _, b := range append(img.blobs, img.sigBlobs...) {
		r, err := b.Open()
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Push(ctx, b.Descriptor, r); err != nil {
			t.Fatal(err)
		}
	}
	err = errors.Join(
		store.Push(ctx, img.desc, bytes.NewReader(img.manifest)),
		store.Push(ctx, img.sigDesc, bytes.NewReader(img.sigData)),
		store.Tag(ctx, img.desc, img.repo+":"+img.tag),
		store.Tag(ctx, img.sigDesc, img.repo+":"+img.sigTag()),
	)
	if err != nil {
		t.Fatal(err)
	}
	l := openLayout(t, dir)
	if err := img.check(ctx, l); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, ownDir)); err == nil {
		t.Error("reading wrote something")
	}
	mustPublish(t, l, newImage("example.com/b", "v1.0.0"))
	if got := collect(t, l.Repositories(ctx)); len(got) != 2 {
		t.Errorf("repositories = %q", got)
	}
}

func TestLayoutIsReadableByOras(t *testing.T) {
	ctx := t.Context()
	l := openLayout(t, t.TempDir())
	images := []image{newImage("example.com/a", "v1.0.0"), newImage("example.com/b_u/c", "v2.0.0_incompatible")}
	mustPublish(t, l, images...)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	store, err := oci.NewFromFS(ctx, os.DirFS(l.dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range images {
		d, err := store.Resolve(ctx, img.repo+":"+img.tag)
		if err != nil {
			t.Fatal(err)
		}
		if raw, err := content.FetchAll(ctx, store, d); err != nil || !bytes.Equal(raw, img.manifest) {
			t.Errorf("%q, %v", raw, err)
		}
		for _, b := range img.blobs {
			if _, err := content.FetchAll(ctx, store, b.Descriptor); err != nil {
				t.Error(err)
			}
		}
	}
	if tags, err := oras.Tags(ctx, store); err != nil || len(tags) != 4 {
		t.Errorf("%q, %v", tags, err)
	}
}

// newForeignLayout makes a layout as another tool may have left it.
func newForeignLayout(t *testing.T, index string) string {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "oci-layout"), `{"imageLayoutVersion": "1.0.0"}`)
	writeFile(t, filepath.Join(dir, "index.json"), index)
	return dir
}

func writeFile(t testing.TB, name, data string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(data), 0o666); err != nil {
		t.Fatal(err)
	}
}

const (
	zeros         = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
	foreignIndex1 = `{"digest":"` + zeros + `","size":1,"mediaType":"x","platform":{"os":"linux","architecture":"arm64"}}`
	foreignIndex2 = `{"mediaType":"x","digest":"blake3:00","size":12345678901234567890.5e3,"annotations":{"org.opencontainers.image.ref.name":"latest"}}`
	foreignIndex3 = `{"mediaType":"x","digest":"sha256:1","size":1,"annotations":{"org.opencontainers.image.ref.name":"localhost:5000/a:v1"},"unknown":[1,"<&>"]}`
)

func TestLayoutKeepsForeignEntries(t *testing.T) {
	foreign2 := strings.Replace(foreignIndex2, "12345678901234567890.5e3", "77", 1)
	dir := newForeignLayout(t, `{
		"schemaVersion": 2, "annotations": {"who": "someone else"}, "x-unknown": [ 1, null ],
		"manifests": [
			`+foreignIndex1+`,
			`+foreignIndex1+`,
			`+foreignIndex3+`,
			{ "mediaType": "old", "digest": "`+zeros+`", "size": 5, "platform": null, "annotations": {
				"org.opencontainers.image.ref.name": "example.com/a:v1.0.0", "note": "replaced" } },
			`+foreign2+`
		]}`)
	l := openLayout(t, dir)
	img := newImage("example.com/a", "v1.0.0")
	mustPublish(t, l, img)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := fileText(t, dir, "index.json")
	line := func(d ocispec.Descriptor, tag string) string {
		return fmt.Sprintf(`{"annotations":{"org.opencontainers.image.ref.name":"%s:%s"},"mediaType":"%s","digest":"%s","size":%d}`,
			img.repo, tag, d.MediaType, d.Digest, d.Size)
	}
	want := `{"annotations":{"who":"someone else"},"schemaVersion":2,"x-unknown":[1,null],"manifests":[
` + strings.Join([]string{
		line(img.sigDesc, img.sigTag()), line(img.desc, img.tag),
		foreignIndex1, foreignIndex1, foreignIndex3, foreign2,
	}, ",\n") + "\n]}\n"
	if got != want {
		t.Errorf("index.json is\n%s, want\n%s", got, want)
	}
}

func TestLayoutSeesWhatAnotherToolWrites(t *testing.T) {
	ctx := t.Context()
	l := openLayout(t, t.TempDir())
	img := newImage("example.com/a", "v1.0.0")
	mustPublish(t, l, img)
	index := `{"schemaVersion":2,"manifests":[{"mediaType":"x","digest":"` + zeros + `","size":1,"annotations":{"org.opencontainers.image.ref.name":"example.com/b:v2.0.0"}}]}`
	writeFile(t, filepath.Join(l.dir, "index.json"), index)
	if _, _, err := l.Manifest(ctx, "example.com/b", "v2.0.0"); !errors.Is(err, registry.ErrCorrupt) || !strings.Contains(err.Error(), zeros) {
		t.Errorf("%v; want that the manifest the tag names is missing", err)
	}
	if err := img.check(ctx, l); err != nil {
		t.Error(err)
	}
}

func TestLayoutErrorsOfDirectories(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	other, file := t.TempDir(), filepath.Join(t.TempDir(), "file")
	writeFile(t, filepath.Join(other, "document.txt"), "precious")
	writeFile(t, file, "")
	half, lookalike := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(half, lockFile), "")
	writeFile(t, filepath.Join(half, "index.json"), emptyIndex)
	writeFile(t, filepath.Join(lookalike, "index.json"), emptyIndex)
	noIndex := newForeignLayout(t, emptyIndex)
	if err := os.Remove(filepath.Join(noIndex, "index.json")); err != nil {
		t.Fatal(err)
	}
	version2 := newForeignLayout(t, emptyIndex)
	writeFile(t, filepath.Join(version2, "oci-layout"), `{"imageLayoutVersion":"2.0.0"}`)
	marker := newForeignLayout(t, emptyIndex)
	writeFile(t, filepath.Join(marker, "oci-layout"), strings.Repeat(" ", 1<<20))

	bad := func(entry string) string {
		return newForeignLayout(t, `{"schemaVersion":2,"manifests":[`+entry+`]}`)
	}
	name := `,"annotations":{"org.opencontainers.image.ref.name":"example.com/a:v1"}}`
	for _, c := range []struct {
		name, dir string
		want      error
		push      bool // works
	}{
		{"missing", missing, registry.ErrNoLayout, true},
		{"empty", t.TempDir(), registry.ErrNoLayout, true},
		{"creation interrupted", half, registry.ErrNoLayout, true},
		{"other content", other, errNotLayout, false},
		{"index.json of something else", lookalike, errNotLayout, false},
		{"a file", file, errFile, false},
		{"without index.json", noIndex, registry.ErrCorrupt, false},
		{"a later version", version2, registry.ErrUnsupported, false},
		{"oversized marker", marker, registry.ErrCorrupt, false},
		{"no JSON", newForeignLayout(t, "x"), registry.ErrCorrupt, false},
		{"empty index.json", newForeignLayout(t, ""), registry.ErrCorrupt, false},
		{"another schema", newForeignLayout(t, `{"schemaVersion":1,"manifests":[]}`), registry.ErrCorrupt, false},
		{"no manifests", newForeignLayout(t, `{"schemaVersion":2}`), registry.ErrCorrupt, false},
		{"null entry", bad(`null`), registry.ErrCorrupt, false},
		{"entry that is no descriptor", bad(`[]`), registry.ErrCorrupt, false},
		{"tag without a digest", bad(`{"size":1` + name), registry.ErrCorrupt, false},
		{"tag with a traversal", bad(`{"size":1,"digest":"sha256:../../x"` + name), registry.ErrCorrupt, false},
		{"tag with a negative size", bad(`{"size":-1,"digest":"` + zeros + `"` + name), registry.ErrCorrupt, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := newLayout(c.dir)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = l.Manifest(t.Context(), "example.com/a", "v1.0.0")
			if err == nil || errors.Is(err, registry.ErrNotFound) || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("reading: %v", err)
			}
			err = errors.Join(newImage("example.com/a", "v1.0.0").publish(t.Context(), l), l.Close())
			if c.push != (err == nil) {
				t.Errorf("publishing: %v", err)
			}
		})
	}
	if entries, err := os.ReadDir(other); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	if _, err := newLayout(""); err == nil || !strings.Contains(err.Error(), "write oci:DIR") {
		t.Error("no error for no directory")
	}
}

func TestLayoutDetectsAndMendsDamagedBlobs(t *testing.T) {
	ctx := t.Context()
	for name, damage := range map[string]func(string) string{
		"flipped":   func(s string) string { return "X" + s[1:] },
		"truncated": func(s string) string { return s[:len(s)/2] },
		"emptied":   func(string) string { return "" },
		"longer":    func(s string) string { return s + "x" },
	} {
		t.Run(name, func(t *testing.T) {
			l := openLayout(t, t.TempDir())
			img := newImage("example.com/a", "v1.0.0")
			mustPublish(t, l, img)
			zip := img.blobs[2].Descriptor
			for _, d := range []ocispec.Descriptor{zip, img.desc} {
				file := l.blobPath(d.Digest)
				data := fileText(t, "", file)
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
				writeFile(t, file, damage(data))
			}
			if _, _, err := l.Manifest(ctx, img.repo, img.tag); !errors.Is(err, registry.ErrCorrupt) {
				t.Errorf("manifest: %v", err)
			}
			r, err := registry.New(l).Blob(ctx, img.repo, zip)
			if err == nil {
				_, err = io.Copy(io.Discard, r)
				r.Close()
			}
			if !errors.Is(err, registry.ErrCorrupt) {
				t.Errorf("blob: %v", err)
			}
			mustPublish(t, l, img)
			if err := img.check(ctx, l); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLayoutBlobThatIsNoFileIsAnError(t *testing.T) {
	l := openLayout(t, t.TempDir())
	img := newImage("example.com/a", "v1.0.0")
	mustPublish(t, l, img)
	file := l.blobPath(img.blobs[0].Descriptor.Digest)
	if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o777)); err != nil {
		t.Fatal(err)
	}
	if err := readBlob(t.Context(), l, img.repo, img.blobs[0].Descriptor); !errors.Is(err, registry.ErrCorrupt) {
		t.Error(err)
	}
}

func TestLayoutSweepsOldTemporaryFilesOnly(t *testing.T) {
	dir := t.TempDir()
	old, fresh := filepath.Join(dir, tmpDir, "old"), filepath.Join(dir, tmpDir, "fresh")
	writeFile(t, old, "half a blo")
	writeFile(t, fresh, "half a blo")
	then := time.Now().Add(-2 * staleAfter)
	if err := os.Chtimes(old, then, then); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, openLayout(t, dir), newImage("example.com/a", "v1.0.0"))
	entries, err := os.ReadDir(filepath.Join(dir, tmpDir))
	if err != nil || len(entries) != 1 || entries[0].Name() != "fresh" {
		t.Errorf("%v, %v", entries, err)
	}
}

func FuzzLayoutIndex(f *testing.F) {
	f.Add([]byte(emptyIndex))
	line := entry{ref: "a.b/c:v1", mediaType: "x/y", digest: zeros, size: 5}.line()
	f.Add([]byte(`{"schemaVersion":2,"manifests":[` + "\n" + line + ",\n" + strings.Replace(line, "v1", "v2", 1) + ",\n" + foreignIndex1 + "\n]}\n"))
	f.Add([]byte(`{"schemaVersion":2,"manifests":[` + "\n" + line + ",\n" + line + "\n]}\n"))
	f.Add(fmt.Appendf(nil, `{"schemaVersion":2,"manifests":[%s,%s,%s]}`, foreignIndex1, foreignIndex2, foreignIndex3))
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"digest":"` + zeros + `","annotations":{"org.opencontainers.image.ref.name":"a.b/c:v1"}}]}`))
	f.Add([]byte(`{"schemaVersion":2,"manifests":null,"\u2028":{ }}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := parseIndex(string(data))
		if err != nil {
			return
		}
		var once, twice bytes.Buffer
		if err := x.write(&once); err != nil {
			t.Fatal(err)
		}
		y, err := parseIndex(once.String())
		if err != nil {
			t.Fatalf("%v in %s", err, &once)
		}
		if err := y.write(&twice); err != nil || !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Fatalf("%v\n%s\n%s", err, &once, &twice)
		}
		for _, repo := range x.repositories() {
			if !slices.Equal(x.tags(repo), y.tags(repo)) {
				t.Fatalf("%s: %q became %q", repo, x.tags(repo), y.tags(repo))
			}
			for _, tag := range x.tags(repo) {
				before, _ := x.find(repo, tag)
				after, _ := y.find(repo, tag)
				if err := after.descriptor().Digest.Validate(); err != nil || after != before || after.size < 0 {
					t.Fatalf("%s:%s: %v became %v: %v", repo, tag, before, after, err)
				}
			}
		}
	})
}
