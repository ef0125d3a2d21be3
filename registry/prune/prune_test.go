package prune_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/inventory"
	"github.com/modferry/modferry/registry/prune"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/stores"
	"github.com/modferry/modferry/registry/storetest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, ref string) *registry.Store {
	t.Helper()
	client, err := remote.NewClient(remote.ClientOptions{
		MinBackoff: time.Microsecond, MaxBackoff: time.Millisecond,
		Credentials: func(context.Context, string) (auth.Credential, error) { return auth.EmptyCredential, nil },
	})
	must(t, err)
	s, err := stores.Open(client, ref)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func version(s string) module.Version {
	path, v, _ := strings.Cut(s, "@")
	return module.Version{Path: path, Version: v}
}

// publish publishes a version whose go.mod requires others: "path@version: path@version …"; mod-only if it ends in
// ".mod".
func publish(t testing.TB, s *registry.Store, line string) {
	t.Helper()
	name, requires, _ := strings.Cut(line, ":")
	name, modOnly := strings.CutSuffix(name, ".mod")
	m := version(name)
	gomod := "module " + m.Path + "\n"
	for r := range strings.FieldsSeq(requires) {
		gomod += "require " + strings.ReplaceAll(r, "@", " ") + "\n"
	}
	f := artifact.Files{Module: m, Info: artifacttest.Info(m), GoMod: []byte(gomod)}
	if !modOnly {
		f.ZipFile = zipFile(t, m, gomod)
	}
	storetest.Publish(t, s, artifacttest.Build(t, f), signtest.Signer(t, 0))
}

// zipFile writes the zip of a module with nothing but a go.mod.
func zipFile(t testing.TB, m module.Version, gomod string) string {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.Create(m.String() + "/go.mod")
	must(t, err)
	_, err = io.WriteString(w, gomod)
	must(t, errors.Join(err, z.Close()))
	name := filepath.Join(t.TempDir(), "m.zip")
	must(t, os.WriteFile(name, out.Bytes(), 0o600))
	return name
}

// world is a store of a few modules: lib needs dep, which needs base.
var world = []string{
	"example.com/lib@v1.0.0: example.com/dep@v1.0.0", "example.com/lib@v1.1.0: example.com/dep@v1.1.0", "example.com/lib@v1.2.0: example.com/dep@v1.2.0",
	"example.com/dep@v1.0.0: example.com/base@v0.1.0", "example.com/dep@v1.1.0: example.com/base@v0.2.0", "example.com/dep@v1.2.0: example.com/base@v0.3.0",
	"example.com/base@v0.1.0.mod", "example.com/base@v0.2.0.mod", "example.com/base@v0.3.0.mod", "example.com/base@v0.4.0",
}

func fill(t testing.TB, s *registry.Store) {
	t.Helper()
	signer := signtest.Signer(t, 0)
	for _, line := range world {
		publish(t, s, line)
	}
	for _, v := range []string{"v1.0.0", "v1.2.0"} {
		m := module.Version{Path: "example.com/lib", Version: v}
		must(t, s.PublishEvidence(t.Context(), artifact.Evidence{Module: m, Record: []byte("record")}, signer))
	}
	must(t, s.PublishRevision(t.Context(), artifact.Revision{Path: "example.com/lib", Name: "old", Version: "v1.0.0"}, signer))
	must(t, s.PublishRevision(t.Context(), artifact.Revision{Path: "example.com/lib", Name: "main", Version: "v1.2.0"}, signer))
	must(t, s.PublishIndex(t.Context(), []string{"example.com/lib", "example.com/dep", "example.com/base"}, signer))
}

