package ocilayout

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
)

// rewritten publishes the versions into a layout and has another tool write its index.json: each entry is called as
// rename says, "" for no name, and has an annotation more.
func rewritten(t *testing.T, rename func(name string) string, versions ...module.Version) *registry.Store {
	t.Helper()
	dir := t.TempDir()
	s := openStore(t, dir)
	for _, m := range versions {
		_, err := s.Publish(t.Context(), artifacttest.FullVersion(t, m, "text"), registry.PublishOptions{Signer: signtest.Signer(t, 0)})
		if err != nil {
			t.Fatal(err)
		}
		r := artifact.Revision{Path: m.Path, Name: "main", Version: m.Version}
		if err := s.PublishRevision(t.Context(), r, signtest.Signer(t, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	rewriteIndex(t, dir, func(d *ocispec.Descriptor) {
		name := rename(d.Annotations[ocispec.AnnotationRefName])
		d.Annotations = map[string]string{ocispec.AnnotationCreated: "2026-01-01T00:00:00Z"}
		if name != "" {
			d.Annotations[ocispec.AnnotationRefName] = name
		}
	})
	return openStore(t, dir)
}

// rewriteIndex writes index.json as most tools do: in one line, with the annotations last.
func rewriteIndex(t *testing.T, dir string, change func(*ocispec.Descriptor)) {
	t.Helper()
	var index ocispec.Index
	if err := json.Unmarshal([]byte(fileText(t, dir, "index.json")), &index); err != nil {
		t.Fatal(err)
	}
	for i := range index.Manifests {
		change(&index.Manifests[i])
	}
	data, err := json.Marshal(index)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "index.json"), string(data))
}

func TestVersionsOfALayoutThatAnotherToolWroteAreFound(t *testing.T) {
	versions := []module.Version{artifacttest.Version, artifacttest.Later("v1.3.0"), {Path: "corp.example/other", Version: "v1.2.3"}}
	for name, rename := range map[string]func(string) string{
		"tags, as oras backup and regctl write them":           func(ref string) string { return ref[strings.LastIndexByte(ref, ':')+1:] },
		"names in a registry, as crane pull --annotate-ref":    func(ref string) string { return "localhost:5000/golang/" + ref },
		"names in a registry without a port":                   func(ref string) string { return "harbor.example/golang/" + ref },
		"no names, as cosign save and crane pull write none":   func(string) string { return "" },
		"one name for all, as of several tools run in a row":   func(string) string { return "latest" },
		"names that are none of ours":                          func(ref string) string { return "my copy of " + ref },
		"our names, as of a tool that read and wrote them all": func(ref string) string { return ref },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, keys := t.Context(), signtest.Signer(t, 0).Verifier()
			s := rewritten(t, rename, versions...)
			for _, m := range versions {
				found, err := s.Find(ctx, m)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.Verify(ctx, found, keys); err != nil {
					t.Error(err)
				}
				if r, err := s.Revision(ctx, m.Path, "main", keys); err != nil || r.Path != m.Path {
					t.Errorf("revision %v, %v", r, err)
				}
			}
			listed, err := s.Versions(ctx, artifacttest.Version.Path)
			if err != nil || len(listed) != 2 {
				t.Errorf("versions %v, %v", listed, err)
			}
			if paths := collect(t, s.Modules(ctx)); !slices.Equal(paths, []string{"corp.example/other", "corp.example/Lib"}) &&
				!slices.Equal(paths, []string{"corp.example/Lib", "corp.example/other"}) {
				t.Errorf("modules %q", paths)
			}
			if _, err := s.Find(ctx, artifacttest.Later("v9.0.0")); !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("a version that is not there: %v", err)
			}
			more := artifacttest.Later("v1.4.0")
			if _, err := s.Publish(ctx, artifacttest.FullVersion(t, more, "text"), registry.PublishOptions{Signer: signtest.Signer(t, 0)}); err != nil {
				t.Fatal(err)
			}
			if listed, err := s.Versions(ctx, more.Path); err != nil || len(listed) != 3 {
				t.Errorf("versions after one more %v, %v", listed, err)
			}
			// Content that differs is a conflict, whatever the tool called what is there.
			var c *registry.ConflictError
			_, err = s.Publish(ctx, artifacttest.FullVersion(t, versions[0], "other text"), registry.PublishOptions{})
			if !errors.As(err, &c) {
				t.Errorf("other content: %v", err)
			}
		})
	}
}

// Whoever gave a manifest the name of another version gets no further with it than in a registry.
func TestAnotherVersionsNameIsNoProof(t *testing.T) {
	evil := module.Version{Path: "corp.example/evil", Version: "v1.2.3"}
	s := rewritten(t, func(ref string) string {
		return strings.Replace(ref, "corp.example/evil:v", "corp.example/good:v", 1)
	}, evil)
	if _, err := s.Find(t.Context(), module.Version{Path: "corp.example/good", Version: "v1.2.3"}); !errors.Is(err, artifact.ErrIdentity) {
		t.Errorf("by the name of another module: %v", err)
	}
	if paths := collect(t, s.Modules(t.Context())); !slices.Equal(paths, []string{evil.Path}) {
		t.Errorf("modules %q", paths)
	}
	if _, err := s.Find(t.Context(), evil); err != nil {
		t.Error(err)
	}
}

// What only another tool wrote again, as "oras tag" does, is as it was after the next publication.
func TestEntriesThatAnotherToolWroteAgainAreAsTheyWere(t *testing.T) {
	dir := t.TempDir()
	publish := func(v string) {
		t.Helper()
		s := openStore(t, dir)
		_, err := s.Publish(t.Context(), artifacttest.FullVersion(t, artifacttest.Later(v), "text"), registry.PublishOptions{Signer: signtest.Signer(t, 0)})
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	publish("v1.0.0")
	before := fileText(t, dir, "index.json")
	rewriteIndex(t, dir, func(*ocispec.Descriptor) {})
	if fileText(t, dir, "index.json") == before {
		t.Fatal("nothing was rewritten")
	}
	publish("v1.1.0")
	for line := range strings.Lines(before) {
		if !strings.Contains(fileText(t, dir, "index.json"), strings.TrimRight(line, ",\n")) {
			t.Errorf("index.json lacks %s", line)
		}
	}
}
