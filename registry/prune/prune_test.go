package prune_test

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/inventory"
	"github.com/modferry/modferry/registry/prune"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/storetest"
)

func pattern(t testing.TB, s, reason string) prune.Drop {
	t.Helper()
	p, err := goproxy.ParsePattern(s)
	must(t, err)
	return prune.Drop{Pattern: p, Reason: reason}
}

func TestPlanAndApply(t *testing.T) {
	for name, test := range map[string]struct {
		rules prune.Rules
		want  []string // what goes
	}{
		"the newest of each, and what their module graphs need": {
			prune.Rules{Keep: 1},
			[]string{"base:v0.1.0.mod", "base:v0.2.0.mod", "dep:v1.0.0", "dep:v1.1.0", "lib:v1.0.0", "+rev-old", "+sumdb-v1.0.0", "lib:v1.1.0"},
		},
		"what a project names, and what that needs": {
			prune.Rules{Keep: 1, Needed: []requirement.Requirement{{Module: version("example.com/lib@v1.0.0")}}},
			[]string{"base:v0.2.0.mod", "dep:v1.1.0", "lib:v1.1.0"},
		},
		"a go.mod that a project names": {
			prune.Rules{Keep: 1, Needed: []requirement.Requirement{{Module: version("example.com/base@v0.2.0"), ModOnly: true}}},
			[]string{"base:v0.1.0.mod", "dep:v1.0.0", "dep:v1.1.0", "lib:v1.0.0", "+rev-old", "+sumdb-v1.0.0", "lib:v1.1.0"},
		},
		"nothing but what projects name": {
			prune.Rules{Keep: 0, Needed: []requirement.Requirement{{Module: version("example.com/dep@v1.1.0")}}},
			[]string{
				"base:v0.1.0.mod", "base:v0.3.0.mod", "base:v0.4.0", "dep:v1.0.0", "dep:v1.2.0", "lib:v1.0.0", "+rev-old", "+sumdb-v1.0.0",
				"lib:v1.1.0", "lib:v1.2.0", "+rev-main", "+sumdb-v1.2.0",
			},
		},
		"what a deny list names, and nothing else": {
			prune.Rules{Keep: -1, Drop: []prune.Drop{pattern(t, "example.com/Lib@<v1.1.0", "CVE-2026-0001")}},
			[]string{"lib:v1.0.0", "+rev-old", "+sumdb-v1.0.0"},
		},
		"a deny list comes before everything": {
			prune.Rules{Keep: 9, Drop: []prune.Drop{pattern(t, "example.com/dep", "")}, Needed: []requirement.Requirement{{Module: version("example.com/dep@v1.2.0")}}},
			[]string{"base:v0.1.0.mod", "base:v0.2.0.mod", "base:v0.3.0.mod", "dep:v1.0.0", "dep:v1.1.0", "dep:v1.2.0"},
		},
		"all versions stay": {prune.Rules{Keep: -1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s *registry.Store) {
				before := tags(t, s)
				p := planFor(t, s, test.rules)
				if got := removed(p); !slices.Equal(got, test.want) {
					t.Fatalf("%v goes, want %v", got, test.want)
				}
				if now := tags(t, s); !slices.Equal(now, before) {
					t.Fatal("planning has changed the store")
				}
				if o := apply(t, s, p); o[prune.Removed] != p.Tags() || len(o) > 1 {
					t.Errorf("%v of %d tags", o, p.Tags())
				}
				if now := tags(t, s); len(now) != len(before)-len(test.want) {
					t.Errorf("left: %v", now)
				}
				wantSigned(t, s)
				if o := apply(t, s, p); o[prune.Gone] != p.Tags() || len(o) > 1 {
					t.Errorf("again: %v", o)
				}
			})
		})
	}
}

