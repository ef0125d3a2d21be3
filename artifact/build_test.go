package artifact

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	modzip "golang.org/x/mod/zip"
)

// goldenFiles are the versions whose digests are pinned.
func goldenFiles(tb testing.TB) map[string]Files {
	incompatible := fullFiles(tb, "example.com/old", "v2.0.0+incompatible")
	incompatible.Info = []byte(`{"Version":"v2.0.0+incompatible","Time":"2026-01-02T03:04:05.678+02:00","Origin":{"VCS":"git",` +
		`"URL":"https://user:secret@git.example.com/old","Ref":"refs/tags/v2.0.0","Hash":"0123456789abcdef0123456789abcdef01234567"}}`)
	incompatible.GoMod = []byte("module example.com/old\n")
	incompatible.ZipFile = writeZip(tb, incompatible.Module, "a.go", "package a\n")
	return map[string]Files{
		"full":         fullFiles(tb, "example.com/a", "v1.2.3"),
		"mod-only":     modFiles(tb, "example.com/a", "v1.2.3"),
		"upper case":   fullFiles(tb, "example.com/BurntSushi/Toml", "v1.0.0-RC.1"),
		"incompatible": incompatible,
		"long path":    fullFiles(tb, "example.com/"+strings.Repeat("long-element/", 20)+"end", "v1.0.0"),
	}
}

// These digests must never change: another digest of the same files is another
// artifact, without the signatures of the first.
func TestBuildGivesPinnedDigests(t *testing.T) {
	want := map[string][]string{ // manifest, config, meta layer, zip layer
		"full": {
			"sha256:752f7a940c525863c7bbd32a9838fa0fc0cd8bcc8605e0722fd390aa0ac170bc",
			"sha256:ef5dc3689125f1aee69bea34bb22390b71241e64515003c9462c7b725620e372",
			"sha256:67fd9215663776f4e981caf22933a8f62148b1a297dc734a9e8582808b5cff6a",
			"sha256:3732f0b9b0a0a6907f996b9fa9ce200e8cec89ecadf7aa00bfc6cc001b99ffc5",
		},
		"mod-only": {
			"sha256:cdb0d599cf6df3e95a4ffff75b16c7318ebfe829520680b6dc4ce11047983818",
			"sha256:973df043814207236271390ed7c70496b9ec8a893142c70ac9bea91c91c6a231",
			"sha256:49f377993b08cdb0a9bad4fba6ff4e40322f0f2b21ba86d91d704c11e7b910af",
		},
		"upper case": {
			"sha256:af95de65be01727c5f10b5fba0691f12ecedd183a1a0d22100219435ec01ce65",
			"sha256:eae1e0476e161954f4fe0d73a4f84f315d0af2868a49e1f73fbff7f6c4f9ee46",
			"sha256:5e7230abcf6c09bbd1ab00aefa2a4868337c01db9019466214ff905c0707f211",
			"sha256:8dea85a398c72203547d091fc2deccc85fa0b89d80eef8f25d7722fd4cdcd94f",
		},
		"incompatible": {
			"sha256:8d3b44e13d7c3eb5f13b031ceaa973d35c1e82b07865b4374e60f4ac194d0724",
			"sha256:8fd69dcb0331675622cf2e29710e238502a9a7a0b09cfcd6ca5c2ebd787b3fc2",
			"sha256:9422ebd7f2ab696a1509c81197a9fb16d111ea226e71399574f04c5109c64c41",
			"sha256:5668527bf2323aa9c53f3451eaccc1d63d0fde0967ead714568ef0cff6c9ab38",
		},
		"long path": {
			"sha256:ecd8c26dddfaba77dfe3fdd2ae13f50f3d8d9b8db8a9151d1c2313aaf1157530",
			"sha256:ea922faa5173f14837e1c3a56e17d3f59e97af7f53bab691d76c36ac8c072308",
			"sha256:5bc429788bbc107e29b3f75784acb40c64b2211860c6fe6c677277d806c93c2d",
			"sha256:24e83c9b45fd8075bbcd94d2152b3459806b27f9bd898cdef695620a15b12ba2",
		},
	}
	for name, files := range goldenFiles(t) {
		a := mustBuild(t, files)
		got := []string{string(a.Descriptor.Digest)}
		for _, b := range a.Blobs {
			got = append(got, string(b.Descriptor.Digest))
		}
		if !reflect.DeepEqual(got, want[name]) {
			t.Errorf("%s: digests are %q, want %q", name, got, want[name])
		}
	}
}

