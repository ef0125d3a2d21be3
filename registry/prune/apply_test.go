package prune_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/prune"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
)

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