// A signature as a sigstore bundle refers to the version, and is found by a list that has a tag in a layout and in
// many registries.
func TestBundlesGoWithTheirVersion(t *testing.T) {
	signer := *signtest.Signer(t, 1)
	signer.Format = []sign.Format{sign.Bundle}
	dir := t.TempDir()
	distribution := registrytest.New(t, registrytest.Options{AllowDelete: true})
	distribution.Inject(registrytest.NoReferrers())
	for name, ref := range map[string]string{
		"layout": "oci:" + dir, "distribution": distribution.Host() + "/golang",
		"lists of its own": registrytest.New(t, registrytest.Options{AllowDelete: true}).Host() + "/golang",
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, ref)
			keep, drop := artifacttest.FullVersion(t, version("example.com/lib@v1.1.0"), "new"), artifacttest.FullVersion(t, version("example.com/lib@v1.0.0"), "old")
			storetest.Publish(t, s, keep, &signer)
			blobs, _ := os.ReadDir(filepath.Join(dir, "blobs", "sha256"))
			storetest.Publish(t, s, drop, &signer)
			p := planFor(t, s, prune.Rules{Keep: 1})
			if o := apply(t, s, p); o[prune.Removed] != p.Tags() || len(p.Removals) != 1 {
				t.Errorf("%v of %d tags", o, p.Tags())
			}
			for tag, err := range s.Tags(t.Context(), "example.com/lib") {
				must(t, err)
				if strings.Contains(tag, drop.Descriptor.Digest.Encoded()) {
					t.Errorf("%s is left", tag)
				}
			}
			m, err := s.FindKind(t.Context(), keep.Manifest.Module, false)
			must(t, err)
			if _, err := s.Verify(t.Context(), m, signer.Verifier()); err != nil {
				t.Error(err)
			}
			if left, _ := os.ReadDir(filepath.Join(dir, "blobs", "sha256")); s.IsLayout() && len(left) != len(blobs) {
				t.Errorf("%d blobs are left, want %d", len(left), len(blobs))
			}
		})
	}
}

func TestAPlanSaysWhyAndHowMuch(t *testing.T) {
	s := open(t, "oci:"+t.TempDir())
	fill(t, s)
	var text bytes.Buffer
	must(t, planFor(t, s, prune.Rules{Keep: 1, Drop: []prune.Drop{pattern(t, "example.com/dep@v1.2.0", "CVE-2026-0001")}}).Write(&text))
	for _, want := range []string{
		"matches example.com/dep@v1.2.0: CVE-2026-0001; example.com/lib@v1.2.0 requires it all the same\n",
		"not the newest\n", "no module graph needs its go.mod\n", "  with rev-old sha256:", "  with sumdb-v1.0.0 sha256:", "# 6 versions, ",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &text)
		}
	}
	if p, err := prune.Parse(&text); err != nil || p.Size() < 6*1000 || p.Removals[0].Size == 0 {
		t.Errorf("%v, %d bytes", err, p.Size())
	}
}

// rebuilt makes an artifact of what a store has.
func rebuilt(t testing.TB, s *registry.Store, m *registry.Module) *artifact.Artifact {
	t.Helper()
	meta, err := s.Meta(t.Context(), m)
	must(t, err)
	file, err := os.Create(filepath.Join(t.TempDir(), "m.zip"))
	must(t, err)
	defer file.Close()
	must(t, s.Zip(t.Context(), m, file))
	return artifacttest.Build(t, artifact.Files{Module: m.Module, Info: meta.Info, GoMod: meta.GoMod, ZipFile: file.Name()})
}

// Of a version with both forms the plan's reader leaves one in.
func TestWhatStaysKeepsItsEvidence(t *testing.T) {
	each(t, func(t *testing.T, s *registry.Store) {
		publish(t, s, "example.com/lib@v1.0.0.mod")
		p := planFor(t, s, prune.Rules{Keep: -1, Drop: []prune.Drop{pattern(t, "example.com/lib@v1.0.0", "")}})
		if got := removed(p); !slices.Equal(got, []string{"lib:v1.0.0", "lib:v1.0.0.mod", "+rev-old", "+sumdb-v1.0.0"}) {
			t.Fatal(got)
		}
		p.Removals = p.Removals[1:] // only the mod-only form, with all that went with both
		o := apply(t, s, p)
		if o[prune.Removed] != 2 || o[prune.Kept] != 4 {
			t.Errorf("%v", o)
		}
		wantSigned(t, s)
		if left := tags(t, s); !slices.Contains(left, "lib:sumdb-v1.0.0") || !slices.Contains(left, "lib:rev-old") {
			t.Errorf("%v", left)
		}
	})
}

func TestWithoutAllOfTheStoreThereIsNoPlan(t *testing.T) {
	for name, fault := range map[string]registrytest.Fault{
		"a listing": registrytest.Denied().On(http.MethodGet, registrytest.Tags).Times(2), // of the index, and of a module
		"a go.mod":  registrytest.Answer(http.StatusPreconditionFailed, "PROJECTPOLICYVIOLATION", "vulnerable").On(http.MethodGet, registrytest.Manifest).For("v1.2.0"),
	} {
		reg := registrytest.New(t, registrytest.Options{})
		s := open(t, reg.Host()+"/golang")
		fill(t, s)
		reg.Inject(fault)
		p := &prune.Planner{Rules: prune.Rules{Keep: 1}, Lister: inventory.Lister{Store: s, Jobs: 1}}
		if _, err := p.Plan(t.Context()); !errors.Is(err, registry.ErrDenied) && !errors.Is(err, registry.ErrPolicy) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