func TestBuildDescribesWhatItPackages(t *testing.T) {
	for name, files := range goldenFiles(t) {
		t.Run(name, func(t *testing.T) {
			a := mustBuild(t, files)
			if got := digest.FromBytes(a.Raw); got != a.Descriptor.Digest || int64(len(a.Raw)) != a.Descriptor.Size {
				t.Errorf("manifest is described by %+v", a.Descriptor)
			}
			parsed, err := ParseManifest(a.Raw)
			if err != nil || !reflect.DeepEqual(parsed, a.Manifest) {
				t.Errorf("ParseManifest gives %+v, %v\nBuild gave %+v", parsed, err, a.Manifest)
			}
			var config ocispec.Image
			if err := json.Unmarshal(content(t, a.Blobs[0]), &config); err != nil {
				t.Fatal(err)
			}
			if len(config.RootFS.DiffIDs) != len(a.Blobs)-1 {
				t.Fatalf("%d diff_ids for %d layers", len(config.RootFS.DiffIDs), len(a.Blobs)-1)
			}
			for i, layer := range a.Blobs[1:] {
				if got := digest.FromBytes(gunzip(t, content(t, layer))); got != config.RootFS.DiffIDs[i] {
					t.Errorf("layer %d has the diff_id %s, described as %s", i, got, config.RootFS.DiffIDs[i])
				}
			}
			want := []Blob{{Descriptor: a.Manifest.Config}, {Descriptor: a.Manifest.Meta}}
			want[1].Descriptor.Data = nil
			if a.Manifest.Zip != nil {
				want = append(want, Blob{Descriptor: *a.Manifest.Zip})
			}
			for i, b := range a.Blobs {
				if !reflect.DeepEqual(b.Descriptor, want[i].Descriptor) {
					t.Errorf("blob %d is %+v, in the manifest %+v", i, b.Descriptor, want[i].Descriptor)
				}
			}
		})
	}
}

func TestLayersFormAGoproxyTree(t *testing.T) {
	for name, files := range goldenFiles(t) {
		t.Run(name, func(t *testing.T) {
			path, _ := module.EscapePath(files.Module.Path)
			version, _ := module.EscapeVersion(files.Module.Version)
			tree := path + "/@v/" + version
			bom, err := sbom(files.Module, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := []tarFile{{tree + ".info", files.Info}, {tree + ".mod", files.GoMod}}
			if files.ZipFile != "" {
				zip, err := os.ReadFile(files.ZipFile)
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, tarFile{tree + ".cdx.json", bom}, tarFile{tree + ".zip", zip})
			}
			a := mustBuild(t, files)
			var got []tarEntry
			for _, layer := range a.Blobs[1:] {
				got = append(got, untar(t, gunzip(t, content(t, layer)))...)
			}
			if len(got) != len(want) {
				t.Fatalf("%d entries instead of %d", len(got), len(want))
			}
			mtime := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			if name == "incompatible" {
				mtime = time.Date(2026, 1, 2, 1, 4, 5, 0, time.UTC)
			}
			for i, e := range got {
				if e.header.Name != want[i].name || !bytes.Equal(e.data, want[i].data) {
					t.Errorf("entry %s has %q\nwant %s with %q", e.header.Name, e.data, want[i].name, want[i].data)
				}
				if h := e.header; h.Mode != 0o644 || h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" || !h.ModTime.Equal(mtime) {
					t.Errorf("entry %s has the header %+v", h.Name, h)
				}
				if format := got[i].header.Format; (format == tar.FormatPAX) != (name == "long path") {
					t.Errorf("entry %s is in %v", e.header.Name, format)
				}
			}
		})
	}
}

func TestBuildAnnotatesWhatIsKnown(t *testing.T) {
	files := goldenFiles(t)
	a := mustBuild(t, files["incompatible"])
	sum, err := dirhash.HashZip(files["incompatible"].ZipFile, dirhash.Hash1)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		AnnotationFormat:           "1",
		AnnotationModule:           "example.com/old",
		AnnotationVersion:          "v2.0.0+incompatible",
		AnnotationSum:              sum,
		AnnotationGoModSum:         "h1:nndUtwJSGih0FBv0Tc1KYXyyCQK6J1GXLlqJ3TN3tjg=",
		ocispec.AnnotationTitle:    "example.com/old",
		ocispec.AnnotationVersion:  "v2.0.0+incompatible",
		ocispec.AnnotationCreated:  "2026-01-02T01:04:05Z",
		ocispec.AnnotationSource:   "https://git.example.com/old", // without the account
		ocispec.AnnotationRevision: "0123456789abcdef0123456789abcdef01234567",
	}
	if got := a.Manifest.Annotations; !reflect.DeepEqual(got, want) {
		t.Errorf("annotations are %q\nwant %q", got, want)
	}

	mod := files["mod-only"]
	mod.Info = []byte(`{"Version":"v1.2.3","Origin":{"URL":"not a URL","Hash":"not a hash"}}`)
	a = mustBuild(t, mod)
	for _, key := range []string{AnnotationSum, ocispec.AnnotationCreated, ocispec.AnnotationSource, ocispec.AnnotationRevision} {
		if v, ok := a.Manifest.Annotations[key]; ok {
			t.Errorf("annotation %s is %q, which nobody said", key, v)
		}
	}
	if got := untar(t, gunzip(t, content(t, a.Blobs[1])))[0].header.ModTime; !got.Equal(time.Unix(0, 0)) {
		t.Errorf("without a time in .info, entries are of %v; want the epoch", got)
	}
}

