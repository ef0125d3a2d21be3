package ocilayout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/content"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

var _ registry.Backend = (*layout)(nil)

// image is a small version to publish: an image of three blobs, and a signature.
type image struct {
	repo, tag         string
	blobs, sigBlobs   []artifact.Blob
	desc, sigDesc     ocispec.Descriptor
	manifest, sigData []byte
}

func newImage(repo, tag string) image {
	img := image{repo: repo, tag: tag}
	build := func(parts ...string) (ocispec.Descriptor, []byte, []artifact.Blob) {
		var blobs []artifact.Blob
		for _, part := range parts {
			blobs = append(blobs, artifact.NewBlob(ocispec.MediaTypeImageLayerGzip, []byte(part+" "+repo+":"+tag)))
		}
		m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: blobs[0].Descriptor}
		m.SchemaVersion = 2
		m.Config.MediaType = ocispec.MediaTypeImageConfig
		for _, b := range blobs[1:] {
			m.Layers = append(m.Layers, b.Descriptor)
		}
		raw, err := json.Marshal(m)
		if err != nil {
			panic(err)
		}
		return artifact.NewBlob(m.MediaType, raw).Descriptor, raw, blobs
	}
	img.desc, img.manifest, img.blobs = build("config", "meta", "zip "+strings.Repeat("z", 2000))
	img.sigDesc, img.sigData, img.sigBlobs = build("sig config", "payload")
	return img
}

func (img image) sigTag() string { return "sha256-" + img.desc.Digest.Encoded() + ".sig" }

// publish pushes img in the order of the publishing rules.
func (img image) publish(ctx context.Context, b registry.Backend) error {
	for _, blob := range append(img.blobs, img.sigBlobs...) {
		if err := b.PushBlob(ctx, img.repo, blob); err != nil {
			return err
		}
	}
	return errors.Join(
		b.PushManifest(ctx, img.repo, img.desc, img.manifest, ""),
		b.PushManifest(ctx, img.repo, img.sigDesc, img.sigData, img.sigTag()),
		b.PushManifest(ctx, img.repo, img.desc, img.manifest, img.tag),
	)
}

// check reads all of img back.
func (img image) check(ctx context.Context, b registry.Backend) error {
	for tag, want := range map[string][]byte{img.tag: img.manifest, img.sigTag(): img.sigData} {
		_, raw, err := b.Manifest(ctx, img.repo, tag)
		if err != nil {
			return err
		}
		if !bytes.Equal(raw, want) {
			return fmt.Errorf("%s:%s: another manifest", img.repo, tag)
		}
	}
	return checkComplete(ctx, b, img.repo)
}

// checkComplete reads everything that the tags of repo lead to.
func checkComplete(ctx context.Context, b registry.Backend, repo string) error {
	for tag, err := range b.Tags(ctx, repo) {
		if err != nil {
			return err
		}
		_, raw, err := b.Manifest(ctx, repo, tag)
		if err != nil {
			return err
		}
		links, err := parseLinks(raw)
		if err != nil {
			return err
		}
		for _, d := range links.all() {
			if err := readBlob(ctx, b, repo, d); err != nil {
				return err
			}
		}
	}
	return nil
}

func readBlob(ctx context.Context, b registry.Backend, repo string, d ocispec.Descriptor) error {
	r, err := b.Blob(ctx, repo, d)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = content.ReadAll(r, d)
	return err
}

