package artifact

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

var mainBranch = Revision{Path: "example.com/BurntSushi/Toml", Name: "main", Version: "v1.0.0-RC.1"}

const commit = "0123456789abcdef0123456789abcdef01234567"

// As in TestBuildGivesPinnedDigests, these must never change.
func TestBuildRevisionGivesPinnedDigests(t *testing.T) {
	image, err := BuildRevision(mainBranch)
	if err != nil {
		t.Fatal(err)
	}
	const manifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.modferry.revision.v1",` +
		`"config":{"mediaType":"application/vnd.modferry.revision.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},` +
		`"layers":[{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"data":"e30="}],` +
		`"annotations":{"dev.modferry.format":"1","dev.modferry.module":"example.com/BurntSushi/Toml","dev.modferry.revision":"main","dev.modferry.version":"v1.0.0-RC.1"}}`
	if string(image.Raw) != manifest {
		t.Errorf("manifest %s", image.Raw)
	}
	if image.Descriptor.Digest != digest.FromString(manifest) || len(image.Blobs) != 1 || string(content(t, image.Blobs[0])) != "{}" {
		t.Errorf("described as %+v with %d blobs", image.Descriptor, len(image.Blobs))
	}
}

func TestRevisionIsReadFromItsManifest(t *testing.T) {
	for _, r := range []Revision{
		mainBranch,
		{"example.com/a", commit, "v0.0.0-20240102030405-0123456789ab"},
		{"example.com/a", "v2.0.0", "v2.0.0+incompatible"},
		{"example.com/a", "v1.0", "v1.0.3"},
		{"example.com/a", "v1.0.0+meta", "v1.0.0"},
		{"example.com/a/v2", strings.Repeat("x", maxRevision), "v2.0.0"},
	} {
		image, err := BuildRevision(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseRevision(image.Raw)
		if err != nil || *got != r {
			t.Errorf("%v: %+v, %v", r, got, err)
		}
		if _, err := ParseManifest(image.Raw); !errors.Is(err, ErrNotModule) {
			t.Errorf("a revision passes as a module version: %v", err)
		}
		if _, err := ParseEvidence(image.Raw); !errors.Is(err, ErrCorrupt) {
			t.Errorf("a revision passes as evidence: %v", err)
		}
	}
}

func TestRevisionsOfAWrongFormAreNotPackaged(t *testing.T) {
	for name, tt := range map[string]struct {
		revision Revision
		want     string
	}{
		"no path":                    {Revision{"", "main", "v1.0.0"}, "malformed module path"},
		"path of the file system":    {Revision{"../a", "main", "v1.0.0"}, "malformed module path"},
		"version of another major":   {Revision{"example.com/a", "main", "v2.0.0"}, "should be v0 or v1"},
		"version not canonical":      {Revision{"example.com/a", "main", "v1.0"}, "is not a whole version"},
		"branch as version":          {Revision{"example.com/a", "main", "master"}, "not a semantic version"},
		"no name":                    {Revision{"example.com/a", "", "v1.0.0"}, "a go command cannot ask a proxy for it"},
		"a version as name":          {Revision{"example.com/a", "v1.0.0", "v1.0.1"}, "is a version and cannot mean v1.0.1"},
		"itself as name":             {Revision{"example.com/a", "v1.0.0", "v1.0.0"}, "is a version and cannot mean v1.0.0"},
		"an incompatible version":    {Revision{"example.com/a", "v2.0.0", "v3.0.0+incompatible"}, "is a version and cannot mean v3.0.0"},
		"incompatible under its own": {Revision{"example.com/a", "v2.0.0+incompatible", "v2.0.0+incompatible"}, "is a version and cannot mean v2.0.0"},
		"a pseudo-version as name":   {Revision{"example.com/a", "v0.0.0-20240102030405-0123456789ab", "v1.0.0"}, "is a version and cannot mean v1.0.0"},
	} {
		if _, err := BuildRevision(tt.revision); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
}

func TestRevisionTags(t *testing.T) {
	long := strings.Repeat("x", maxTag-len(readablePrefix))
	for name, want := range map[string]string{
		"main":              "rev-main",
		"Main_2.0-x":        "rev-Main_2.0-x",
		"release-branch.go": "rev-release-branch.go",
		commit:              "rev-" + commit,
		"-x":                "rev--x",
		long:                "rev-" + long,
		long + "x":          "rev_" + digest.FromString(long+"x").Encoded(),
		"v1.0.0+meta":       "rev_" + digest.FromString("v1.0.0+meta").Encoded(),
		"a@b #1":            "rev_" + digest.FromString("a@b #1").Encoded(),
	} {
		tag, err := RevisionTag(name)
		if err != nil || tag != want || len(tag) > maxTag {
			t.Errorf("%q: %q, %v; want %q", name, tag, err, want)
		}
		if v, _, ok := ParseTag(tag); ok {
			t.Errorf("%q is the tag of %s", tag, v)
		}
		again, ok := ParseRevisionTag(tag)
		if readable := strings.HasPrefix(want, readablePrefix); ok != readable || ok && again != name {
			t.Errorf("%q is read as %q, %v", tag, again, ok)
		}
	}
	for _, bad := range []string{"", "Größe", ".", "..", "feature/x", `a\b`, "a:b", "what?", "a\x00", "\xff", "UP!", "end.", strings.Repeat("x", maxRevision+1)} {
		if tag, err := RevisionTag(bad); !errors.Is(err, ErrRevision) {
			t.Errorf("%q: %q, %v", bad, tag, err)
		}
	}
	for _, tag := range []string{"", "main", "rev", "rev-", "rev_main", "rev-a/b", "rev-ä", "rev-..", "v1.2.3", "sumdb-v1.2.3", "rev-" + long + "x"} {
		if name, ok := ParseRevisionTag(tag); ok {
			t.Errorf("%q is the tag of %q", tag, name)
		}
	}
}

func TestHostileRevisionsAreRefused(t *testing.T) {
	image, err := BuildRevision(mainBranch)
	if err != nil {
		t.Fatal(err)
	}
	evidence, err := BuildEvidence(evidenceOf(mainBranch.Module()))
	if err != nil {
		t.Fatal(err)
	}
	annotate := func(name, value string) func(map[string]any) {
		return func(im map[string]any) { im["annotations"].(map[string]any)[name] = value }
	}
	layer := func(change func(map[string]any)) func(map[string]any) {
		return func(im map[string]any) { change(im["layers"].([]any)[0].(map[string]any)) }
	}
	for name, change := range map[string]func(map[string]any){
		"another type":         func(im map[string]any) { im["artifactType"] = ArtifactTypeEvidence },
		"no type":              func(im map[string]any) { delete(im, "artifactType") },
		"another config":       func(im map[string]any) { im["config"].(map[string]any)["mediaType"] = "application/x" },
		"another format":       annotate(AnnotationFormat, "2"),
		"no annotations":       func(im map[string]any) { delete(im, "annotations") },
		"no name":              annotate(AnnotationRevision, ""),
		"name of another file": annotate(AnnotationRevision, "../../list"),
		"name of a version":    annotate(AnnotationRevision, "v1.2.3"),
		"no version":           annotate(AnnotationVersion, ""),
		"any version":          annotate(AnnotationVersion, "latest"),
		"no module":            annotate(AnnotationModule, ""),
		"no layer":             func(im map[string]any) { im["layers"] = []any{} },
		"two layers":           func(im map[string]any) { im["layers"] = append(im["layers"].([]any), im["layers"].([]any)...) },
		"layer elsewhere":      layer(func(l map[string]any) { delete(l, "data") }),
		"another layer":        layer(func(l map[string]any) { l["data"] = "AAA=" }),
		"layer of a module":    layer(func(l map[string]any) { l["mediaType"] = "application/vnd.oci.image.layer.v1.tar" }),
	} {
		if r, err := ParseRevision(edit(t, image.Raw, change)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if r, err := ParseRevision(evidence.Raw); !errors.Is(err, ErrCorrupt) {
		t.Errorf("evidence: %+v, %v", r, err)
	}
	if _, err := ParseRevision(make([]byte, MaxManifest+1)); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
}

func FuzzParseRevision(f *testing.F) {
	image, err := BuildRevision(mainBranch)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(image.Raw)
	f.Add([]byte(`{"schemaVersion":2,"layers":[{}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ParseRevision(raw)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrLimit) {
				t.Errorf("unclassified: %v", err)
			}
			return
		}
		image, err := BuildRevision(*r)
		if err != nil {
			t.Fatalf("what was read cannot be built: %v", err)
		}
		if again, err := ParseRevision(image.Raw); err != nil || *again != *r {
			t.Errorf("%+v becomes %+v, %v", r, again, err)
		}
	})
}

func FuzzParseRevisionTag(f *testing.F) {
	for _, tag := range []string{"rev-main", "rev-" + commit, "rev_" + strings.Repeat("0", 64), "v1.2.3", "rev-v1.0"} {
		f.Add(tag)
	}
	f.Fuzz(func(t *testing.T, tag string) {
		if name, ok := ParseRevisionTag(tag); ok {
			if again, err := RevisionTag(name); err != nil || again != tag {
				t.Errorf("%q is of %q, which has %q, %v", tag, name, again, err)
			}
			if v, _, ok := ParseTag(tag); ok {
				t.Errorf("%q is of revision %q and of version %s", tag, name, v)
			}
		}
		made, err := RevisionTag(tag) // as a name
		if err != nil {
			return
		}
		if len(made) > maxTag || !tagGrammar.MatchString(made) {
			t.Errorf("%q has the tag %q", tag, made)
		}
	})
}