func TestBuildInlinesTheMetaLayerUpToItsLimit(t *testing.T) {
	f := modFiles(t, "example.com/a", "v1.0.0")
	pad := func(n int) {
		f.GoMod = []byte("module example.com/a\n\n// " + strings.Repeat("x", n) + "\n")
	}
	pad(MaxInlineMeta - 4096)
	a := mustBuild(t, f)
	data, ok, err := a.Manifest.InlineMeta()
	if err != nil || !ok || !bytes.Equal(data, content(t, a.Blobs[1])) {
		t.Errorf("meta layer of %d bytes: InlineMeta gives %d bytes, %v, %v", a.Manifest.Meta.Size, len(data), ok, err)
	}
	pad(MaxInlineMeta)
	a = mustBuild(t, f)
	if data, ok, err := a.Manifest.InlineMeta(); err != nil || ok {
		t.Errorf("meta layer of %d bytes: InlineMeta gives %d bytes, %v, %v", a.Manifest.Meta.Size, len(data), ok, err)
	}
}

func TestBuildRefusesFilesThatDoNotBelongTogether(t *testing.T) {
	m := module.Version{Path: "example.com/a", Version: "v1.2.3"}
	other := module.Version{Path: "example.com/b", Version: "v1.2.3"}
	for _, tt := range []struct {
		name   string
		change func(f *Files)
		err    error // nil: any
	}{
		{"no path", func(f *Files) { f.Module.Path = "" }, nil},
		{"malformed path", func(f *Files) { f.Module.Path = "example.com/../a" }, nil},
		{"no version", func(f *Files) { f.Module.Version = "" }, nil},
		{"version that is not canonical", func(f *Files) { f.Module.Version = "v1.2" }, nil},
		{"major version that is not the path's", func(f *Files) { f.Module.Version = "v2.0.0" }, nil},
		{"no .info", func(f *Files) { f.Info = nil }, ErrCorrupt},
		{".info that is HTML", func(f *Files) { f.Info = []byte("<html>") }, ErrCorrupt},
		{".info with something after it", func(f *Files) { f.Info = append(f.Info, "{}"...) }, ErrCorrupt},
		{".info of another version", func(f *Files) { f.Info = []byte(`{"Version":"v1.2.4"}`) }, ErrCorrupt},
		{".info over the limit", func(f *Files) { f.Info = bytes.Repeat([]byte(" "), maxInfo+1) }, ErrLimit},
		{".info of a time beyond the calendar", func(f *Files) {
			f.Info = []byte(`{"Version":"v1.2.3","Time":"9999-12-31T23:59:59-12:00"}`)
		}, ErrCorrupt},
		{"go.mod that does not parse", func(f *Files) { f.GoMod = []byte("module (") }, ErrCorrupt},
		{"go.mod over the limit", func(f *Files) { f.GoMod = bytes.Repeat([]byte("\n"), modzip.MaxGoMod+1) }, ErrLimit},
		{"go.mod other than the zip's", func(f *Files) { f.GoMod = append(f.GoMod, '\n') }, ErrCorrupt},
		{"go.mod of another path where the zip has none", func(f *Files) {
			f.ZipFile = writeZip(t, m, "a.go", "package a\n")
			f.GoMod = []byte("module example.com/b\n")
		}, ErrCorrupt},
		{"zip that does not exist", func(f *Files) { f.ZipFile += ".missing" }, fs.ErrNotExist},
		{"zip that is empty", func(f *Files) { f.ZipFile = writeFile(t, nil) }, ErrCorrupt},
		{"zip that is HTML", func(f *Files) { f.ZipFile = writeFile(t, []byte("<html>not found</html>")) }, ErrCorrupt},
		{"zip that is cut off", func(f *Files) {
			data, err := os.ReadFile(f.ZipFile)
			if err != nil {
				t.Fatal(err)
			}
			f.ZipFile = writeFile(t, data[:len(data)-30])
		}, ErrCorrupt},
		{"zip with a flipped bit", func(f *Files) {
			data, err := os.ReadFile(f.ZipFile)
			if err != nil {
				t.Fatal(err)
			}
			data[bytes.Index(data, []byte("package a"))] ^= 1
			f.ZipFile = writeFile(t, data)
		}, ErrCorrupt},
		{"zip of another module", func(f *Files) { f.ZipFile = writeZip(t, other, "go.mod", string(f.GoMod)) }, ErrCorrupt},
		{"zip with a file outside", func(f *Files) { f.ZipFile = writeZip(t, m, "/etc/passwd", "root") }, ErrCorrupt},
		{"zip with a path upwards", func(f *Files) { f.ZipFile = writeZip(t, m, "../a.go", "package a\n") }, ErrCorrupt},
		{"zip with a file twice", func(f *Files) { f.ZipFile = writeZip(t, m, "a.go", "1", "a.go", "2") }, ErrCorrupt},
		{"zip with names that differ in case only", func(f *Files) { f.ZipFile = writeZip(t, m, "a.go", "1", "A.go", "2") }, ErrCorrupt},
		{"zip over the limit", func(f *Files) {
			if err := os.Truncate(f.ZipFile, MaxZip+1); err != nil {
				t.Fatal(err)
			}
		}, ErrLimit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := fullFiles(t, m.Path, m.Version)
			tt.change(&f)
			_, err := Build(f)
			if err == nil || tt.err != nil && !errors.Is(err, tt.err) {
				t.Fatalf("Build: %v; want %v", err, tt.err)
			}
			if !strings.Contains(err.Error(), f.Module.String()) {
				t.Errorf("error does not name the module: %v", err)
			}
		})
	}
}