// each runs a test with a store of either kind that has been filled. A layout is filled once, and copied.
func each(t *testing.T, test func(t *testing.T, s *registry.Store)) {
	template := filepath.Join(templates, "layout")
	if _, err := os.Stat(template); err != nil {
		s := open(t, "oci:"+template)
		fill(t, s)
		must(t, s.Close())
	}
	t.Run("layout", func(t *testing.T) {
		dir := t.TempDir()
		must(t, os.CopyFS(dir, os.DirFS(template)))
		test(t, open(t, "oci:"+dir))
	})
	t.Run("registry", func(t *testing.T) {
		s := open(t, registrytest.New(t, registrytest.Options{AllowDelete: true}).Host()+"/golang")
		fill(t, s)
		test(t, s)
	})
}

// templates is a directory for as long as the tests run.
var templates string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "prune-*")
	if err != nil {
		panic(err)
	}
	templates = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func planFor(t testing.TB, s *registry.Store, r prune.Rules) *prune.Plan {
	t.Helper()
	p := &prune.Planner{Rules: r, Lister: inventory.Lister{Store: s}}
	plan, err := p.Plan(t.Context())
	must(t, err)
	// What is applied is what was written down.
	var text bytes.Buffer
	must(t, plan.Write(&text))
	parsed, err := prune.Parse(&text)
	must(t, err)
	if fmt.Sprint(parsed) != fmt.Sprint(plan) {
		t.Errorf("written\n%v\nread\n%v", plan, parsed)
	}
	return parsed
}

func removed(p *prune.Plan) (list []string) {
	for _, r := range p.Removals {
		list = append(list, strings.TrimPrefix(r.Repository, "example.com/")+":"+r.Tag)
		for _, c := range r.With {
			if !strings.HasSuffix(c.Tag, ".sig") {
				list = append(list, "+"+c.Tag)
			}
		}
	}
	return list
}

func apply(t testing.TB, s *registry.Store, p *prune.Plan) map[prune.Outcome]int {
	t.Helper()
	outcomes := make(map[prune.Outcome]int)
	must(t, p.Apply(t.Context(), s, func(r prune.Result) {
		outcomes[r.Outcome]++
		if r.Reason != "" {
			t.Logf("%s:%s %s: %s", r.Repository, r.Tag, r.Outcome, r.Reason)
		}
	}))
	return outcomes
}

// tags returns all tags of a store but those of signatures.
func tags(t testing.TB, s *registry.Store) (list []string) {
	t.Helper()
	for repo, err := range s.Repositories(t.Context()) {
		must(t, err)
		for tag, err := range s.Tags(t.Context(), repo) {
			if errors.Is(err, registry.ErrNotFound) {
				continue // nothing is left of it
			}
			must(t, err)
			if !strings.HasSuffix(tag, ".sig") && repo != artifact.IndexRepository {
				list = append(list, strings.TrimPrefix(repo, "example.com/")+":"+tag)
			}
		}
	}
	slices.Sort(list)
	return list
}

// wantSigned checks that what is left is signed and whole, and that no signature is left of what is not there.
func wantSigned(t testing.TB, s *registry.Store) {
	t.Helper()
	for repo, orphans := range wantReadable(t, s) {
		if orphans != 0 && repo != artifact.IndexRepository {
			t.Errorf("%s: %d signatures of what is not there", repo, orphans)
		}
	}
}

// wantReadable checks that what is left is signed and whole, and returns how many other signatures there are.
func wantReadable(t testing.TB, s *registry.Store) map[string]int {
	t.Helper()
	orphans := make(map[string]int)
	for repo, err := range s.Repositories(t.Context()) {
		must(t, err)
		signatures, expected := 0, make(map[string]bool)
		for tag, err := range s.Tags(t.Context(), repo) {
			if errors.Is(err, registry.ErrNotFound) {
				continue
			}
			must(t, err)
			if strings.HasSuffix(tag, ".sig") {
				signatures++
				continue
			}
			d, raw, err := s.Manifest(t.Context(), repo, tag)
			must(t, err)
			expected[sign.Tag(d.Digest)] = true
			if _, _, err := s.Manifest(t.Context(), repo, sign.Tag(d.Digest)); err != nil {
				t.Errorf("%s:%s lost its signature: %v", repo, tag, err)
			}
			if m, err := artifact.ParseManifest(raw); err == nil {
				damaged, err := s.Damaged(t.Context(), &registry.Module{Manifest: m, Repository: repo, Descriptor: d, Raw: raw}, true)
				if err != nil || len(damaged) > 0 {
					t.Errorf("%s:%s is damaged: %v, %v", repo, tag, damaged, err)
				}
			}
		}
		orphans[repo] = signatures - len(expected)
	}
	return orphans
}

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

