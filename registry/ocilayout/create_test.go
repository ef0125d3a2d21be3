package ocilayout

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/registry"
)

// An interrupted copy may lack the file that comes last in the alphabet.
func TestLayoutWithoutItsMarkerKeepsItsTags(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	before := openLayout(t, dir)
	folded, inJournal := newImage("example.com/a", "v1.0.0"), newImage("example.com/a", "v1.1.0")
	mustPublish(t, before, folded)
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, openLayout(t, dir), inJournal)
	if err := os.Remove(filepath.Join(dir, "oci-layout")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := openLayout(t, dir).Manifest(ctx, folded.repo, folded.tag); !errors.Is(err, registry.ErrNoLayout) {
		t.Errorf("reading: %v", err)
	}
	l := openLayout(t, dir)
	mustPublish(t, l, newImage("example.com/b", "v1.0.0"))
	if err := errors.Join(folded.check(ctx, l), inJournal.check(ctx, l)); err != nil {
		t.Error(err)
	}
}

// Jobs that start at the same moment with a new store find it empty, half made or made, and never somebody else's.
func TestNewLayoutIsNobodyElsesWhileItIsBeingMade(t *testing.T) {
	for range 50 {
		dir := filepath.Join(t.TempDir(), "store")
		var made atomic.Bool
		var g errgroup.Group
		for range 2 {
			g.Go(func() error {
				l, err := newLayout(dir)
				if err == nil {
					err = l.prepare(t.Context())
				}
				made.Store(true)
				return err
			})
			g.Go(func() error {
				for !made.Load() {
					if _, err := isLayout(dir); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
	}
}

// Of two who create a tag at the same time, in one change of the journal, the second is told of the first, who is
// then there to be looked at; and if the change fails, of that.
func TestWhoIsTooLateIsToldWhenTheOtherIsThere(t *testing.T) {
	for name, fails := range map[string]bool{"the change succeeds": false, "the change fails": true} {
		t.Run(name, func(t *testing.T) {
			l := openLayout(t, t.TempDir())
			first, second := newImage("example.com/a", "v1.0.0"), newImage("example.com/a", "v1.1.0")
			mustPublish(t, l, first)
			mustPublish(t, l, second)
			own := filepath.Join(l.dir, ownDir)
			create := func(d ocispec.Descriptor) *tagging {
				return &tagging{
					repo: "example.com/a", tag: "new", pushed: d, ctx: t.Context(), done: make(chan error, 1),
					change: func(now ocispec.Descriptor) (ocispec.Descriptor, error) {
						if now.Digest != "" {
							return d, registry.ErrTagExists
						}
						if fails {
							return d, os.Rename(own, own+".away")
						}
						return d, nil
					},
				}
			}
			winner, loser := create(first.desc), create(second.desc)
			l.commit(t.Context(), []*tagging{winner, loser}, winner)
			won, lost := <-winner.done, <-loser.done
			if fails {
				if err := os.Rename(own+".away", own); err != nil {
					t.Fatal(err)
				}
			}
			switch {
			case fails && (won == nil || lost == nil || errors.Is(lost, registry.ErrTagExists)):
				t.Errorf("told %v and %v", won, lost)
			case !fails && (won != nil || !errors.Is(lost, registry.ErrTagExists)):
				t.Errorf("told %v and %v", won, lost)
			}
		})
	}
}
