package ocilayout

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content/oci"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

// referrerOf returns a manifest, and its blob, that refers to subject.
func referrerOf(subject ocispec.Descriptor, n int) (raw, config artifact.Blob) {
	config = artifact.NewBlob(ocispec.MediaTypeEmptyJSON, []byte("{}"))
	raw = artifact.NewBlob(ocispec.MediaTypeImageManifest, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":"application/x",`+
		`"config":{"mediaType":%q,"digest":%q,"size":2},"layers":[],"subject":{"mediaType":%q,"digest":%q,"size":%d},"annotations":{"n":"%d"}}`,
		ocispec.MediaTypeImageManifest, config.Descriptor.MediaType, config.Descriptor.Digest, subject.MediaType, subject.Digest, subject.Size, n))
	return raw, config
}

func pushReferrer(t *testing.T, l *layout, repo string, subject ocispec.Descriptor, n int) digest.Digest {
	t.Helper()
	raw, config := referrerOf(subject, n)
	if err := l.PushBlob(t.Context(), repo, config); err != nil {
		t.Fatal(err)
	}
	if err := l.PushManifest(t.Context(), repo, raw.Descriptor, contentOf(t, raw), ""); err != nil {
		t.Fatal(err)
	}
	return raw.Descriptor.Digest
}

func contentOf(t *testing.T, b artifact.Blob) []byte {
	t.Helper()
	r, err := b.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// wantReferrers checks which manifests refer to subject.
func wantReferrers(t *testing.T, l *layout, repo string, subject digest.Digest, want ...digest.Digest) {
	t.Helper()
	list, err := l.Referrers(t.Context(), repo, subject)
	var got []digest.Digest
	for _, d := range list {
		got = append(got, d.Digest)
		if d.ArtifactType != "application/x" || d.Annotations["n"] == "" {
			t.Errorf("listed as %+v", d)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("referrers %v, %v; want %v", got, err, want)
	}
}

func TestReferrersAreUnderTheSubjectsTag(t *testing.T) {
	l := openLayout(t, t.TempDir())
	img := newImage("example.com/a", "v1.0.0")
	mustPublish(t, l, img)
	wantReferrers(t, l, img.repo, img.desc.Digest)
	first := pushReferrer(t, l, img.repo, img.desc, 1)
	second := pushReferrer(t, l, img.repo, img.desc, 2)
	pushReferrer(t, l, img.repo, img.desc, 1) // once more
	wantReferrers(t, l, img.repo, img.desc.Digest, first, second)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again := openLayout(t, l.dir)
	wantReferrers(t, again, img.repo, img.desc.Digest, first, second)
	if tags := collect(t, again.Tags(t.Context(), img.repo)); !slices.Contains(tags, registry.ReferrersTag(img.desc.Digest)) {
		t.Errorf("tags %q", tags)
	}
}

// "cosign copy" of any image puts it under the tag of its list as well, and who pulls all tags has it in a layout.
func TestATagThatNamesTheSubjectIsNoListOfReferrers(t *testing.T) {
	l := openLayout(t, t.TempDir())
	img := newImage("example.com/a", "v1.0.0")
	mustPublish(t, l, img)
	if err := l.putTag(t.Context(), img.repo, registry.ReferrersTag(img.desc.Digest), img.desc, links{}, false); err != nil {
		t.Fatal(err)
	}
	wantReferrers(t, l, img.repo, img.desc.Digest)
	wantReferrers(t, l, img.repo, img.desc.Digest, pushReferrer(t, l, img.repo, img.desc, 1))
	if d, err := l.Resolve(t.Context(), img.repo, "v1.0.0"); err != nil || d.Digest != img.desc.Digest {
		t.Errorf("v1.0.0 is %v, %v", d, err)
	}
}

func TestReferrersOfTwoProcessesAreAllListed(t *testing.T) {
	dir := t.TempDir()
	img := newImage("example.com/a", "v1.0.0")
	mustPublish(t, openLayout(t, dir), img)
	var mu sync.Mutex
	var want []digest.Digest
	var wg sync.WaitGroup
	for p := range 2 {
		l := openLayout(t, dir)
		for n := range 8 {
			wg.Go(func() {
				d := pushReferrer(t, l, img.repo, img.desc, 10*p+n)
				mu.Lock()
				defer mu.Unlock()
				want = append(want, d)
			})
		}
	}
	wg.Wait()
	wantReferrers(t, openLayout(t, dir), img.repo, img.desc.Digest, want...)
}

func TestReferrersAreSharedWithOras(t *testing.T) {
	ctx := t.Context()
	l := openLayout(t, t.TempDir())
	img := newImage("example.com/a", "v1.0.0")
	mustPublish(t, l, img)
	ours := pushReferrer(t, l, img.repo, img.desc, 1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	store, err := oci.New(l.dir)
	if err != nil {
		t.Fatal(err)
	}
	found, err := store.Predecessors(ctx, img.desc)
	if err != nil || !slices.ContainsFunc(found, func(d ocispec.Descriptor) bool { return d.Digest == ours }) {
		t.Errorf("oras finds %v, %v", found, err)
	}
	raw, _ := referrerOf(img.desc, 2)
	if err := store.Push(ctx, raw.Descriptor, bytes.NewReader(contentOf(t, raw))); err != nil {
		t.Fatal(err)
	}
	wantReferrers(t, openLayout(t, l.dir), img.repo, img.desc.Digest, ours, raw.Descriptor.Digest)
}

func TestDamagedListOfReferrersIsNotAbsence(t *testing.T) {
	l := openLayout(t, t.TempDir())
	img := newImage("example.com/a", "v1.0.0")
	mustPublish(t, l, img)
	pushReferrer(t, l, img.repo, img.desc, 1)
	list, err := l.lookup(t.Context(), img.repo, registry.ReferrersTag(img.desc.Digest))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(l.dir, blobsDir, list.Digest.Encoded())); err != nil {
		t.Fatal(err)
	}
	if found, err := l.Referrers(t.Context(), img.repo, img.desc.Digest); err == nil {
		t.Errorf("got %v", found)
	}
}