func openStore(t testing.TB, dir string) *registry.Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openLayout(t testing.TB, dir string) *layout {
	t.Helper()
	l, err := newLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func collect(t testing.TB, seq iter.Seq2[string, error]) []string {
	t.Helper()
	var all []string
	for s, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

func mustPublish(t testing.TB, b registry.Backend, images ...image) {
	t.Helper()
	for _, img := range images {
		if err := img.publish(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

func fileText(t testing.TB, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

func TestLayoutReturnsWhatWasPushed(t *testing.T) {
	ctx := t.Context()
	l := openLayout(t, filepath.Join(t.TempDir(), "new", "store"))
	img := newImage("example.com/a", "v1.0.0")
	mustPublish(t, l, img, newImage("example.com/a", "v1.1.0"), newImage("example.com/b", "v0.1.0"))
	if err := img.check(ctx, l); err != nil {
		t.Error(err)
	}
	for _, ref := range []string{img.tag, string(img.desc.Digest)} {
		d, _, err := l.Manifest(ctx, img.repo, ref)
		if err != nil || !content.Equal(d, img.desc) {
			t.Errorf("resolve(%s) = %v, %v", ref, d, err)
		}
	}
	if got, want := collect(t, l.Repositories(ctx)), []string{"example.com/a", "example.com/b"}; !slices.Equal(got, want) {
		t.Errorf("repositories = %q", got)
	}
	tags := collect(t, l.Tags(ctx, "example.com/a"))
	if len(tags) != 4 || !slices.IsSorted(tags) || !slices.Contains(tags, "v1.1.0") || !slices.Contains(tags, img.sigTag()) {
		t.Errorf("tags = %q", tags)
	}
}

func TestLayoutMovesATag(t *testing.T) {
	ctx := t.Context()
	l := openLayout(t, t.TempDir())
	first, second := newImage("example.com/a", "x"), newImage("example.com/a", "y")
	mustPublish(t, l, first, second)
	if err := l.PushManifest(ctx, first.repo, second.desc, second.manifest, "x"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if d, _, err := l.Manifest(ctx, first.repo, "x"); err != nil || d.Digest != second.desc.Digest {
			t.Errorf("resolve = %v, %v", d, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLayoutSaysNotFoundOnlyForWhatIsAbsent(t *testing.T) {
	ctx := t.Context()
	l := openLayout(t, t.TempDir())
	img := newImage("example.com/a", "v1.0.0")
	mustPublish(t, l, img)
	zip := img.blobs[2].Descriptor
	if err := os.Remove(l.blobPath(img.sigDesc.Digest)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(l.blobPath(zip.Digest)); err != nil {
		t.Fatal(err)
	}
	get := func(repo, ref string) error { _, _, err := l.Manifest(ctx, repo, ref); return err }
	tags := func(repo string) error {
		for _, err := range l.Tags(ctx, repo) {
			return err
		}
		return nil
	}
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"unknown tag", get("example.com/a", "v9.0.0"), registry.ErrNotFound},
		{"unknown repository", get("example.com/z", "v1.0.0"), registry.ErrNotFound},
		{"tags of an unknown repository", tags("example.com/z"), registry.ErrNotFound},
		{"unknown digest", get("example.com/a", string(digest.FromString("?"))), registry.ErrNotFound},
		{"blob that is no manifest", get("example.com/a", string(img.blobs[1].Descriptor.Digest)), registry.ErrNotFound},
		{"manifest whose file is gone", get("example.com/a", img.sigTag()), registry.ErrCorrupt},
		{"blob whose file is gone", readBlob(ctx, l, "example.com/a", zip), registry.ErrCorrupt},
		{"upper-case repository", get("example.com/A", "v1.0.0"), registry.ErrReference},
		{"path in a repository", get("../a", "v1.0.0"), registry.ErrReference},
		{"malformed tag", get("example.com/a", "v1/../.."), registry.ErrReference},
		{"malformed digest", get("example.com/a", "sha256:../../x"), registry.ErrReference},
	} {
		if !errors.Is(c.err, c.want) || errors.Is(c.err, registry.ErrNotFound) != (c.want == registry.ErrNotFound) {
			t.Errorf("%s: %v", c.name, c.err)
		}
	}
}

func TestLayoutRefusesIncompletePushes(t *testing.T) {
	ctx := t.Context()
	l := openLayout(t, t.TempDir())
	img := newImage("example.com/a", "v1.0.0")
	wrong := artifact.NewBlob("x", []byte("right"))
	wrong.Descriptor.Digest = digest.FromString("wrong")
	short := artifact.NewBlob("x", []byte("short"))
	short.Descriptor.Size++
	long := artifact.NewBlob("x", []byte("long"))
	long.Descriptor.Size--
	text := artifact.NewBlob(ocispec.MediaTypeImageManifest, []byte("text"))
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"manifest before its blobs":   {l.PushManifest(ctx, img.repo, img.desc, img.manifest, img.tag), "a blob that was not pushed"},
		"blob of another digest":      {l.PushBlob(ctx, img.repo, wrong), "mismatched digest"},
		"blob that is too short":      {l.PushBlob(ctx, img.repo, short), "unexpected EOF"},
		"blob that is too long":       {l.PushBlob(ctx, img.repo, long), "trailing data"},
		"manifest of another digest":  {l.PushManifest(ctx, img.repo, img.sigDesc, img.manifest, img.tag), "the manifest is sha256:"},
		"manifest that is no JSON":    {l.PushManifest(ctx, img.repo, text.Descriptor, []byte("text"), "x"), "invalid character"},
		"tag outside the grammar":     {l.PushManifest(ctx, img.repo, img.desc, img.manifest, "a:b"), "malformed registry reference"},
		"repository with a traversal": {l.PushManifest(ctx, "../x", img.desc, img.manifest, "b"), "malformed registry reference"},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, tt.err, tt.want)
		}
	}
	assertNoFiles(t, l.dir, blobsDir, tmpDir)
	if repos := collect(t, l.Repositories(ctx)); len(repos) != 0 {
		t.Errorf("repositories = %q", repos)
	}
}

func assertNoFiles(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		entries, err := os.ReadDir(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		}
		for _, e := range entries {
			t.Errorf("%s has %s", name, e.Name())
		}
	}
}

func TestLayoutPushStopsWithItsContext(t *testing.T) {
	l := openLayout(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.PushBlob(ctx, "example.com/a", artifact.NewBlob("x", []byte("x"))); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	img := newImage("example.com/a", "v1.0.0")
	mustPublish(t, l, img)
	unlock, err := openLayout(t, l.dir).lock(context.Background()) // a process that was stopped
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]*layout{"prepared": l, "new": openLayout(t, l.dir)} {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		if err := l.PushManifest(ctx, img.repo, img.desc, img.manifest, "other"); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	unlock()
	mustPublish(t, l, newImage("example.com/a", "v1.1.0"))
	if _, _, err := l.Manifest(t.Context(), img.repo, "other"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("the tag of a push that gave up: %v", err)
	}
}

func TestLayoutIndexDoesNotDependOnTheOrderOfPushes(t *testing.T) {
	var images []image
	for i := range 40 {
		images = append(images, newImage(fmt.Sprintf("example.com/m%d", i%7), fmt.Sprintf("v1.%d.0", i)))
	}
	var want string
	for round := range 4 {
		dir := t.TempDir()
		l, err := newLayout(dir)
		if err != nil {
			t.Fatal(err)
		}
		rand.Shuffle(len(images), func(i, j int) { images[i], images[j] = images[j], images[i] })
		var g errgroup.Group
		g.SetLimit(1 + round)
		for _, img := range images {
			g.Go(func() error { return img.publish(t.Context(), l) })
		}
		if err := errors.Join(g.Wait(), l.Close(), l.Close()); err != nil {
			t.Fatal(err)
		}
		got := fileText(t, dir, "index.json")
		if round == 0 {
			want = got
		}
		if got != want || fileText(t, dir, journalFile) != "" {
			t.Fatalf("round %d: another index.json, or a journal left\n%s\n%s", round, got, want)
		}
	}
}

func TestTwoLayoutsOnOneDirectorySeeEachOther(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	a, b, reader := openLayout(t, dir), openLayout(t, dir), openLayout(t, dir)
	var g errgroup.Group
	for i := range 60 {
		img := newImage("example.com/m", fmt.Sprintf("v1.%d.0", i))
		writer, other := a, b
		if i%2 == 1 {
			writer, other = b, a
		}
		g.Go(func() error {
			if err := img.publish(ctx, writer); err != nil {
				return err
			}
			return errors.Join(img.check(ctx, other), img.check(ctx, reader))
		})
	}
	if err := errors.Join(g.Wait(), a.Close()); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, b, newImage("example.com/m", "v2.0.0"))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if tags := collect(t, reader.Tags(ctx, "example.com/m")); len(tags) != 122 {
		t.Errorf("%d tags", len(tags))
	}
	if n := strings.Count(fileText(t, dir, "index.json"), `"example.com/m:`); n != 122 {
		t.Errorf("%d entries in index.json", n)
	}
}

func TestLayoutPublishedTwiceIsNotWrittenTwice(t *testing.T) {
	l := openLayout(t, t.TempDir())
	img := newImage("example.com/a", "v1.0.0")
	mustPublish(t, l, img)
	before := fileText(t, l.dir, journalFile)
	mustPublish(t, l, img)
	if after := fileText(t, l.dir, journalFile); after != before || strings.Count(after, "\n") != 2 {
		t.Errorf("journal:\n%s", after)
	}
}

func TestLayoutReferencesAreForSkopeo(t *testing.T) {
	l := openLayout(t, "some/dir")
	d := string(digest.FromString(""))
	for _, c := range [][3]string{
		{"", "", "oci:some/dir"},
		{"example.com/a", "", "oci:some/dir:example.com/a"},
		{"example.com/a", "v1.0.0", "oci:some/dir:example.com/a:v1.0.0"},
		{"example.com/a", d, "oci:some/dir:example.com/a@" + d},
	} {
		if got := l.Reference(c[0], c[1]); got != c[2] {
			t.Errorf("reference(%q, %q) = %q", c[0], c[1], got)
		}
	}
}

// brokenReader fails after some bytes.
type brokenReader struct{ n int }

var errBroken = errors.New("broken")

func (r *brokenReader) Read(p []byte) (int, error) {
	if r.n == 0 {
		return 0, errBroken
	}
	n := min(r.n, len(p))
	r.n -= n
	return n, nil
}

func TestReplaceFileLeavesNothingHalf(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, tmpDir), 0o777); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(dir, "target")
	if err := os.WriteFile(target, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	l := &layout{dir: dir, sync: syncFile}
	err := l.replaceFile(target, 0o666, true, func(w io.Writer) error {
		_, err := io.Copy(w, &brokenReader{5000})
		return err
	})
	if !errors.Is(err, errBroken) || fileText(t, dir, "target") != "old" {
		t.Errorf("%v, %q", err, fileText(t, dir, "target"))
	}
	err = l.replaceFile(filepath.Join(dir, "no", "such", "directory"), 0o666, true, func(io.Writer) error { return nil })
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	assertNoFiles(t, dir, tmpDir)
}

func TestADiskThatTakesNothingIsARegistryThatTakesNothing(t *testing.T) {
	l := openLayout(t, t.TempDir())
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS} {
		err := l.fail("pushing blob", "example.com/a", "", &os.PathError{Op: "write", Path: "blob", Err: errno})
		if !errors.Is(err, registry.ErrReadOnly) || !errors.Is(err, errno) {
			t.Errorf("%v: %v", errno, err)
		}
	}
	if err := l.fail("pushing blob", "example.com/a", "", fs.ErrPermission); errors.Is(err, registry.ErrReadOnly) {
		t.Error(err)
	}
}