func TestWhatChangedSinceThePlanStays(t *testing.T) {
	each(t, func(t *testing.T, s *registry.Store) {
		p := planFor(t, s, prune.Rules{Keep: 1})
		// Somebody signs a version that is to go, and moves the revision of another.
		m, err := s.FindKind(t.Context(), version("example.com/dep@v1.0.0"), false)
		must(t, err)
		_, err = s.Publish(t.Context(), rebuilt(t, s, m), registry.PublishOptions{Signer: signtest.Signer(t, 1)})
		must(t, err)
		must(t, s.PublishRevision(t.Context(), artifact.Revision{Path: "example.com/lib", Name: "old", Version: "v1.2.0"}, signtest.Signer(t, 0)))
		o := apply(t, s, p)
		if o[prune.Changed] != 2+6 { // a version with its signature; a version, a revision and evidence, each with its signature
			t.Errorf("%v", o)
		}
		left := tags(t, s)
		for _, want := range []string{"dep:v1.0.0", "lib:v1.0.0", "lib:rev-old", "lib:sumdb-v1.0.0"} {
			if !slices.Contains(left, want) {
				t.Errorf("%s is gone", want)
			}
		}
		if slices.Contains(left, "dep:v1.1.0") {
			t.Error("what did not change is there")
		}
		wantReadable(t, s)
	})
}

