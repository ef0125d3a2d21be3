package artifact

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
)

func TestParseManifestRefusesWhatIsNoModule(t *testing.T) {
	full := mustBuild(t, fullFiles(t, "example.com/a", "v1.2.3")).Raw
	mod := mustBuild(t, modFiles(t, "example.com/a", "v1.2.3")).Raw
	annotate := func(key, value string) func(map[string]any) {
		return func(m map[string]any) { m["annotations"].(map[string]any)[key] = value }
	}
	drop := func(key string) func(map[string]any) {
		return func(m map[string]any) { delete(m["annotations"].(map[string]any), key) }
	}
	config := func(key string, value any) func(map[string]any) {
		return func(m map[string]any) { m["config"].(map[string]any)[key] = value }
	}
	layer := func(i int, key string, value any) func(map[string]any) {
		return func(m map[string]any) { m["layers"].([]any)[i].(map[string]any)[key] = value }
	}
	for _, tt := range []struct {
		name   string
		raw    []byte
		change func(m map[string]any)
		err    error
	}{
		{"another schema version", full, func(m map[string]any) { m["schemaVersion"] = 1 }, ErrNotModule},
		{"another media type", full, func(m map[string]any) { m["mediaType"] = "application/vnd.oci.image.index.v1+json" }, ErrNotModule},
		{"index at the same time", full, func(m map[string]any) { m["manifests"] = []any{} }, ErrNotModule},
		{"artifact type", full, func(m map[string]any) { m["artifactType"] = "application/x" }, ErrNotModule},
		{"no annotations", full, func(m map[string]any) { delete(m, "annotations") }, ErrNotModule},
		{"no format", full, drop(AnnotationFormat), ErrNotModule},
		{"later format", full, annotate(AnnotationFormat, "2"), ErrNotModule},
		{"no module", full, drop(AnnotationModule), ErrNotModule},
		{"malformed module", full, annotate(AnnotationModule, "../a"), ErrNotModule},
		{"no version", full, drop(AnnotationVersion), ErrNotModule},
		{"version that is not canonical", full, annotate(AnnotationVersion, "v1.2"), ErrNotModule},
		{"major version that is not the path's", full, annotate(AnnotationVersion, "v2.0.0"), ErrNotModule},
		{"no sum", full, drop(AnnotationSum), ErrNotModule},
		{"sum of another kind", full, annotate(AnnotationSum, "h2:"+strings.Repeat("A", 43)+"="), ErrNotModule},
		{"sum that is too short", full, annotate(AnnotationSum, "h1:AAAA"), ErrNotModule},
		{"sum in another spelling", full, annotate(AnnotationSum, "h1:"+strings.Repeat("A", 42)+"B="), ErrNotModule},
		{"no go.mod sum", mod, drop(AnnotationGoModSum), ErrNotModule},
		{"sum of a zip that is not there", mod, annotate(AnnotationSum, "h1:"+strings.Repeat("A", 43)+"="), ErrNotModule},
		{"foreign config", full, config("mediaType", "application/vnd.example+json"), ErrNotModule},
		{"mod-only with a zip", full, config("mediaType", MediaTypeGoModConfig), ErrNotModule},
		{"full without a zip", mod, config("mediaType", "application/vnd.oci.image.config.v1+json"), ErrNotModule},
		{"third layer", full, func(m map[string]any) { m["layers"] = append(m["layers"].([]any), m["config"]) }, ErrNotModule},
		{"no layers", full, func(m map[string]any) { m["layers"] = nil }, ErrNotModule},
		{"foreign meta layer", full, layer(0, "mediaType", "application/octet-stream"), ErrNotModule},
		{"foreign zip layer", full, layer(1, "mediaType", "application/zip"), ErrNotModule},
		{"malformed digest", full, layer(0, "digest", "sha256:../../etc/passwd"), ErrNotModule},
		{"digest of another algorithm", full, layer(0, "digest", "sha512:"+strings.Repeat("0", 128)), ErrNotModule},
		{"empty layer", full, layer(0, "size", 0), ErrNotModule},
		{"negative size", full, layer(1, "size", -1), ErrNotModule},
		{"size that is a string", full, layer(1, "size", "1"), ErrNotModule},
		{"data that is not base64", full, layer(0, "data", "%"), ErrNotModule},
		{"config over the limit", full, config("size", maxConfig+1), ErrLimit},
		{"meta layer over the limit", full, layer(0, "size", MaxMeta+1), ErrLimit},
		{"zip layer over the limit", full, layer(1, "size", maxZipLayer+1), ErrLimit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if m, err := ParseManifest(edit(t, tt.raw, tt.change)); !errors.Is(err, tt.err) {
				t.Errorf("ParseManifest = %+v, %v; want %v", m, err, tt.err)
			}
		})
	}
}

