package artifact

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/module"
)

const tileName = "sumdb/sum.example.com/tile/8/0/x001/234"

// evidenceOf returns a record and a tile, of the right form.
func evidenceOf(m module.Version) Evidence {
	const sum = " h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	return Evidence{
		Module: m,
		Record: []byte("315904\n" + m.Path + " " + m.Version + sum + m.Path + " " + m.Version + "/go.mod" + sum + "\n"),
		Tiles:  map[string][]byte{tileName: bytes.Repeat([]byte("0123456789abcdef"), 512)},
	}
}

func withEvidence(f Files) Files {
	e := evidenceOf(f.Module)
	f.SumDB, f.Tiles = e.Record, e.Tiles
	return f
}

// As in TestBuildGivesPinnedDigests, these must never change.
func TestBuildWithEvidenceGivesPinnedDigests(t *testing.T) {
	for name, want := range map[string]struct{ manifest, meta digest.Digest }{
		"full":     {"sha256:389585f734e24a8022a5affe2f045a2c68f2c2eab2ffc12391c622d0b55dfeeb", "sha256:bc3f0d7d72d83d75dd98d4f8c287c69c0e68cbe459c4ec234911d4c14c79f875"},
		"mod-only": {"sha256:129d2ac460dadf63cd871dbf228826cac83372f7e8d299d7e911ab15e2de2c4b", "sha256:3f91e422afdbc0704b1815c3670ddaa930b2e4b95f410b53c7644fcb0ec490b1"},
	} {
		a := mustBuild(t, withEvidence(goldenFiles(t)[name]))
		if a.Descriptor.Digest != want.manifest || a.Manifest.Meta.Digest != want.meta {
			t.Errorf("%s: manifest %s, meta layer %s", name, a.Descriptor.Digest, a.Manifest.Meta.Digest)
		}
		plain := mustBuild(t, goldenFiles(t)[name])
		if a.Manifest.Meta.Digest == plain.Manifest.Meta.Digest || !a.Manifest.SameModule(plain.Manifest) {
			t.Errorf("%s: evidence changes nothing, or the module", name)
		}
	}
	image, err := BuildEvidence(evidenceOf(module.Version{Path: "example.com/BurntSushi/Toml", Version: "v1.0.0-RC.1"}))
	if err != nil {
		t.Fatal(err)
	}
	if image.Descriptor.Digest != "sha256:4e35cba0319faac3dc8123565eb1e9ea576e8587cb9192d50adf986ba374342a" {
		t.Errorf("companion: %s", image.Descriptor.Digest)
	}
}

func TestEvidenceTravelsInTheMetaLayer(t *testing.T) {
	f := withEvidence(fullFiles(t, "example.com/Upper/a", "v1.2.3"))
	a := mustBuild(t, f)
	meta, err := a.Manifest.ReadMeta(bytes.NewReader(content(t, a.Blobs[1])))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(meta.SumDB, f.SumDB) || !reflect.DeepEqual(meta.Tiles, f.Tiles) || meta.SBOM == nil {
		t.Errorf("read %q and %d tiles", meta.SumDB, len(meta.Tiles))
	}
	var names []string
	for _, e := range untar(t, gunzip(t, content(t, a.Blobs[1]))) {
		names = append(names, e.header.Name)
	}
	want := "example.com/!upper/a/@v/v1.2.3.info example.com/!upper/a/@v/v1.2.3.mod example.com/!upper/a/@v/v1.2.3.cdx.json " +
		"example.com/!upper/a/@v/v1.2.3.sumdb " + tileName
	if got := strings.Join(names, " "); got != want {
		t.Errorf("entries %s\nwant %s", got, want)
	}
	if n := a.Manifest.Meta.Size - mustBuild(t, fullFiles(t, "example.com/Upper/a", "v1.2.3")).Manifest.Meta.Size; n > 10<<10 {
		t.Errorf("evidence takes %d bytes", n)
	}
}

func TestEvidenceOfAWrongFormIsNotPackaged(t *testing.T) {
	tile := bytes.Repeat([]byte{1}, 8192)
	for name, tt := range map[string]struct {
		record []byte
		tiles  map[string][]byte
		is     error
	}{
		"tile without record": {nil, map[string][]byte{tileName: tile}, ErrCorrupt},
		"long record":         {make([]byte, maxRecord+1), nil, ErrLimit},
		"two tiles":           {[]byte("1\nx\n\n"), map[string][]byte{tileName: tile, "sumdb/a.b/tile/8/0/000": tile}, ErrLimit},
		"partial tile":        {[]byte("1\nx\n\n"), map[string][]byte{tileName: tile[:32]}, ErrCorrupt},
		"tile elsewhere":      {[]byte("1\nx\n\n"), map[string][]byte{"sumdb/a.b/tile/8/1/000": tile}, ErrCorrupt},
		"tile above":          {[]byte("1\nx\n\n"), map[string][]byte{"../sumdb/a.b/tile/8/0/000": tile}, ErrCorrupt},
	} {
		f := fullFiles(t, "example.com/a", "v1.2.3")
		f.SumDB, f.Tiles = tt.record, tt.tiles
		if _, err := Build(f); !errors.Is(err, tt.is) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := BuildEvidence(Evidence{Module: f.Module, Record: tt.record, Tiles: tt.tiles}); !errors.Is(err, tt.is) {
			t.Errorf("%s: companion: %v", name, err)
		}
	}
	if _, err := BuildEvidence(Evidence{Module: module.Version{Path: "example.com/a", Version: "v1"}, Record: []byte("x")}); err == nil || !strings.Contains(err.Error(), "is not a whole version") {
		t.Error("a version that is not canonical has a companion")
	}
}