// A registry removes a manifest with all its tags, whoever put them there. In a layout the other tag keeps what it names,
// and the signature of that.
func TestWhatAnotherToolTaggedStays(t *testing.T) {
	each(t, func(t *testing.T, s *registry.Store) {
		p := planFor(t, s, prune.Rules{Keep: -1, Drop: []prune.Drop{pattern(t, "example.com/lib@<v1.2.0", "")}})
		d, raw, err := s.Manifest(t.Context(), "example.com/lib", "v1.1.0")
		must(t, err)
		must(t, s.PushManifest(t.Context(), "example.com/lib", d, raw, "approved"))
		o := apply(t, s, p)
		if want := map[prune.Outcome]int{prune.Removed: 6, prune.Shared: 2}; !s.IsLayout() && fmt.Sprint(o) != fmt.Sprint(want) || s.IsLayout() && (o[prune.Removed] != 7 || o[prune.Kept] != 1) {
			t.Errorf("%v", o)
		}
		if now, _, err := s.Manifest(t.Context(), "example.com/lib", "approved"); err != nil || now.Digest != d.Digest {
			t.Errorf("the other tag: %v", err)
		}
		if _, err := s.Verify(t.Context(), &registry.Module{Manifest: &artifact.Manifest{}, Repository: "example.com/lib", Descriptor: d}, signtest.Signer(t, 0).Verifier()); err != nil {
			t.Error(err)
		}
		m, err := artifact.ParseManifest(raw)
		must(t, err)
		if damaged, err := s.Damaged(t.Context(), &registry.Module{Manifest: m, Repository: "example.com/lib", Descriptor: d, Raw: raw}, true); err != nil || len(damaged) > 0 {
			t.Errorf("%v, %v", damaged, err)
		}
	})
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

func TestARegistryThatRefuses(t *testing.T) {
	immutable := registrytest.Answer(http.StatusPreconditionFailed, "PRECONDITION", "configured as immutable").On(http.MethodDelete, registrytest.Manifest)
	t.Run("one version", func(t *testing.T) {
		reg := registrytest.New(t, registrytest.Options{AllowDelete: true})
		s := open(t, reg.Host()+"/golang")
		fill(t, s)
		p := planFor(t, s, prune.Rules{Keep: -1, Drop: []prune.Drop{pattern(t, "example.com/lib@<v1.2.0", "")}})
		reg.Inject(immutable.For(string(p.Removals[0].Digest)))
		o := apply(t, s, p)
		if o[prune.Refused] != 1 || o[prune.Kept] != 5 || o[prune.Removed] != 2 {
			t.Errorf("%v", o)
		}
		wantSigned(t, s) // Harbor would let everybody remove the signatures
		reg.Heal()
		if o := apply(t, s, p); o[prune.Removed] != 6 || o[prune.Gone] != 2 {
			t.Errorf("once the rule is lifted: %v", o)
		}
		wantSigned(t, s)
	})
	t.Run("a revision", func(t *testing.T) {
		reg := registrytest.New(t, registrytest.Options{AllowDelete: true})
		s := open(t, reg.Host()+"/golang")
		fill(t, s)
		p := planFor(t, s, prune.Rules{Keep: -1, Drop: []prune.Drop{pattern(t, "example.com/lib@v1.0.0", "")}})
		for _, c := range p.Removals[0].With {
			if c.Tag == "rev-old" {
				reg.Inject(immutable.For(string(c.Digest)))
			}
		}
		if o := apply(t, s, p); o[prune.Refused] != 1 || o[prune.Kept] != 1 {
			t.Errorf("%v", o)
		}
		wantSigned(t, s)
	})
	t.Run("everything", func(t *testing.T) {
		s := open(t, registrytest.New(t, registrytest.Options{}).Host()+"/golang")
		fill(t, s)
		p := planFor(t, s, prune.Rules{Keep: 1})
		err := p.Apply(t.Context(), s, func(r prune.Result) { t.Errorf("%v", r) })
		if !errors.Is(err, registry.ErrUnsupported) || !strings.Contains(err.Error(), "REGISTRY_STORAGE_DELETE_ENABLED") {
			t.Error(err)
		}
	})
}

func TestAnInterruptedRunGoesOn(t *testing.T) {
	s := open(t, registrytest.New(t, registrytest.Options{AllowDelete: true}).Host()+"/golang")
	fill(t, s)
	p := planFor(t, s, prune.Rules{Keep: 1})
	runs := 1
	for ; ; runs++ { // each time, one tag more is gone
		ctx, cancel := context.WithCancel(t.Context())
		err := p.Apply(ctx, s, func(r prune.Result) {
			if r.Outcome == prune.Removed {
				cancel()
			}
		})
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		wantReadable(t, s)
	}
	if runs < p.Tags() {
		t.Errorf("%d runs removed %d tags", runs, p.Tags())
	}
	wantSigned(t, s)
}

// deleted is a store in which something happens after the versions were deleted, and before the signatures are.
type deleted struct {
	registry.Backend
	calls int
	then  func()
}

func (d *deleted) Delete(ctx context.Context, list []registry.Deletion, done func(registry.Deletion, error)) error {
	err := d.Backend.(registry.Deleter).Delete(ctx, list, done)
	if d.calls++; d.calls == 2 {
		d.then()
	}
	return err
}

// Whoever publishes a version again finds its signatures there, and adds none.
func TestWhatIsPublishedAgainMeanwhileKeepsItsSignatures(t *testing.T) {
	each(t, func(t *testing.T, s *registry.Store) {
		signer := signtest.Signer(t, 0)
		p := planFor(t, s, prune.Rules{Keep: 1})
		const repo, tag = "example.com/lib", "v1.1.0"
		m := version(repo + "@" + tag)
		gomod := "module " + m.Path + "\nrequire example.com/dep v1.1.0\n"
		a := artifacttest.Build(t, artifact.Files{Module: m, Info: artifacttest.Info(m), GoMod: []byte(gomod), ZipFile: zipFile(t, m, gomod)})
		meanwhile := &deleted{Backend: s.Backend, then: func() { storetest.Publish(t, s, a, signer) }}
		apply(t, registry.New(meanwhile), p)
		found, err := s.Find(t.Context(), m)
		must(t, err)
		if found.Descriptor.Digest != a.Descriptor.Digest {
			t.Fatal("the test publishes another manifest")
		}
		if _, err := s.Verify(t.Context(), found, signer.Verifier()); err != nil {
			t.Error(err)
		}
	})
}

func TestAPlanIsForOneStore(t *testing.T) {
	one, two := open(t, "oci:"+t.TempDir()), open(t, "oci:"+t.TempDir())
	fill(t, one)
	p := planFor(t, one, prune.Rules{Keep: 1})
	if err := p.Apply(t.Context(), two, func(prune.Result) {}); !errors.Is(err, prune.ErrOtherStore) {
		t.Error(err)
	}
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

// indexed is a store in which something happens right before an index is replaced.
type indexed struct {
	registry.Backend
	then func()
}

func (i *indexed) PushManifest(ctx context.Context, repo string, d ocispec.Descriptor, raw []byte, tag string) error {
	if then := i.then; then != nil && artifact.IsIndexTag(tag) {
		i.then = nil
		then()
	}
	return i.Backend.PushManifest(ctx, repo, d, raw, tag)
}

// Whoever publishes to a module that the index is to forget sees it there as yet, and does not add it.
func TestTheIndexRemembersAModuleThatIsPublishedMeanwhile(t *testing.T) {
	each(t, func(t *testing.T, s *registry.Store) {
		signer := signtest.Signer(t, 0)
		p := planFor(t, s, prune.Rules{Keep: -1, Drop: []prune.Drop{pattern(t, "example.com/lib", ""), pattern(t, "example.com/dep", "")}})
		apply(t, s, p)
		emptied, err := p.Emptied(t.Context(), s)
		must(t, err)
		meanwhile := registry.New(&indexed{Backend: s.Backend, then: func() {
			publish(t, s, "example.com/lib@v1.9.0.mod")
			must(t, s.PublishIndex(t.Context(), []string{"example.com/lib"}, signer))
		}})
		n, err := p.Forget(t.Context(), meanwhile, emptied, signer)
		if err != nil || n != 1 {
			t.Errorf("%d, %v", n, err)
		}
		if paths, err := s.Index(t.Context(), signer.Verifier()); err != nil || !slices.Equal(paths, []string{"example.com/base", "example.com/lib"}) {
			t.Errorf("%v, %v", paths, err)
		}
	})
}

func TestTheIndexForgetsModulesOfWhichNothingIsLeft(t *testing.T) {
	each(t, func(t *testing.T, s *registry.Store) {
		p := planFor(t, s, prune.Rules{Keep: -1, Drop: []prune.Drop{pattern(t, "example.com/lib", ""), pattern(t, "example.com/dep@v1.0.0", "")}})
		apply(t, s, p)
		emptied, err := p.Emptied(t.Context(), s)
		if err != nil || !slices.Equal(emptied, []string{"example.com/lib"}) {
			t.Fatalf("%v, %v", emptied, err)
		}
		signer := signtest.Signer(t, 0)
		for _, want := range []int{1, 0} {
			if n, err := s.ForgetModules(t.Context(), emptied, signer); err != nil || n != want {
				t.Errorf("%d, %v", n, err)
			}
		}
		if paths, err := s.Index(t.Context(), signer.Verifier()); err != nil || !slices.Equal(paths, []string{"example.com/base", "example.com/dep"}) {
			t.Errorf("%v, %v", paths, err)
		}
		if n, err := s.ForgetModules(t.Context(), []string{"example.com/dep"}, signtest.Signer(t, 1)); err != nil || n != 0 {
			t.Errorf("another's index: %d, %v", n, err)
		}
	})
}
