package ocilayout

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

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