func TestCompanionIsReadFromItsManifest(t *testing.T) {
	for _, m := range []module.Version{
		{Path: "example.com/a", Version: "v1.2.3"},
		{Path: "example.com/Upper/a", Version: "v2.0.0+incompatible"},
		{Path: "example.com/" + strings.Repeat("long-element/", 20) + "end", Version: "v1.0.0"},
	} {
		e := evidenceOf(m)
		for range 2 { // with the tile and without
			image, err := BuildEvidence(e)
			if err != nil {
				t.Fatal(err)
			}
			if d := digest.FromBytes(image.Raw); d != image.Descriptor.Digest || len(image.Blobs) != 2 {
				t.Errorf("described as %+v with %d blobs", image.Descriptor, len(image.Blobs))
			}
			got, err := ParseEvidence(image.Raw)
			if err != nil || !reflect.DeepEqual(got, &e) {
				t.Errorf("%v: %+v, %v", m, got, err)
			}
			if _, err := ParseManifest(image.Raw); !errors.Is(err, ErrNotModule) {
				t.Errorf("a companion passes as a module version: %v", err)
			}
			e.Tiles = nil
		}
	}
}

func TestHostileCompanionsAreRefused(t *testing.T) {
	m := module.Version{Path: "example.com/a", Version: "v1.2.3"}
	image, err := BuildEvidence(evidenceOf(m))
	if err != nil {
		t.Fatal(err)
	}
	layer := func(files ...tarFile) func(map[string]any) {
		packed, err := packLayer(time.Unix(0, 0), files)
		if err != nil {
			t.Fatal(err)
		}
		d := packed.blob.Descriptor
		d.Data = content(t, packed.blob)
		return func(im map[string]any) { im["layers"] = []any{d} }
	}
	entry := func(suffix, text string) tarFile { return tarFile{"example.com/a/@v/v1.2.3" + suffix, []byte(text)} }
	for name, change := range map[string]func(map[string]any){
		"another type":        func(im map[string]any) { im["artifactType"] = "application/x" },
		"no type":             func(im map[string]any) { delete(im, "artifactType") },
		"another format":      func(im map[string]any) { im["annotations"].(map[string]any)[AnnotationFormat] = "2" },
		"another version":     func(im map[string]any) { im["annotations"].(map[string]any)[AnnotationVersion] = "v1.2.4" },
		"no version":          func(im map[string]any) { delete(im["annotations"].(map[string]any), AnnotationVersion) },
		"no layer":            func(im map[string]any) { im["layers"] = []any{} },
		"two layers":          func(im map[string]any) { im["layers"] = append(im["layers"].([]any), im["layers"].([]any)...) },
		"layer elsewhere":     func(im map[string]any) { delete(im["layers"].([]any)[0].(map[string]any), "data") },
		"another layer":       func(im map[string]any) { im["layers"].([]any)[0].(map[string]any)["data"] = "AAAA" },
		"large layer":         func(im map[string]any) { im["layers"].([]any)[0].(map[string]any)["size"] = 1 << 30 },
		"no record":           layer(tarFile{tileName, make([]byte, 8192)}),
		"empty record":        layer(entry(".sumdb", "")),
		"large record":        layer(entry(".sumdb", strings.Repeat("x", maxRecord+1))),
		"more than a record":  layer(entry(".sumdb", "x"), entry(".mod", "module x")),
		"another's record":    layer(tarFile{"example.com/b/@v/v1.2.3.sumdb", []byte("x")}),
		"the record twice":    layer(entry(".sumdb", "x"), entry(".sumdb", "x")),
		"two tiles":           layer(entry(".sumdb", "x"), tarFile{tileName, make([]byte, 8192)}, tarFile{"sumdb/a.b/tile/8/0/000", make([]byte, 8192)}),
		"part of a tile":      layer(entry(".sumdb", "x"), tarFile{tileName, make([]byte, 32)}),
		"a tile of level one": layer(entry(".sumdb", "x"), tarFile{"sumdb/a.b/tile/8/1/000", make([]byte, 8192)}),
	} {
		if e, err := ParseEvidence(edit(t, image.Raw, change)); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrLimit) {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	if _, err := ParseEvidence(make([]byte, MaxManifest+1)); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
}

func TestEvidenceTagIsNoVersionsTag(t *testing.T) {
	for version, want := range map[string]string{
		"v1.2.3": "sumdb-v1.2.3", "v2.0.0+incompatible": "sumdb-v2.0.0_incompatible", "v1.0.0-rc.mod": "sumdb-v1.0.0-rc.mod_",
	} {
		tag, err := EvidenceTag(version)
		if err != nil || tag != want {
			t.Errorf("%s: %q, %v", version, tag, err)
		}
		if v, _, ok := ParseTag(tag); ok {
			t.Errorf("%q is the tag of %s", tag, v)
		}
	}
	for bad, want := range map[string]string{
		"": "is not a whole version", "latest": "is not a whole version", "v1.2": "is not a whole version", "v1.2.3-" + strings.Repeat("x", 120): "too large",
	} {
		if tag, err := EvidenceTag(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v", bad, tag, err)
		}
	}
}

func FuzzParseEvidence(f *testing.F) {
	image, err := BuildEvidence(evidenceOf(module.Version{Path: "example.com/a", Version: "v1.2.3"}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(image.Raw)
	f.Add([]byte(`{"schemaVersion":2,"layers":[{}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := ParseEvidence(raw)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrLimit) {
				t.Errorf("unclassified: %v", err)
			}
			return
		}
		if _, err := BuildEvidence(*e); err != nil {
			t.Errorf("what was read cannot be built: %v", err)
		}
	})
}