func TestBuildAcceptsWhatTheGoCommandAccepts(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(f *Files)
	}{
		{"fork that declares the original's path", func(f *Files) {
			f.GoMod = []byte("module example.com/original\n")
			f.ZipFile = writeZip(t, f.Module, "go.mod", string(f.GoMod))
		}},
		{"go.mod with directives of a later Go", func(f *Files) {
			f.GoMod = append(f.GoMod, "frobnicate all\n"...)
			f.ZipFile = writeZip(t, f.Module, "go.mod", string(f.GoMod))
		}},
		{"empty go.mod", func(f *Files) {
			f.GoMod = nil
			f.ZipFile = writeZip(t, f.Module, "go.mod", "")
		}},
		{"zip with nothing in it", func(f *Files) {
			f.GoMod = []byte("module example.com/a\n")
			f.ZipFile = writeZip(t, f.Module)
		}},
		{"zip with directory entries", func(f *Files) {
			f.ZipFile = writeZip(t, f.Module, "", "", "go.mod", string(f.GoMod), "d/", "")
		}},
		{"time before 1970", func(f *Files) { f.Info = []byte(`{"Version":"v1.2.3","Time":"1969-01-01T00:00:00Z"}`) }},
		{"time after 2242", func(f *Files) { f.Info = []byte(`{"Version":"v1.2.3","Time":"2345-01-01T00:00:00Z"}`) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := fullFiles(t, "example.com/a", "v1.2.3")
			tt.change(&f)
			a := mustBuild(t, f)
			meta, err := a.Manifest.ReadMeta(bytes.NewReader(content(t, a.Blobs[1])))
			if err != nil || !bytes.Equal(meta.Info, f.Info) || !bytes.Equal(meta.GoMod, f.GoMod) {
				t.Errorf("ReadMeta gives %+v, %v", meta, err)
			}
			if err := a.Manifest.CheckZipFile(f.ZipFile); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestZipLayerNoticesThatTheZipChanged(t *testing.T) {
	f := fullFiles(t, "example.com/a", "v1.2.3")
	a := mustBuild(t, f)
	content(t, a.Blobs[2])
	content(t, a.Blobs[2]) // again, as for a retry
	if err := os.Truncate(f.ZipFile, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Blobs[2].Open(); err == nil || !strings.Contains(err.Error(), "changed while it was being packaged") {
		t.Error("Open of a zip that was cut off: no error")
	}
	if err := os.Remove(f.ZipFile); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Blobs[2].Open(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of a zip that was removed: %v", err)
	}
}
