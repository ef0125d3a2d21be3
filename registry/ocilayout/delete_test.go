package ocilayout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

func (img image) deletions() []registry.Deletion {
	return []registry.Deletion{{Repository: img.repo, Tag: img.tag, Digest: img.desc.Digest}, {Repository: img.repo, Tag: img.sigTag(), Digest: img.sigDesc.Digest}}
}

func deletions(images ...image) (list []registry.Deletion) {
	for _, img := range images {
		list = append(list, img.deletions()...)
	}
	return list
}

// remove deletes and returns what was said of each.
func remove(t testing.TB, l *layout, list []registry.Deletion) (said []error) {
	t.Helper()
	if err := l.Delete(t.Context(), list, func(_ registry.Deletion, err error) { said = append(said, err) }); err != nil {
		t.Fatal(err)
	}
	return said
}

// blobs returns the digests of the files in a layout.
func blobs(t testing.TB, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, blobsDir))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// wantOnly checks that a layout has these images and not one blob more.
func wantOnly(t testing.TB, l *layout, images ...image) {
	t.Helper()
	var want []string
	for _, img := range images {
		if err := img.check(t.Context(), l); err != nil {
			t.Error(err)
		}
		for _, b := range append(img.blobs, img.sigBlobs...) {
			want = append(want, b.Descriptor.Digest.Encoded())
		}
		want = append(want, img.desc.Digest.Encoded(), img.sigDesc.Digest.Encoded())
	}
	slices.Sort(want)
	if got := blobs(t, l.dir); !slices.Equal(got, slices.Compact(want)) {
		t.Errorf("%d blobs, want %d", len(got), len(want))
	}
	entries := 0
	for _, repo := range collect(t, l.Repositories(t.Context())) {
		entries += len(collect(t, l.Tags(t.Context(), repo)))
	}
	if entries != 2*len(images) {
		t.Errorf("%d tags, want %d", entries, 2*len(images))
	}
}

func TestDeletingRemovesTagsAndWhatNobodyElseNeeds(t *testing.T) {
	dir := t.TempDir()
	l := openLayout(t, dir)
	keep, drop, other := newImage("example.com/a", "v1.0.0"), newImage("example.com/a", "v0.9.0"), newImage("example.com/b", "v1.0.0")
	mustPublish(t, l, keep, drop, other)
	for i, err := range remove(t, l, deletions(drop)) { // from the journal
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	wantOnly(t, l, keep, other)
	if _, _, err := l.Manifest(t.Context(), drop.repo, drop.tag); !errors.Is(err, registry.ErrNotFound) {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openLayout(t, dir)
	remove(t, l, deletions(other)) // from index.json
	wantOnly(t, l, keep)
	for _, err := range remove(t, l, deletions(other, drop)) {
		if !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("again: %v", err)
		}
	}
	mustPublish(t, l, other) // it can come back
	wantOnly(t, openLayout(t, dir), keep, other)
}

func TestATagThatChangedIsNotDeleted(t *testing.T) {
	l := openLayout(t, t.TempDir())
	img, other := newImage("example.com/a", "v1.0.0"), newImage("example.com/b", "v1.0.0")
	mustPublish(t, l, img, other)
	planned := img.deletions()[:1]
	planned[0].Digest = other.desc.Digest
	if said := remove(t, l, planned); !errors.Is(said[0], registry.ErrTagExists) {
		t.Error(said)
	}
	wantOnly(t, l, img, other)
}

func TestSharedBlobsStayWithWhoNeedsThem(t *testing.T) {
	l := openLayout(t, t.TempDir())
	one, two := newImage("example.com/a", "v1.0.0"), newImage("example.com/a", "v2.0.0")
	mustPublish(t, l, one, two)
	// The same manifest under another name: all of it is needed.
	if err := l.PushManifest(t.Context(), "example.com/copy", one.desc, one.manifest, "v1.0.0"); err != nil {
		t.Fatal(err)
	}
	remove(t, l, deletions(one))
	if err := checkComplete(t.Context(), l, "example.com/copy"); err != nil {
		t.Error(err)
	}
	remove(t, l, []registry.Deletion{{Repository: "example.com/copy", Tag: "v1.0.0", Digest: one.desc.Digest}})
	wantOnly(t, l, two)
}

func TestAnIndexGoesWithTheManifestsInIt(t *testing.T) {
	l := openLayout(t, t.TempDir())
	keep, drop := newImage("example.com/a", "v1.0.0"), newImage("example.com/a", "v0.9.0")
	mustPublish(t, l, keep, drop)
	raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d},{"mediaType":%q,"digest":%q,"size":%d}]}`,
		ocispec.MediaTypeImageIndex, keep.desc.MediaType, keep.desc.Digest, keep.desc.Size, drop.desc.MediaType, drop.desc.Digest, drop.desc.Size)
	d := artifact.NewBlob(ocispec.MediaTypeImageIndex, raw).Descriptor
	if err := l.PushManifest(t.Context(), "example.com/a", d, raw, "both"); err != nil {
		t.Fatal(err)
	}
	remove(t, l, deletions(drop))
	if err := checkBlobs(t.Context(), l, drop); err != nil {
		t.Errorf("the index needs it: %v", err)
	}
	remove(t, l, []registry.Deletion{{Repository: "example.com/a", Tag: "both", Digest: d.Digest}})
	wantOnly(t, l, keep)
}

func TestWhatOtherToolsWroteStays(t *testing.T) {
	dir := t.TempDir()
	l := openLayout(t, dir)
	img, drop := newImage("example.com/a", "v1.0.0"), newImage("example.com/a", "v0.9.0")
	mustPublish(t, l, img, drop)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// Another tool keeps a manifest of ours under a name of its own.
	text := fileText(t, dir, "index.json")
	entry := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"annotations":{"org.opencontainers.image.ref.name":"mine","theirs":"x"}}`,
		drop.desc.MediaType, drop.desc.Digest, drop.desc.Size)
	writeFile(t, filepath.Join(dir, "index.json"), strings.Replace(text, "\n]}", ",\n"+entry+"\n]}", 1))
	l = openLayout(t, dir)
	remove(t, l, deletions(drop))
	if !strings.Contains(fileText(t, dir, "index.json"), `"mine"`) {
		t.Error("the entry of another tool is gone")
	}
	if err := checkBlobs(t.Context(), l, drop); err != nil {
		t.Errorf("what it names is damaged: %v", err)
	}
	if err := img.check(t.Context(), l); err != nil {
		t.Error(err)
	}
}

