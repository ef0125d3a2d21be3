package ocilayout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
)

// images returns so many versions.
func images(n int) (list []image) {
	for i := range n {
		list = append(list, newImage(fmt.Sprintf("example.com/m%d", i), "v1.0.0"))
	}
	return list
}

// After a power cut a tag never leads to a blob that was lost: all it leads to is durable before the tag is written,
// also what another process has pushed.
func TestWhatATagLeadsToIsDurableBefore(t *testing.T) {
	dir := t.TempDir()
	other := openLayout(t, dir)
	l := openLayout(t, dir)
	var mu sync.Mutex
	durable := make(map[string]bool)
	l.sync = func(name string) error {
		mu.Lock()
		defer mu.Unlock()
		durable[filepath.Base(name)] = true
		return syncFile(name)
	}
	check := func(img image, tag string) {
		t.Helper()
		blobs := append([]artifact.Blob{artifact.NewBlob("", img.manifest)}, img.blobs...)
		if strings.HasSuffix(tag, ".sig") {
			blobs = append([]artifact.Blob{artifact.NewBlob("", img.sigData)}, img.sigBlobs...)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, b := range blobs {
			if !durable[b.Descriptor.Digest.Encoded()] {
				t.Errorf("%s:%s was written before %s was durable", img.repo, tag, b.Descriptor.Digest)
			}
		}
	}
	list := images(6)
	for _, b := range list[0].blobs {
		if err := other.PushBlob(t.Context(), list[0].repo, b); err != nil {
			t.Fatal(err)
		}
	}
	// The journal grows only under the lock, after everything was made durable: whoever sees a line looks then.
	watch := func() {
		t.Helper()
		journal := fileText(t, dir, journalFile)
		for _, img := range list {
			for _, tag := range []string{img.tag, img.sigTag()} {
				if strings.Contains(journal, `"`+img.repo+":"+tag+`"`) {
					check(img, tag)
				}
			}
		}
	}
	var g errgroup.Group
	for _, img := range list {
		g.Go(func() error {
			err := img.publish(t.Context(), l)
			watch()
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if !durable[filepath.Base(blobsDir)] || len(l.commits.dirty) > 0 {
		t.Errorf("blobs/sha256: %v; left: %v", durable[filepath.Base(blobsDir)], l.commits.dirty)
	}
}

func TestWhatHasNoTagIsDurableOnClose(t *testing.T) {
	l := openLayout(t, t.TempDir())
	var synced []string
	l.sync = func(name string) error { synced = append(synced, filepath.Base(name)); return syncFile(name) }
	b := artifact.NewBlob("x", []byte("x"))
	if err := l.PushBlob(t.Context(), "example.com/a", b); err != nil {
		t.Fatal(err)
	}
	synced = nil
	if err := l.Close(); err != nil || !strings.Contains(fmt.Sprint(synced), b.Descriptor.Digest.Encoded()) {
		t.Errorf("%v: %v", err, synced)
	}
}

// What two write at the same time is two files, of which the one that is made durable may be the one that goes.
func TestABlobThatIsWrittenAgainWhileItIsMadeDurableIsMadeSoOnClose(t *testing.T) {
	l := openLayout(t, t.TempDir())
	img := newImage("example.com/a", "v1.0.0")
	blob := img.blobs[0].Descriptor.Digest
	synced := 0
	l.sync = func(name string) error {
		err := syncFile(name)
		if filepath.Base(name) == blob.Encoded() {
			if synced++; synced == 1 {
				l.commits.written(blob)
			}
		}
		return err
	}
	mustPublish(t, l, img)
	before := synced
	if err := l.Close(); err != nil || synced == before {
		t.Errorf("synced %d times before Close, and %d with it: %v", before, synced, err)
	}
}

func TestWhatCouldNotBeMadeDurableIsTriedOnClose(t *testing.T) {
	l := openLayout(t, t.TempDir())
	img := newImage("example.com/a", "v1.0.0")
	l.sync = func(name string) error {
		if filepath.Base(name) == img.blobs[0].Descriptor.Digest.Encoded() {
			return syscall.EIO
		}
		return syncFile(name)
	}
	if err := img.publish(t.Context(), l); !errors.Is(err, syscall.EIO) {
		t.Errorf("publishing: %v", err)
	}
	if err := l.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("closing: %v", err)
	}
	l.sync = syncFile
}

// queued waits until so many changes of tags wait for another.
func queued(l *layout, n int) {
	for {
		l.commits.mu.Lock()
		there := len(l.commits.queue)
		l.commits.mu.Unlock()
		if there >= n {
			return
		}
		runtime.Gosched()
	}
}

func TestTagsThatArePutAtTheSameTimeAreMadeDurableTogether(t *testing.T) {
	const n = 20
	l := openLayout(t, t.TempDir())
	list := images(n)
	for _, img := range list {
		for _, b := range img.blobs {
			if err := l.PushBlob(t.Context(), img.repo, b); err != nil {
				t.Fatal(err)
			}
		}
	}
	var g errgroup.Group
	create := func(img image) error {
		return l.CreateTag(t.Context(), img.repo, img.desc, img.manifest, img.tag, false)
	}
	var once sync.Once
	groups := 0
	l.sync = func(name string) error {
		once.Do(func() { // while the disk is busy with the first
			for _, img := range list[1:] {
				g.Go(func() error { return create(img) })
			}
			queued(l, n-1)
		})
		if filepath.Base(name) == filepath.Base(blobsDir) {
			groups++
		}
		return syncFile(name)
	}
	if err := errors.Join(create(list[0]), g.Wait()); err != nil {
		t.Fatal(err)
	}
	if groups != 2 || strings.Count(fileText(t, l.dir, journalFile), "\n") != n {
		t.Errorf("%d groups, journal:\n%s", groups, fileText(t, l.dir, journalFile))
	}
}

func TestABlobThatCannotBeMadeDurableFailsWhatNeedsItAlone(t *testing.T) {
	l := openLayout(t, t.TempDir())
	list := images(4)
	bad := list[2].blobs[0].Descriptor.Digest.Encoded()
	for _, img := range list {
		for _, b := range img.blobs {
			if err := l.PushBlob(t.Context(), img.repo, b); err != nil {
				t.Fatal(err)
			}
		}
	}
	errs := make([]error, len(list))
	var g errgroup.Group
	create := func(i int) error {
		errs[i] = l.CreateTag(t.Context(), list[i].repo, list[i].desc, list[i].manifest, list[i].tag, false)
		return nil
	}
	var once sync.Once
	l.sync = func(name string) error {
		once.Do(func() {
			for i := range list[1:] {
				g.Go(func() error { return create(i + 1) })
			}
			queued(l, len(list)-1)
		})
		if filepath.Base(name) == bad {
			return syscall.EIO
		}
		return syncFile(name)
	}
	_ = errors.Join(create(0), g.Wait())
	for i, img := range list {
		_, _, found := l.Manifest(t.Context(), img.repo, img.tag)
		if want := i == 2; errors.Is(errs[i], syscall.EIO) != want || errors.Is(found, registry.ErrNotFound) != want {
			t.Errorf("%s: %v; its tag: %v", img.repo, errs[i], found)
		}
	}
	l.sync = syncFile
}

// Of two in one group that create a tag with other content, one loses.
func TestOfTwoInAGroupWhoCreateATagOneLoses(t *testing.T) {
	l := openLayout(t, t.TempDir())
	first, a, b := newImage("example.com/x", "v1.0.0"), newImage("example.com/a", "v1.0.0"), newImage("example.com/b", "v1.0.0")
	mustPublish(t, l, a, b)
	for _, blob := range first.blobs {
		if err := l.PushBlob(t.Context(), first.repo, blob); err != nil {
			t.Fatal(err)
		}
	}
	errs := make([]error, 3)
	var g errgroup.Group
	create := func(i int, img image, tag string) error {
		errs[i] = l.CreateTag(t.Context(), "example.com/x", img.desc, img.manifest, tag, false)
		return nil
	}
	var once sync.Once
	l.sync = func(name string) error {
		once.Do(func() {
			g.Go(func() error { return create(1, a, "same") })
			g.Go(func() error { return create(2, b, "same") })
			queued(l, 2)
		})
		return syncFile(name)
	}
	_ = errors.Join(create(0, first, first.tag), g.Wait())
	lost := 0
	for _, err := range errs {
		if errors.Is(err, registry.ErrTagExists) {
			lost++
		} else if err != nil {
			t.Error(err)
		}
	}
	if lost != 1 || strings.Count(fileText(t, l.dir, journalFile), ":same") != 1 {
		t.Errorf("%v", errs)
	}
}

// Who makes the changes of all and gives up leaves them to those who wait.
func TestWhoGivesUpTakesNobodyAlong(t *testing.T) {
	l := openLayout(t, t.TempDir())
	a, b := newImage("example.com/a", "v1.0.0"), newImage("example.com/b", "v1.0.0")
	mustPublish(t, l, a, b)
	unlock, err := openLayout(t, l.dir).lock(context.Background()) // a process that was stopped
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var g errgroup.Group
	var once sync.Once
	l.sync = func(name string) error { // the first one has its turn
		once.Do(func() {
			g.Go(func() error { return l.PushManifest(t.Context(), b.repo, b.desc, b.manifest, "other") })
			queued(l, 1)
			cancel()
		})
		return syncFile(name)
	}
	if err := l.PushManifest(ctx, a.repo, a.desc, a.manifest, "other"); !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up: %v", err)
	}
	unlock()
	if err := g.Wait(); err != nil {
		t.Errorf("the other: %v", err)
	}
	if _, _, err := l.Manifest(t.Context(), a.repo, "other"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("the tag of who gave up: %v", err)
	}
}

func TestABlobFromAFileOfTheLayoutIsTakenOver(t *testing.T) {
	if !syncsLater {
		t.Skip("what others have written cannot be made durable here")
	}
	l := openLayout(t, t.TempDir())
	if f, err := l.Stage(); f != nil || err != nil {
		t.Errorf("of a layout that is not made: %v, %v", f, err)
	}
	img := newImage("example.com/a", "v1.0.0")
	mustPublish(t, l, img)
	b := artifact.NewBlob("x", []byte("staged"))
	for _, name := range []string{"new", "there already"} {
		f, err := l.Stage()
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(f, "staged")
		if err := errors.Join(err, f.Close(), l.PushStaged(t.Context(), img.repo, b.Descriptor, f.Name())); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := readBlob(t.Context(), l, img.repo, b.Descriptor); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if info, err := os.Stat(l.blobPath(b.Descriptor.Digest)); err != nil || info.Mode().Perm()&0o222 != 0 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		assertNoFiles(t, l.dir, tmpDir)
	}
}