func TestParseManifestRefusesWhatIsNoManifest(t *testing.T) {
	full := mustBuild(t, fullFiles(t, "example.com/a", "v1.2.3")).Raw
	for _, raw := range []string{"", "null", "{}", "[]", "<html>", `{"schemaVersion":2}`, string(full) + "{}", string(full[:len(full)-1])} {
		if m, err := ParseManifest([]byte(raw)); !errors.Is(err, ErrNotModule) {
			t.Errorf("ParseManifest(%.20q…) = %+v, %v; want ErrNotModule", raw, m, err)
		}
	}
	if m, err := ParseManifest(append(full, bytes.Repeat([]byte(" "), MaxManifest)...)); !errors.Is(err, ErrLimit) {
		t.Errorf("ParseManifest of more than MaxManifest = %+v, %v; want ErrLimit", m, err)
	}
}

func TestIdentifyRefusesAnotherModuleVersion(t *testing.T) {
	m := mustBuild(t, fullFiles(t, "example.com/a", "v1.2.3")).Manifest
	if err := m.Identify(module.Version{Path: "example.com/a", Version: "v1.2.3"}); err != nil {
		t.Error(err)
	}
	for _, want := range []module.Version{
		{Path: "example.com/b", Version: "v1.2.3"},
		{Path: "example.com/A", Version: "v1.2.3"},
		{Path: "example.com/a", Version: "v1.2.4"},
		{},
	} {
		err := m.Identify(want)
		if !errors.Is(err, ErrIdentity) || !strings.Contains(err.Error(), want.String()) || !strings.Contains(err.Error(), m.Module.String()) {
			t.Errorf("Identify(%v): %v; want ErrIdentity, with both versions", want, err)
		}
	}
}

func TestSameModuleComparesContentNotPackaging(t *testing.T) {
	f := fullFiles(t, "example.com/a", "v1.2.3")
	m := mustBuild(t, f).Manifest
	other := f
	other.Info = []byte(`{"Version":"v1.2.3"}`)
	o := mustBuild(t, other).Manifest
	if m.Meta.Digest == o.Meta.Digest || !m.SameModule(o) {
		t.Error("another .info makes another module")
	}
	if m.SameModule(mustBuild(t, modFiles(t, "example.com/a", "v1.2.3")).Manifest) {
		t.Error("full and mod-only are the same module")
	}
	other = f
	other.ZipFile = writeZip(t, f.Module, "go.mod", string(f.GoMod), "a.go", "package b\n")
	if m.SameModule(mustBuild(t, other).Manifest) {
		t.Error("another zip is the same module")
	}
	if m.SameModule(mustBuild(t, fullFiles(t, "example.com/a", "v1.2.4")).Manifest) {
		t.Error("another version is the same module")
	}
}

func TestManifestKnowsItsTag(t *testing.T) {
	for want, f := range map[string]Files{
		"v1.2.3":     fullFiles(t, "example.com/a", "v1.2.3"),
		"v1.2.3.mod": modFiles(t, "example.com/a", "v1.2.3"),
	} {
		m := mustBuild(t, f).Manifest
		if tag, err := m.Tag(); err != nil || tag != want || m.ModOnly() != strings.HasSuffix(want, ".mod") {
			t.Errorf("Tag = %q, %v, ModOnly = %v; want %q", tag, err, m.ModOnly(), want)
		}
	}
}

func TestInlineMetaRefusesDataThatDoesNotMatch(t *testing.T) {
	raw := mustBuild(t, modFiles(t, "example.com/a", "v1.2.3")).Raw
	for _, data := range []string{"", "AAAA"} {
		m, err := ParseManifest(edit(t, raw, func(m map[string]any) { m["layers"].([]any)[0].(map[string]any)["data"] = data }))
		if err != nil {
			t.Fatal(err)
		}
		if got, ok, err := m.InlineMeta(); !errors.Is(err, ErrCorrupt) || ok || got != nil {
			t.Errorf("InlineMeta of data %q = %q, %v, %v; want ErrCorrupt", data, got, ok, err)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add(mustBuild(f, fullFiles(f, "example.com/a", "v1.2.3")).Raw)
	f.Add(mustBuild(f, modFiles(f, "example.com/A", "v1.2.3-RC.mod")).Raw)
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","annotations":{"dev.modferry.format":"1"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := ParseManifest(raw)
		if err != nil {
			if !errors.Is(err, ErrNotModule) && !errors.Is(err, ErrLimit) {
				t.Fatalf("unclassified error: %v", err)
			}
			return
		}
		if err := checkParsed(m); err != nil {
			t.Fatal(err)
		}
	})
}

// checkParsed checks what holds for every manifest that ParseManifest accepts.
func checkParsed(m *Manifest) error {
	if _, err := Repository(m.Module.Path); err != nil {
		return err
	}
	if _, err := goproxy.Base(m.Module); err != nil {
		return err
	}
	if tag, err := m.Tag(); err == nil {
		if v, modOnly, ok := ParseTag(tag); v != m.Module.Version || modOnly != m.ModOnly() || !ok {
			return fmt.Errorf("tag %q is of %q", tag, v)
		}
	}
	if m.ModOnly() != (m.Sum == "") || m.Identify(m.Module) != nil || !m.SameModule(m) {
		return fmt.Errorf("inconsistent: %+v", m)
	}
	if _, _, err := m.InlineMeta(); err != nil && !errors.Is(err, ErrCorrupt) {
		return err
	}
	return nil
}