func checkBlobs(ctx context.Context, l *layout, img image) error {
	for _, b := range img.blobs {
		if err := l.CheckBlob(ctx, img.repo, b.Descriptor); err != nil {
			return err
		}
	}
	return nil
}

func TestNothingIsRemovedFromALayoutThatIsDamaged(t *testing.T) {
	l := openLayout(t, t.TempDir())
	img, drop := newImage("example.com/a", "v1.0.0"), newImage("example.com/a", "v0.9.0")
	mustPublish(t, l, img, drop)
	if err := os.Remove(l.blobPath(img.desc.Digest)); err != nil {
		t.Fatal(err)
	}
	err := l.Delete(t.Context(), deletions(drop), func(registry.Deletion, error) {})
	if !errors.Is(err, artifact.ErrCorrupt) {
		t.Error(err)
	}
	if _, _, err := l.Manifest(t.Context(), drop.repo, drop.tag); err != nil {
		t.Error(err)
	}
	// What is to go may be damaged.
	mustPublish(t, l, img)
	if err := os.Remove(l.blobPath(drop.desc.Digest)); err != nil {
		t.Fatal(err)
	}
	remove(t, l, deletions(drop))
	if err := img.check(t.Context(), l); err != nil {
		t.Error(err)
	}
}

func TestDeletingCreatesNoLayout(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	l := openLayout(t, dir)
	err := l.Delete(t.Context(), deletions(newImage("example.com/a", "v1.0.0")), func(registry.Deletion, error) {})
	if !errors.Is(err, registry.ErrNoLayout) {
		t.Error(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("there is a directory")
	}
}

// A reader sees all of what is deleted at once, or nothing of it, while others push.
func TestDeletingWhileOthersReadAndPush(t *testing.T) {
	dir := t.TempDir()
	l := openLayout(t, dir)
	var drop, fresh []image
	for i := range 12 {
		drop = append(drop, newImage("example.com/old", fmt.Sprintf("v1.%d.0", i)))
		fresh = append(fresh, newImage("example.com/new", fmt.Sprintf("v1.%d.0", i)))
	}
	mustPublish(t, l, drop...)
	mustPublish(t, l, newImage("example.com/old", "v2.0.0"))
	ctx, stop := context.WithCancel(t.Context())
	var readers, g errgroup.Group
	readers.Go(func() error {
		reader := openLayout(t, dir)
		for ctx.Err() == nil {
			if n := len(collect(t, reader.Tags(t.Context(), "example.com/old"))); n != 2 && n != 2*len(drop)+2 {
				return fmt.Errorf("%d tags: a part of what is deleted", n)
			}
		}
		return nil
	})
	g.Go(func() error {
		return l.Delete(t.Context(), deletions(drop...), func(registry.Deletion, error) {})
	})
	g.Go(func() error {
		pusher := openLayout(t, dir)
		for _, img := range fresh {
			if err := img.publish(t.Context(), pusher); err != nil {
				return err
			}
		}
		return nil
	})
	err := g.Wait()
	stop()
	if err := errors.Join(err, readers.Wait()); err != nil {
		t.Fatal(err)
	}
	wantOnly(t, openLayout(t, dir), append(fresh, newImage("example.com/old", "v2.0.0"))...)
}

// Of what is deleted and pushed at the same time either all is there in the end, or nothing has its tag.
func TestDeletingWhatSomebodyPushesAtTheSameTime(t *testing.T) {
	for range 20 {
		dir := t.TempDir()
		l, pusher := openLayout(t, dir), openLayout(t, dir)
		img := newImage("example.com/a", "v1.0.0")
		mustPublish(t, l, img, newImage("example.com/a", "v2.0.0"))
		var g errgroup.Group
		g.Go(func() error { return l.Delete(t.Context(), img.deletions(), func(registry.Deletion, error) {}) })
		g.Go(func() error {
			_ = img.publish(t.Context(), pusher) // it may be told that its blobs are gone
			return nil
		})
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		for _, repo := range collect(t, l.Repositories(t.Context())) {
			if err := checkComplete(t.Context(), l, repo); err != nil {
				t.Fatalf("a tag names what is not there: %v", err)
			}
		}
	}
}

func TestDeletionOfWhatIsNoManifest(t *testing.T) {
	l := openLayout(t, t.TempDir())
	img := newImage("example.com/a", "v1.0.0")
	mustPublish(t, l, img)
	// A plan may say anything: a layer is not removed as if it were a manifest.
	remove(t, l, []registry.Deletion{
		{Repository: "example.com/none", Tag: "v1.0.0", Digest: img.blobs[2].Descriptor.Digest},
		{Repository: "example.com/none", Tag: "v1.0.1", Digest: digest.FromString("nothing")},
	})
	wantOnly(t, l, img)
}
