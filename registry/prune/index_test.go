package prune_test

import (
	"context"
	"slices"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/prune"
)

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
